//! Streams made by hand through the measurement of ST 2110-21.

mod pacing;

use onair_essence::rtp::RtpHeader;
use onair_essence::video::st2110_21::{Measurement, Monitor, Quantity, Reads, Schedule, Stream};
use onair_essence::video::{Scan, SenderType};

const PACKETS: u32 = 4320;
/// A frame of 2026, since the epoch.
const FRAME: u64 = 1_790_000_000 * 50;

const fn stream(reads: Reads) -> Stream {
    Stream {
        height: 1080,
        scan: Scan::Progressive,
        rate: (50, 1),
        packets: PACKETS,
        reads,
        offset_ns: None,
        max_udp: None,
    }
}

/// A sender of a progressive 1080 line picture with 50 frames a second.
struct Sender {
    schedule: Schedule,
    sequence: u16,
    ssrc: u32,
}

impl Sender {
    fn new(reads: Reads) -> Self {
        Self {
            schedule: Schedule::new(&stream(reads)).expect("a valid stream"),
            sequence: 65_000,
            ssrc: 1,
        }
    }

    /// The packets of frame `frame`, each `early_ns` before it is read.
    fn frame(&mut self, frame: u64, early_ns: i64) -> Vec<(u64, RtpHeader)> {
        let packet = |packet| {
            self.sequence = self.sequence.wrapping_add(1);
            let at_ns = self.schedule.read_ns(FRAME + frame, packet);
            let header = RtpHeader {
                marker: packet + 1 == PACKETS,
                payload_type: 96,
                sequence: self.sequence,
                timestamp: u32::try_from((FRAME + frame) * 1800 % (1 << 32)).expect("32 bits"),
                ssrc: self.ssrc,
            };
            (at_ns.strict_sub_signed(early_ns), header)
        };
        (0..PACKETS).map(packet).collect()
    }
}

fn measured(reads: Reads, packets: impl IntoIterator<Item = (u64, RtpHeader)>) -> Measurement {
    let mut measurement = Measurement::new(&stream(reads)).expect("a valid stream");
    for (at_ns, header) in packets {
        measurement.packet(at_ns, Some(at_ns), &header);
    }
    measurement
}

#[test]
fn gapped_sender_on_schedule_is_narrow_and_packets_read_at_once() {
    let mut sender = Sender::new(Reads::Gapped);
    let measurement = measured(Reads::Gapped, (0..4).flat_map(|n| sender.frame(n, -1)));
    let vrx: Vec<_> = measurement.vrx().occurred().collect();
    assert_eq!(vrx, [(0, 3 * u64::from(PACKETS))]);
    // TDRAIN is shorter than TRS: the bucket is always empty.
    let cinst = measurement.cinst();
    assert_eq!(cinst.total(), 4 * u64::from(PACKETS));
    assert_eq!((cinst.min(), cinst.max()), (Some(0), Some(0)));
    assert_eq!(measurement.units(), 3);
    let first = measurement.first_packets();
    assert_eq!(first.rtp_offset_ticks.min(), Some(0));
    assert_eq!(first.after_start_ns.mean(), Some(764_446.0));
    assert_eq!(first.after_timestamp_ns.max(), Some(764_446));
    assert_eq!(first.margin_ns.min(), Some(-2));
    let verdict = measurement.verdict(true).unwrap();
    assert_eq!(verdict.complies, Some(SenderType::Narrow));
}

/// Fields of 1080i50, each packet in the instant of its read, with second fields half a line later or not.
fn fields(half_line_ns: u64, late_ns: u64) -> Measurement {
    let stream = Stream {
        scan: Scan::Interlaced,
        rate: (25, 1),
        packets: PACKETS / 2,
        ..stream(Reads::Gapped)
    };
    let schedule = Schedule::new(&stream).expect("a valid stream");
    let mut measurement = Measurement::new(&stream).expect("a valid stream");
    for field in 0..6 {
        let later_ns = late_ns + if field % 2 == 1 { half_line_ns } else { 0 };
        for packet in 0..stream.packets {
            let at_ns = schedule.read_ns(FRAME + field, packet) + later_ns;
            let header = RtpHeader {
                marker: packet + 1 == stream.packets,
                payload_type: 96,
                sequence: 0,
                timestamp: u32::try_from((FRAME + field) * 1800 % (1 << 32)).expect("32 bits"),
                ssrc: 1,
            };
            measurement.packet(at_ns, Some(at_ns), &header);
        }
    }
    measurement
}

#[test]
fn second_fields_half_a_line_later_narrow_and_later_ones_late() {
    // 40 ms / 1125 / 2, which is two reads.
    let half_line_ns = 17_778;
    for (half_line, complies, figures) in [
        (0, Some(SenderType::Narrow), (0, 0)),
        (half_line_ns, Some(SenderType::Narrow), (-2, 0)),
        (2 * half_line_ns, None, (-4, 0)),
    ] {
        let measurement = fields(half_line, 1);
        let vrx = measurement.vrx();
        // As EBU LIST has them.
        let found = vrx.min().zip(vrx.max());
        assert_eq!(found, Some(figures), "{half_line}");
        let verdict = measurement.verdict(true).unwrap();
        assert_eq!(verdict.complies, complies, "{half_line} {verdict:?}");
    }
    // First fields have no half line.
    let late = fields(0, half_line_ns).verdict(true).unwrap();
    assert_eq!(late.reason.map(|it| it.quantity), Some(Quantity::VrxLowest));
}

