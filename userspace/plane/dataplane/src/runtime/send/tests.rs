use std::net::Ipv4Addr;

use onair_essence::rtp::RtpHeader;
use onair_essence::video::pattern;
use onair_essence::video::st2110_20::Segments;
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_net::ethernet::EthernetHeader;

use super::*;
use crate::addresses::PortAddresses;
use crate::transmit::tests::Wire;

pub(super) const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);
/// By the monotonic clock.
pub(super) const START_NS: u64 = 5_000_000_000;
/// 2026-11-22T00:00:37 TAI at monotonic 0.
pub(super) const AHEAD_NS: u64 = 1_795_305_637_000_000_000;

fn format() -> VideoFormat {
    VideoFormat::new(320, 18, Depth::Eight, FrameRate::new(60_000, 1001).unwrap()).unwrap()
}

pub(super) fn port() -> PortInfo {
    let addresses = PortAddresses::of_ipv4(Ipv4Addr::new(10, 0, 0, 1), 24);
    PortInfo::without_device("a", [2, 0, 0, 0, 0, 1], addresses)
}

pub(super) fn config(source: FrameSource) -> SendConfig {
    SendConfig {
        port: "a".into(),
        source_port: 5000,
        destination: SocketAddr::from(([10, 0, 0, 2], 5004)),
        ttl: 64,
        dscp: 34,
        payload_type: 96,
        media_clock_offset: 0,
        format: format().into(),
        source,
        mtu: 1500,
        max_attachments: 2,
        clock: Arc::new(MediaClock::ahead_by(AHEAD_NS)),
        second: None,
    }
}

fn sender(source: FrameSource) -> Sender {
    let mut sender = Sender::new(config(source), Arc::new(SessionStats::new(2))).unwrap();
    sender.resume(&port(), START_NS);
    sender
}

/// Steps from due time to due time until `frames` are sent. Returns when the last packet was sent.
pub(super) fn run(sender: &mut Sender, wire: &mut Wire, frames: u64) -> u64 {
    let goal = sender.stats.snapshot().frames_sent + frames;
    loop {
        let now = sender.due_ns();
        sender.turn(now, NextHop::Known(PEER), wire);
        if sender.stats.snapshot().frames_sent == goal {
            return now;
        }
    }
}

/// When the first packet is due: half of 28/750 of a frame's time before that offset.
const OFFSET_NS: u64 = 311_422;

/// The first frame since the epoch that begins after the lead.
fn first_frame() -> u64 {
    let earliest_ns = u128::from(START_NS + LEAD_NS + AHEAD_NS - OFFSET_NS);
    u64::try_from(earliest_ns * 60_000 / 1_001_000_000_000 + 1).unwrap()
}

/// When its first packet is due, by TAI.
fn start_of(frame: u64) -> u64 {
    let at_ns = u128::from(frame) * 1_001_000_000_000 / 60_000;
    u64::try_from(at_ns).unwrap() + OFFSET_NS
}

fn timestamp_of(frame: u64) -> u32 {
    let ticks = u128::from(frame) * 90_000 * 1001 / 60_000;
    u32::try_from(ticks % (1 << 32)).unwrap()
}

pub(super) fn rtp(packet: &[u8]) -> (RtpHeader, &[u8]) {
    let (ethernet, _) = EthernetHeader::parse(packet).unwrap();
    assert_eq!(
        (ethernet.destination, ethernet.source),
        (PEER, Mac(port().mac))
    );
    let datagram = onair_net::datagram::Datagram::parse(&packet[14..]).unwrap();
    assert_eq!(datagram.ends.destination().port(), 5004);
    RtpHeader::parse(datagram.payload).unwrap()
}

/// Timestamp and number of each frame on the wire.
fn frames(wire: &Wire) -> Vec<(u32, u64)> {
    let mut frames = Vec::new();
    let mut bytes = vec![0; format().frame_bytes()];
    for packet in &wire.packets {
        let (header, payload) = rtp(packet);
        for segment in Segments::parse(payload, &format()).unwrap() {
            bytes[segment.offset..][..segment.bytes.len()].copy_from_slice(segment.bytes);
        }
        if header.marker {
            frames.push((header.timestamp, pattern::verify(&bytes).unwrap()));
        }
    }
    frames
}

#[test]
fn pattern_frames_of_ntsc_then_exact_timestamps_and_no_gap() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    run(&mut sender, &mut wire, 9);
    let expected: Vec<_> = (0..9)
        .map(|n| (timestamp_of(first_frame() + n), n))
        .collect();
    assert_eq!(frames(&wire), expected);
    let sequences: Vec<_> = wire
        .packets
        .iter()
        .map(|packet| rtp(packet).0.sequence)
        .collect();
    assert!(
        sequences
            .windows(2)
            .all(|pair| pair[1] == pair[0].wrapping_add(1))
    );
}

