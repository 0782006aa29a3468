//! A poller's part of a receive session, and the memory of its units.

use std::collections::BTreeMap;

use onair_essence::legs::{Class, Leg, Merge, MergeConfig, Onward as _, Receiving};
use onair_essence::receive::{Depacketise as _, Sink, UnitReport};
use onair_essence::{Depacketiser, Format};

use super::{TIMEOUT_NS, TYPE};

/// Bytes of the largest packet of either leg.
const PACKET_BYTES: usize = 1_472;
/// Units that are in assembly at once.
const UNITS: usize = 2;

/// A unit that ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) timestamp: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) complete: bool,
    /// When its first packet came.
    pub(super) first_ns: u64,
}

/// The memory of the units. What must not be, panics.
#[derive(Debug, Default)]
struct Memory {
    bytes: usize,
    opened: usize,
    open: BTreeMap<usize, (u32, Vec<u8>)>,
    ended: Vec<Ended>,
}

impl Sink for Memory {
    type Slot = usize;

    fn open(&mut self, rtp_timestamp: u32) -> Option<usize> {
        self.opened += 1;
        assert!(self.open.len() < UNITS, "a place of a unit is lost");
        let memory = (rtp_timestamp, vec![0; self.bytes]);
        self.open.insert(self.opened, memory);
        Some(self.opened)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        let (_, memory) = self.open.get_mut(&slot).expect("the unit is open");
        memory[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        let (timestamp, bytes) = self.open.remove(&slot).expect("the unit is open");
        assert_eq!(timestamp, report.rtp_timestamp, "another unit ends");
        self.ended.push(Ended {
            timestamp,
            bytes,
            complete: report.complete,
            first_ns: report.first_packet_ns,
        });
    }
}

/// A receive session.
#[derive(Debug)]
pub(super) struct Session {
    receiver: Depacketiser<usize>,
    merge: Option<Merge>,
    memory: Memory,
    /// Packets that came on each leg.
    came: [u64; 2],
}

impl Session {
    pub(super) fn new(format: &Format, class: Option<Class>) -> Self {
        let merge = class.map(|class| {
            Merge::new(&MergeConfig {
                payload_types: TYPE.into(),
                clock_hz: format.clock_hz(),
                bytes_per_second: format.bytes_per_second(),
                period_ns: format.period_ns(1),
                packets_a_second: format.packets_a_second(),
                packet_bytes: PACKET_BYTES,
                class,
                silence_ns: TIMEOUT_NS,
            })
        });
        Self {
            receiver: format.depacketiser(TYPE, TIMEOUT_NS),
            merge,
            memory: Memory {
                bytes: format.unit_bytes(),
                ..Memory::default()
            },
            came: [0; 2],
        }
    }

    /// Does the work due until `now_ns`, then a turn with these packets.
    pub(super) fn turn(&mut self, leg: Leg, packets: &[&[u8]], now_ns: u64) {
        while let Some(due_ns) = self.due_ns().filter(|it| *it < now_ns) {
            self.expire(due_ns);
            assert!(self.due_ns().is_none_or(|it| it > due_ns), "work is left");
        }
        self.came[leg as usize] += packets.len() as u64;
        let mut onward = Receiving {
            receiver: &mut self.receiver,
            sink: &mut self.memory,
            now_ns,
        };
        match &mut self.merge {
            None => onward.pass(packets),
            Some(merge) => _ = merge.push(leg, packets, now_ns, &mut onward),
        }
        self.expire(now_ns);
    }

    fn expire(&mut self, now_ns: u64) {
        let mut onward = Receiving {
            receiver: &mut self.receiver,
            sink: &mut self.memory,
            now_ns,
        };
        if let Some(merge) = &mut self.merge {
            merge.expire(now_ns, &mut onward);
        }
        self.receiver.expire(now_ns, &mut self.memory);
        self.check();
    }

    fn due_ns(&self) -> Option<u64> {
        let merged = self.merge.as_ref().and_then(Merge::deadline);
        self.receiver.deadline().into_iter().chain(merged).min()
    }

    /// Each packet counts once, and no place of one is lost.
    fn check(&self) {
        let stats = self.receiver.stats();
        let refused = stats.malformed.total() + stats.other_ssrc_packets + stats.duplicate;
        let counted = stats.accepted + refused + stats.late + stats.no_buffer;
        assert_eq!(counted, stats.packets, "{stats:?}");
        let Some(merge) = &self.merge else { return };
        assert!(merge.is_whole(), "a place of a packet is lost");
        for (leg, came) in Leg::BOTH.into_iter().zip(self.came) {
            let it = merge.leg(leg);
            let used = it.used + it.duplicate + it.late + it.other_stream;
            let counted = used + it.before_restart + it.malformed;
            assert_eq!([counted, it.packets], [came; 2], "{leg:?}: {it:?}");
        }
    }

    /// The session ends. Returns its units.
    pub(super) fn close(mut self) -> Vec<Ended> {
        self.receiver.close(&mut self.memory);
        assert!(self.memory.open.is_empty(), "a unit has not ended");
        self.memory.ended
    }
}
