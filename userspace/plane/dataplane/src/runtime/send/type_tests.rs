//! The sender types of ST 2110-21 on the wire.

use onair_essence::video::st2110_21::{Declared, Measurement, Reads, Stream, Verdict};
use onair_essence::video::{Depth, FrameRate, Scan, SenderType, VideoFormat, VideoStream};

use super::tests::{AHEAD_NS, PEER, START_NS, config, port, rtp};
use super::*;
use crate::flow::target::FlowTarget;
use crate::transmit::tests::Wire;

/// 1080p50, sent with this timing.
fn format(timing: Declared) -> Format {
    let rate = FrameRate::new(50, 1).unwrap();
    let format = VideoFormat::new(1920, 1080, Depth::Ten, rate).unwrap();
    Format::Video(VideoStream {
        sender_type: timing.sender,
        tr_offset_us: timing.offset_ns.map(|ns| (ns / 1_000).try_into().unwrap()),
        cmax: timing.cmax,
        ..format.into()
    })
}

/// A sender of 1080p50, and the measurement of its packets at the times of their turns.
struct Rig {
    sender: Sender,
    wire: Wire,
    measurement: Measurement,
    largest: usize,
}

impl Rig {
    fn new(sender_type: SenderType) -> Self {
        Self::of(sender_type.into(), None)
    }

    /// Of a sender with this timing, measured by another offset if one is given.
    fn of(timing: Declared, offset_ns: Option<u64>) -> Self {
        let config = SendConfig {
            format: format(timing),
            ..config(FrameSource::Pattern)
        };
        let mut sender = Sender::new(config, Arc::new(SessionStats::new(2))).unwrap();
        sender.resume(&port(), START_NS);
        let stream = Stream {
            height: 1080,
            scan: Scan::Progressive,
            rate: (50, 1),
            packets: sender.packetiser.packets(0),
            reads: Reads::of(timing.sender.unwrap()),
            offset_ns: offset_ns.or(timing.offset_ns),
            max_udp: None,
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
        self.sender
            .turn(now_ns, NextHop::Known(PEER), &mut self.wire);
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
    for sender_type in SenderType::ALL.iter().copied() {
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
fn narrow_sender_late_at_a_turn_then_no_burst_above_cmax() {
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
fn narrow_sender_with_a_stuck_port_then_stays_in_its_limit() {
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

#[test]
fn sender_with_an_own_offset_then_complies_by_that_offset_alone() {
    for sender_type in SenderType::ALL.iter().copied() {
        for offset_ns in [200_000, 5_000_000, 19_999_000] {
            let timing = Declared {
                offset_ns: Some(offset_ns),
                ..sender_type.into()
            };
            let sent = |measured_by| {
                let mut rig = Rig::of(timing, measured_by);
                while rig.sent() < 4 {
                    rig.turn(0);
                }
                rig
            };
            let rig = sent(None);
            let found = rig.verdict();
            let shown = format!("{sender_type} {offset_ns}: {found:?}");
            assert_eq!(found.complies, Some(sender_type), "{shown}");
            let margin_ns = rig.measurement.first_packets().margin_ns;
            assert!(margin_ns.min() > Some(0), "{margin_ns:?}");
            let early_ns = margin_ns.max().unwrap().unsigned_abs();
            assert!(early_ns <= offset_ns / 2 + 1, "{early_ns} of {offset_ns}");
            // By one that is earlier, all packets are late.
            let found = sent(Some(offset_ns / 2 - 50_000)).verdict();
            assert_eq!(found.complies, None, "{shown}");
        }
    }
}

#[test]
fn sender_with_a_cmax_of_its_own_then_no_packet_finds_more() {
    use SenderType::{Narrow, NarrowLinear, Wide};
    for (sender_type, cmax, group) in [
        (Narrow, 1, 1),
        (Narrow, 3, 1),
        (NarrowLinear, 2, 1),
        (NarrowLinear, 4, 2),
        (Wide, 5, 2),
        (Wide, 16, 8),
    ] {
        let timing = Declared {
            cmax: Some(cmax),
            ..sender_type.into()
        };
        let mut rig = Rig::of(timing, None);
        while rig.sent() < 1 {
            rig.turn(0);
        }
        assert_eq!(rig.largest, group, "{sender_type} {cmax}");
        for late_ns in [15_000, 200_000, 0] {
            rig.turn(late_ns);
        }
        while rig.sent() < 3 {
            rig.turn(0);
        }
        let cinst = rig.measurement.cinst().max().unwrap();
        assert!(cinst <= i64::from(cmax), "{sender_type} {cmax}: {cinst}");
        assert!(rig.largest as u64 <= u64::from(cmax), "{}", rig.largest);
        assert_eq!(rig.sender.stats.snapshot().slots_missed, 0);
    }
}

#[test]
fn sender_with_a_cmax_above_its_type_then_refused_with_advice() {
    for (sender_type, most) in [(SenderType::Narrow, 4), (SenderType::Wide, 16)] {
        let refused = |cmax| {
            let config = SendConfig {
                format: format(Declared {
                    cmax: Some(cmax),
                    ..sender_type.into()
                }),
                ..config(FrameSource::Pattern)
            };
            let checked = config.check_format().map_err(|error| error.to_string());
            let made = Sender::new(config, Arc::new(SessionStats::new(2))).map(|_| ());
            assert_eq!(made.map_err(|error| error.to_string()), checked);
            checked
        };
        assert_eq!(refused(most), Ok(()));
        let told = refused(most + 1).unwrap_err();
        assert!(told.contains(&format!("give 1 to {most}")), "{told}");
    }
}

#[test]
fn sender_gets_another_offset_then_its_next_frames_start_by_it() {
    let mut rig = Rig::new(SenderType::Narrow);
    let first_ns = |rig: &mut Rig| {
        let done = rig.sent();
        rig.turn(0);
        let start_ns = rig.sender.due_ns();
        while rig.sent() == done {
            rig.turn(0);
        }
        start_ns
    };
    let before_ns = first_ns(&mut rig);
    let after_ns = first_ns(&mut rig);
    assert_eq!(after_ns - before_ns, 20_000_000);
    let offset_ns = 4_000_000 + 20_000_000 * 43 / 1125;
    let config = &rig.sender.config;
    let target = FlowTarget {
        destination: config.destination,
        payload_type: config.payload_type,
        media_clock_offset: config.media_clock_offset,
        sources: Vec::new(),
        source_port: config.source_port,
        ttl: config.ttl,
        dscp: config.dscp,
        format: format(Declared {
            offset_ns: Some(offset_ns),
            ..SenderType::Narrow.into()
        }),
        second: None,
    };
    rig.sender.set_target(target);
    let moved_ns = first_ns(&mut rig);
    // The default is not a whole number of microseconds.
    assert!(
        (moved_ns - after_ns).abs_diff(24_000_000) <= 1_000,
        "{moved_ns}"
    );
}