#[test]
fn media_clock_with_an_offset_then_each_timestamp_has_it() {
    let offset = u32::MAX - 5;
    let config = SendConfig {
        media_clock_offset: offset,
        ..config(FrameSource::Pattern)
    };
    let mut sender = Sender::new(config, Arc::new(SessionStats::new(2))).unwrap();
    sender.resume(&port(), START_NS);
    let mut wire = Wire::default();
    run(&mut sender, &mut wire, 3);
    let expected: Vec<_> = (0..3)
        .map(|n| (timestamp_of(first_frame() + n).wrapping_add(offset), n))
        .collect();
    assert_eq!(frames(&wire), expected);
}

#[test]
fn pattern_one_frame_then_groups_are_spread_over_its_time() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    let start = sender.due_ns();
    assert_eq!(start, start_of(first_frame()) - AHEAD_NS);
    let mut groups = Vec::new();
    while sender.stats.snapshot().frames_sent == 0 {
        let (now, before) = (sender.due_ns(), wire.packets.len());
        sender.turn(now - 1, NextHop::Known(PEER), &mut wire);
        assert_eq!(wire.packets.len(), before, "nothing goes early");
        sender.turn(now, NextHop::Known(PEER), &mut wire);
        groups.push((now - start, wire.packets.len() - before));
    }
    let packets = u64::from(sender.packetiser.packets(0));
    let period = start_of(first_frame() + 1) - start_of(first_frame());
    for (group, (at, count)) in (0u64..).zip(&groups) {
        assert_eq!(*at, period * 8 * group / packets);
        assert!(*count == 8 || group + 1 == groups.len() as u64);
    }
}

#[test]
fn port_takes_nothing_for_a_while_then_the_frame_resumes() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire {
        room: 3,
        ..Wire::default()
    };
    let now = sender.due_ns();
    sender.turn(now, NextHop::Known(PEER), &mut wire);
    assert_eq!(wire.packets.len(), 3);
    assert_eq!(sender.due_ns(), now + RETRY_NS);
    wire.room = usize::MAX;
    run(&mut sender, &mut wire, 2);
    assert_eq!(
        frames(&wire)
            .iter()
            .map(|frame| frame.1)
            .collect::<Vec<_>>(),
        [0, 1]
    );
}

#[test]
fn link_lost_within_a_frame_then_its_rest_is_never_sent() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire {
        room: 3,
        ..Wire::default()
    };
    sender.turn(sender.due_ns(), NextHop::Known(PEER), &mut wire);
    wire.is_down = true;
    let back_ns = start_of(first_frame() + 60) - AHEAD_NS;
    while sender.due_ns() < back_ns {
        sender.turn(sender.due_ns(), NextHop::Known(PEER), &mut wire);
    }
    assert_eq!(wire.packets.len(), 3);
    assert_eq!(sender.stats.snapshot().frames_no_link, 60);
    (wire.is_down, wire.room) = (false, usize::MAX);
    run(&mut sender, &mut wire, 1);
    let timestamp = timestamp_of(first_frame() + 60);
    for packet in &wire.packets[3..] {
        assert_eq!(rtp(packet).0.timestamp, timestamp);
    }
    assert!(wire.packets.len() > 3);
}

#[test]
fn poller_late_by_frames_then_missed_and_timestamps_tell() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    run(&mut sender, &mut wire, 1);
    let late_ns = start_of(first_frame() + 5) - AHEAD_NS;
    sender.turn(late_ns, NextHop::Known(PEER), &mut wire);
    run(&mut sender, &mut wire, 1);
    assert_eq!(sender.stats.snapshot().slots_missed, 4);
    assert_eq!(frames(&wire)[1], (timestamp_of(first_frame() + 5), 1));
}

#[test]
fn sender_goes_on_then_its_next_packets_have_those_numbers() {
    let mut sender = sender(FrameSource::Pattern);
    sender.go_on_from(0x0102_0304, u32::MAX);
    let mut wire = Wire::default();
    run(&mut sender, &mut wire, 1);
    let headers: Vec<_> = wire.packets.iter().map(|it| rtp(it).0).collect();
    let sent = u32::try_from(headers.len()).unwrap();
    assert!(headers.iter().all(|it| it.ssrc == 0x0102_0304));
    assert_eq!([headers[0].sequence, headers[1].sequence], [u16::MAX, 0]);
    let next = sender.stats.snapshot().next_packet();
    assert_eq!(next, Some((0x0102_0304, sent - 1)));
}

#[test]
fn start_at_a_time_then_the_first_frame_from_it_on_and_once() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    let frame = first_frame() + 7;
    // When a frame's time begins, which is before its first packet is due.
    let begins = |frame: u64| sender_format().period_ns(frame);
    for (at_ns, expected) in [
        (begins(frame), frame),
        (begins(frame) - 1_000_000, frame),
        // A time that has passed.
        (begins(3), first_frame()),
    ] {
        sender.starts_at = Some(at_ns);
        sender.resume(&port(), START_NS);
        assert_eq!(sender.due_ns() + AHEAD_NS, start_of(expected));
    }
    run(&mut sender, &mut wire, 1);
    sender.resume(&port(), START_NS);
    assert_eq!(sender.due_ns() + AHEAD_NS, start_of(first_frame()));
}

