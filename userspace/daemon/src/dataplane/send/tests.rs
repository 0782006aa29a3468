use std::net::Ipv4Addr;

use onair_media::ethernet::EthernetHeader;
use onair_media::pattern;
use onair_media::rtp::RtpHeader;
use onair_media::st2110_20::Segments;
use onair_media::video::{Depth, FrameRate};

use super::super::transmit::tests::Wire;
use super::*;

const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);
const START_NS: u64 = 5_000_000_000;

fn format() -> VideoFormat {
    VideoFormat::new(320, 18, Depth::Eight, FrameRate::new(60_000, 1001).unwrap()).unwrap()
}

fn port() -> PortInfo {
    PortInfo {
        name: "a".into(),
        device: "ring:w:a".into(),
        netns: None,
        driver: "net_ring".into(),
        mac: [2, 0, 0, 0, 0, 1],
        address: (Ipv4Addr::new(10, 0, 0, 1), 24),
        gateway: None,
        pollers: vec![0],
        queues: 1,
        steers: false,
        mtu: 1500,
    }
}

fn sender(source: FrameSource) -> Sender {
    let config = SendConfig {
        port: "a".into(),
        source_port: 5000,
        destination: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 5004),
        ttl: 64,
        dscp: 34,
        payload_type: 96,
        format: format(),
        source,
        mtu: 1500,
        max_attachments: 2,
    };
    let mut sender = Sender::new(config, Arc::new(SessionStats::new(2))).unwrap();
    sender.resume(&port(), START_NS);
    sender
}

/// Steps from due time to due time until `frames` are sent. Returns when the last packet was sent.
fn run(sender: &mut Sender, wire: &mut Wire, frames: u64) -> u64 {
    let goal = sender.stats.snapshot().frames_sent + frames;
    loop {
        let now = sender.due_ns();
        sender.turn(now, Some(PEER), wire);
        if sender.stats.snapshot().frames_sent == goal {
            return now;
        }
    }
}

fn rtp(packet: &[u8]) -> (RtpHeader, &[u8]) {
    let (ethernet, _) = EthernetHeader::parse(packet).unwrap();
    assert_eq!(
        (ethernet.destination, ethernet.source),
        (PEER, Mac(port().mac))
    );
    let datagram = datagram::Datagram::parse(&packet[14..]).unwrap();
    assert_eq!(datagram.destination.port(), 5004);
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
fn pattern_frames_of_ntsc_then_timestamps_exact_and_sequence_without_gap() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    run(&mut sender, &mut wire, 9);
    let base = sender.timestamp_base;
    let rate = format().rate();
    let expected: Vec<_> = (0..9u64)
        .map(|n| (base.wrapping_add(u32::try_from(rate.ticks(n)).unwrap()), n))
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
fn pattern_one_frame_then_groups_are_spread_over_its_time() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    let start = sender.due_ns();
    assert_eq!(start, START_NS + LEAD_NS);
    let mut groups = Vec::new();
    while sender.stats.snapshot().frames_sent == 0 {
        let (now, before) = (sender.due_ns(), wire.packets.len());
        sender.turn(now - 1, Some(PEER), &mut wire);
        assert_eq!(wire.packets.len(), before, "nothing goes early");
        sender.turn(now, Some(PEER), &mut wire);
        groups.push((now - start, wire.packets.len() - before));
    }
    let packets = u64::from(sender.packetiser.packets());
    let period = format().rate().nanos(1);
    for (group, (at, count)) in (0u64..).zip(&groups) {
        assert_eq!(*at, period * 8 * group / packets);
        assert!(*count == 8 || group + 1 == groups.len() as u64);
    }
}

#[test]
fn port_takes_nothing_for_a_while_then_the_frame_goes_on_where_it_stopped() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire {
        room: 3,
        ..Wire::default()
    };
    let now = sender.due_ns();
    sender.turn(now, Some(PEER), &mut wire);
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
fn poller_late_by_frames_then_they_are_missed_and_timestamps_tell() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    run(&mut sender, &mut wire, 1);
    let schedule = sender.schedule.unwrap();
    sender.turn(schedule.frame_start(5), Some(PEER), &mut wire);
    run(&mut sender, &mut wire, 1);
    assert_eq!(sender.stats.snapshot().slots_missed, 4);
    let gap = frames(&wire)[1].0.wrapping_sub(frames(&wire)[0].0);
    assert_eq!(u64::from(gap), format().rate().ticks(5));
    assert_eq!(frames(&wire)[1].1, 1);
}

#[test]
fn session_stopped_within_a_frame_then_the_frame_is_finished_and_no_other_begun() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire::default();
    let now = sender.due_ns();
    sender.turn(now, Some(PEER), &mut wire);
    sender.quiesce(now);
    assert!(!sender.is_quiet());
    let ended = run(&mut sender, &mut wire, 1);
    assert!(sender.is_quiet());
    assert_eq!(sender.due_ns(), u64::MAX);
    sender.turn(ended + 1_000_000_000, Some(PEER), &mut wire);
    assert_eq!(frames(&wire).len(), 1);
    // After a restart it continues with a whole frame, at a frame time of the same clock.
    sender.resume(&port(), ended + 1_000_000_000);
    let schedule = sender.schedule.unwrap();
    assert_eq!(
        sender.due_ns(),
        schedule.frame_start(schedule.frame_at(sender.due_ns()))
    );
    run(&mut sender, &mut wire, 1);
    assert_eq!(frames(&wire)[1].1, 1);
}

#[test]
fn session_stopped_with_a_stuck_port_then_quiet_in_time_and_the_frame_is_counted() {
    let mut sender = sender(FrameSource::Pattern);
    let mut wire = Wire {
        room: 1,
        ..Wire::default()
    };
    let now = sender.due_ns();
    sender.turn(now, Some(PEER), &mut wire);
    sender.quiesce(now);
    let mut turns = 0;
    while !sender.is_quiet() {
        sender.turn(sender.due_ns(), Some(PEER), &mut wire);
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
        sender.turn(sender.due_ns(), None, &mut wire);
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
        sender.turn(sender.due_ns(), Some(PEER), &mut wire);
    }
    assert_eq!(sender.stats.snapshot().underruns, 0);
    assert!(wire.packets.is_empty());
}