#[test]
fn burst_of_cmax_and_one_more_is_narrow() {
    for (burst, complies) in [(5, SenderType::NarrowLinear), (6, SenderType::Wide)] {
        let packets = Sender::new(Reads::Linear).frame(0, 0);
        let stream = Stream {
            packets: 1000,
            ..stream(Reads::Linear)
        };
        let mut measurement = Measurement::new(&stream).expect("a valid stream");
        assert_eq!(measurement.limits().cmax_narrow, 4);
        for (_, header) in &packets[..burst] {
            measurement.packet(1_000, None, header);
        }
        assert_eq!(measurement.verdict(false).unwrap().complies, Some(complies));
    }
}

#[test]
fn early_gapped_sender_fills_the_buffer_by_its_earliness() {
    let mut sender = Sender::new(Reads::Gapped);
    // 8.5 reads.
    let frames = (0..3).flat_map(|n| sender.frame(n, 37_777));
    let measurement = measured(Reads::Gapped, frames);
    assert_eq!(measurement.vrx().max(), Some(9));
    let verdict = measurement.verdict(true).unwrap();
    assert_eq!(verdict.complies, Some(SenderType::Wide));
    let reason = verdict.reason.unwrap();
    assert_eq!((reason.quantity, reason.limit), (Quantity::VrxHighest, 8));
    assert_eq!(
        measurement.verdict(false).unwrap().complies,
        Some(SenderType::Narrow)
    );
}

#[test]
fn bursts_of_eight_are_wide() {
    let mut sender = Sender::new(Reads::Linear);
    let mut packets: Vec<_> = (0..3).flat_map(|n| sender.frame(n, 0)).collect();
    for burst in packets.chunks_mut(8) {
        let at_ns = burst[0].0;
        for packet in burst {
            packet.0 = at_ns;
        }
    }
    let verdict = measured(Reads::Linear, packets).verdict(false).unwrap();
    assert_eq!(verdict.complies, Some(SenderType::Wide));
    let reason = verdict.reason.unwrap();
    assert_eq!((reason.quantity, reason.figure), (Quantity::Cinst, 7));
}

#[test]
fn late_frame_is_not_compliant() {
    let mut sender = Sender::new(Reads::Gapped);
    let frames = [(0, 0), (1, 0), (2, -5_000_000)];
    let packets = frames.iter().flat_map(|&(n, early)| sender.frame(n, early));
    let verdict = measured(Reads::Gapped, packets).verdict(true).unwrap();
    assert_eq!(verdict.complies, None);
    // 5 ms of reads each 4.44 µs.
    let reason = verdict.reason.unwrap();
    assert_eq!(
        (reason.quantity, reason.figure),
        (Quantity::VrxLowest, -1125)
    );
}

#[test]
fn lost_packets_and_markers_do_not_shift_the_units() {
    let mut sender = Sender::new(Reads::Gapped);
    let packets: Vec<_> = (0..6).flat_map(|n| sender.frame(n, -1)).collect();
    // A marker, and a packet in the midst of a frame.
    let lost = [2 * PACKETS - 1, 3 * PACKETS + 100].map(|n| n as usize);
    let arrived = packets
        .iter()
        .enumerate()
        .filter(|it| !lost.contains(&it.0));
    let measurement = measured(Reads::Gapped, arrived.map(|it| *it.1));
    assert_eq!(measurement.units(), 5);
    // What was lost in the midst is missing in the buffer until the frame ends.
    assert_eq!(measurement.vrx().min(), Some(-1));
    assert_eq!(measurement.vrx().max(), Some(0));
}

#[test]
fn monitor_learns_measures_and_starts_again_with_another_source() {
    let mut sender = Sender::new(Reads::Gapped);
    let mut monitor = Monitor::new(1080, Scan::Progressive, (50, 1)).unwrap();
    let mut seconds = 0;
    let mut feed = |monitor: &mut Monitor, packets: Vec<_>| {
        for (at_ns, header) in packets {
            seconds += u64::from(monitor.packet(at_ns, Some(at_ns), &header));
        }
        seconds
    };
    for frame in 0..4 {
        assert!(monitor.measurement().is_none());
        feed(&mut monitor, sender.frame(frame, -1));
    }
    // Of sequence numbers and timestamps that wrap: 130 s.
    let frames = (4..200).chain(6_500..6_600);
    for frame in frames {
        feed(&mut monitor, sender.frame(frame, -1));
    }
    let measurement = monitor.measurement().unwrap();
    assert_eq!(*measurement.stream(), stream(Reads::Gapped));
    assert_eq!(
        measurement.verdict(true).unwrap().complies,
        Some(SenderType::Narrow)
    );
    assert_eq!(measurement.first_packets().rtp_offset_ticks.max(), Some(0));
    assert_eq!(
        monitor.last_second().unwrap().verdict.complies,
        Some(SenderType::Narrow)
    );

    sender.ssrc = 2;
    feed(&mut monitor, sender.frame(6_600, -1));
    assert!(monitor.measurement().is_none());
    assert_eq!((monitor.restarts(), monitor.last_second()), (1, None));
    for frame in 6_601..6_610 {
        feed(&mut monitor, sender.frame(frame, -1));
    }
    assert!(monitor.measurement().unwrap().units() >= 5);
    assert_eq!(feed(&mut monitor, Vec::new()), 7);
}
