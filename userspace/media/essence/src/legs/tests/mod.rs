//! The merge against a list of what was sent.

mod holes;
mod hostile;
mod random;
mod streams;

use super::*;
use crate::rtp::RtpHeader;

const MS: u64 = 1_000_000;
/// From packet to packet.
const STEP_NS: u64 = 20_000;
const SILENCE_NS: u64 = 100 * MS;
const CLOCK_HZ: u32 = 90_000;
const SSRC: u32 = 7;

fn config() -> MergeConfig {
    MergeConfig {
        payload_types: 96.into(),
        clock_hz: CLOCK_HZ,
        bytes_per_second: 1_300 * 1_000_000_000 / STEP_NS,
        period_ns: 1_000 * STEP_NS,
        packets_a_second: 1_000_000_000 / STEP_NS,
        packet_bytes: 64,
        class: Class::A,
        silence_ns: SILENCE_NS,
    }
}

/// A stream whose packets carry their index.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Packets of one timestamp.
    a_unit: u32,
}

const SOURCE: Source = Source {
    ssrc: SSRC,
    sequence: 65_000,
    timestamp: u32::MAX - 3_000,
    a_unit: 50,
};

impl Source {
    fn packet(&self, index: u32) -> Vec<u8> {
        let [.., high, low] = index.to_be_bytes();
        let unit = index / self.a_unit;
        let header = RtpHeader {
            marker: false,
            payload_type: 96,
            sequence: self.sequence.wrapping_add(u16::from_be_bytes([high, low])),
            // 50 packets of 20 µs are 90 ticks.
            timestamp: self.timestamp.wrapping_add(unit * self.a_unit * 9 / 5),
            ssrc: self.ssrc,
        };
        [&header.to_bytes()[..], &index.to_be_bytes()].concat()
    }
}

/// A merge, and what it passed on.
struct Rig {
    merge: Merge,
    out: Vec<u32>,
}

impl Rig {
    fn new() -> Self {
        Self {
            merge: Merge::new(&config()),
            out: Vec::new(),
        }
    }

    fn push(&mut self, leg: Leg, packets: &[Vec<u8>], now_ns: u64) -> u64 {
        let packets: Vec<_> = packets.iter().map(Vec::as_slice).collect();
        let Self { merge, out } = self;
        merge.push(leg, &packets, now_ns, &mut Out(out))
    }

    fn give(&mut self, leg: Leg, source: &Source, indices: impl IntoIterator<Item = u32>) {
        for index in indices {
            self.push(leg, &[source.packet(index)], u64::from(index) * STEP_NS);
        }
    }

    /// Both legs bring these.
    fn both(&mut self, source: &Source, indices: std::ops::Range<u32>) {
        for index in indices {
            self.give(Leg::First, source, [index]);
            self.give(Leg::Second, source, [index]);
        }
    }

    fn expire(&mut self, now_ns: u64) {
        let Self { merge, out } = self;
        merge.expire(now_ns, &mut Out(out));
    }

    fn check_sums(&self) {
        for leg in Leg::BOTH {
            let it = self.merge.leg(leg);
            let sum = it.used
                + it.duplicate
                + it.late
                + it.other_stream
                + it.before_restart
                + it.malformed;
            assert_eq!(it.packets, sum, "{leg:?}: {it:?}");
        }
    }
}

/// What a merge passes on: packets by their index, refused ones as they are marked.
pub(super) struct Out<'a>(pub(super) &'a mut Vec<u32>);

/// The payload of a packet that is refused.
const REFUSED: [u8; 5] = [0xff; 5];

impl Onward for Out<'_> {
    fn refuses(&self, _rtp: &RtpHeader, payload: &[u8]) -> bool {
        payload == REFUSED
    }

    fn pass(&mut self, run: &[&[u8]]) {
        assert!(!run.is_empty());
        for packet in run {
            let index = packet.last_chunk().map(|it| u32::from_be_bytes(*it));
            self.0.push(index.unwrap_or(u32::MAX));
        }
    }
}