fn sender_format() -> Format {
    format().into()
}

#[test]
fn session_stopped_within_a_frame_then_only_that_is_finished() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    let now = sender.due_ns();
    sender.turn(now, NextHop::Known(PEER), &mut wire);
    sender.quiesce(now);
    assert!(!sender.is_quiet());
    let ended = run(&mut sender, &mut wire, 1);
    assert!(sender.is_quiet());
    assert_eq!(sender.due_ns(), u64::MAX);
    sender.turn(ended + 1_000_000_000, NextHop::Known(PEER), &mut wire);
    assert_eq!(frames(&wire).len(), 1);
    // After a restart it continues with a whole frame, at a frame time of the same clock.
    sender.resume(&port(), ended + 1_000_000_000);
    let due_ns = sender.due_ns() + AHEAD_NS;
    assert_eq!(due_ns, start_of(sender.packetiser.slot_at(due_ns)));
    run(&mut sender, &mut wire, 1);
    assert_eq!(frames(&wire)[1].1, 1);
}

#[test]
fn session_stopped_with_a_stuck_port_then_the_frame_is_counted() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire {
        room: 1,
        ..Wire::default()
    };
    let now = sender.due_ns();
    sender.turn(now, NextHop::Known(PEER), &mut wire);
    sender.quiesce(now);
    let mut turns = 0;
    while !sender.is_quiet() {
        sender.turn(sender.due_ns(), NextHop::Known(PEER), &mut wire);
        turns += 1;
        assert!(turns < 1000, "not quiet after {turns} turns");
    }
    assert_eq!(sender.stats.snapshot().frames_dropped_stop, 1);
}

#[test]
fn neighbour_unknown_then_nothing_is_sent_and_stop_is_at_once() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    for _ in 0..5 {
        sender.turn(sender.due_ns(), NextHop::Unknown, &mut wire);
    }
    assert!(wire.packets.is_empty());
    assert_eq!(sender.stats.snapshot().waiting_for_arp, 1);
    sender.quiesce(sender.due_ns());
    assert!(sender.is_quiet());
}

#[test]
fn client_source_without_a_client_then_no_underrun_is_counted() {
    let mut sender = sender(FrameSource::Client);
    let mut wire = Wire::default();
    for _ in 0..5 {
        sender.turn(sender.due_ns(), NextHop::Known(PEER), &mut wire);
    }
    assert_eq!(sender.stats.snapshot().underruns, 0);
    assert!(wire.packets.is_empty());
}

#[test]
fn clock_set_then_the_next_frames_are_those_of_the_new_time() {
    for step_ns in [
        3_600_000_000_000i64,
        -3_600_000_000_000,
        40_000_000,
        -40_000_000,
    ] {
        let mut sender = sender(FrameSource::Pattern);
        let mut wire = Wire::default();
        sender.turn(sender.due_ns(), NextHop::Known(PEER), &mut wire);
        sender
            .config
            .clock
            .set(AHEAD_NS.saturating_add_signed(step_ns));
        let ended_ns = run(&mut sender, &mut wire, 1);
        run(&mut sender, &mut wire, 2);

        let shown = frames(&wire);
        assert_eq!(shown[0], (timestamp_of(first_frame()), 0));
        let tai_ns = (ended_ns + AHEAD_NS).saturating_add_signed(step_ns);
        let by_new_time =
            (first_frame()..).map(|n| n.saturating_add_signed(step_ns / 16_683_334 - 4));
        let next = by_new_time.take(9).find(|n| start_of(*n) > tai_ns).unwrap();
        assert_eq!(shown[1].0, timestamp_of(next), "{step_ns}");
        assert_eq!(shown[2].0, timestamp_of(next + 1), "{step_ns}");
        assert_eq!(sender.stats.snapshot().slots_missed, 0);
    }
}

#[test]
fn clock_corrected_by_under_a_frame_then_each_frame_sent_once() {
    for step_ns in [2_000_000i64, -2_000_000] {
        let mut sender = sender(FrameSource::Pattern);
        let mut wire = Wire::default();
        run(&mut sender, &mut wire, 2);
        let ahead_ns = AHEAD_NS.saturating_add_signed(step_ns);
        sender.config.clock.set(ahead_ns);
        run(&mut sender, &mut wire, 3);

        let expected: Vec<_> = (0..5)
            .map(|n| (timestamp_of(first_frame() + n), n))
            .collect();
        assert_eq!(frames(&wire), expected, "{step_ns}");
        assert_eq!(sender.due_ns(), start_of(first_frame() + 5) - ahead_ns);
        assert_eq!(sender.stats.snapshot().slots_missed, 0);
    }
}
