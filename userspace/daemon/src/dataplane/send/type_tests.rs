//! The sender types of ST 2110-21 on the wire.

use onair_media::st2110_21::{Measurement, Reads, Stream, Verdict};
use onair_media::video::{Depth, FrameRate};

use super::super::transmit::tests::Wire;
use super::tests::{AHEAD_NS, PEER, START_NS, config, port, rtp};
use super::*;

/// A sender of 1080p50, and the measurement of its packets at the times of their turns.
struct Rig {
    sender: Sender,
    wire: Wire,
    measurement: Measurement,
    largest: usize,
}

impl Rig {
    fn new(sender_type: SenderType) -> Self {
        let rate = FrameRate::new(50, 1).unwrap();
        let config = SendConfig {
            format: VideoFormat::new(1920, 1080, Depth::Ten, rate).unwrap(),
            sender_type,
            ..config(FrameSource::Pattern)
        };
        let mut sender = Sender::new(config, Arc::new(SessionStats::new(2))).unwrap();
        sender.resume(&port(), START_NS);
        let stream = Stream {
            height: 1080,
            interlaced: false,
            rate: (50, 1),
            packets: sender.packetiser(0).packets(),
            reads: Reads::of(sender_type),
            offset_ns: None,
        };
        Self {
            sender,
            wire: Wire::default(),
            measurement: Measurement::new(&stream).unwrap(),
            largest: 0,
        }
    }

    /// A turn, `late_ns` after it is due.
    fn turn(&mut self, late_ns: u64) {
        let now_ns = self.sender.due_ns() + late_ns;
        self.sender.turn(now_ns, Some(PEER), &mut self.wire);
        self.largest = self.largest.max(self.wire.packets.len());
        for packet in self.wire.packets.drain(..) {
            let (header, _) = rtp(&packet);
            self.measurement
                .packet(now_ns, Some(now_ns + AHEAD_NS), &header);
        }
    }

    fn sent(&self) -> u64 {
        self.sender.stats.snapshot().frames_sent
    }

    fn verdict(&self) -> Verdict {
        self.measurement.verdict(true).unwrap()
    }
}

#[test]
fn sender_of_each_type_then_its_packets_comply_with_it() {
    for sender_type in SenderType::ALL {
        let mut rig = Rig::new(sender_type);
        while rig.sent() < 3 {
            rig.turn(0);
        }
        let found = rig.verdict();
        assert_eq!(found.complies, Some(sender_type), "{:?}", found.reason);
        let group = if sender_type == SenderType::Wide {
            8
        } else {
            2
        };
        assert_eq!(rig.largest, group);
    }
}

#[test]
fn narrow_sender_late_at_a_turn_then_no_burst_above_cmax_and_all_is_sent() {
    for sender_type in [SenderType::Narrow, SenderType::NarrowLinear] {
        let mut rig = Rig::new(sender_type);
        while rig.sent() < 1 {
            rig.turn(0);
        }
        for late_ns in [15_000, 90_000, 400_000, 0] {
            rig.turn(late_ns);
        }
        while rig.sent() < 4 {
            rig.turn(0);
        }
        let limits = rig.measurement.limits();
        let cinst = rig.measurement.cinst().max().unwrap();
        assert!(cinst.unsigned_abs() <= limits.cmax_narrow, "Cinst {cinst}");
        assert!(rig.largest as u64 <= limits.cmax_narrow);
        let missed = rig.sender.stats.snapshot().slots_missed;
        assert_eq!(missed, 0);
    }
}

#[test]
fn narrow_sender_whose_port_takes_nothing_for_a_while_then_goes_on_within_its_limit() {
    let mut rig = Rig::new(SenderType::Narrow);
    rig.turn(0);
    rig.wire.room = 1;
    rig.turn(0);
    assert!(rig.sender.is_stalled());
    rig.wire.room = 0;
    rig.turn(0);
    rig.wire.room = usize::MAX;
    while rig.sent() < 2 {
        rig.turn(0);
    }
    let cinst = rig.measurement.cinst().max().unwrap();
    assert!(cinst.unsigned_abs() <= rig.measurement.limits().cmax_narrow);
}
