//! One fault at a time.

use onair_essence::receive::Depacketise as _;
use onair_essence::video::Depth;
use onair_essence::video::assembly::Malformed;
use onair_essence::video::st2110_20::SrdHeader;

use crate::rig::{Memory, Sender, TIMEOUT_NS, assembler, assert_accounted, format, numbers, small};

#[test]
fn frames_over_sequence_and_timestamp_wrap_then_whole_in_order() {
    let format = small();
    let mut sender = Sender::new(format, 60);
    sender.sequence = 0xffff - 40;
    sender.timestamp = u32::MAX - 10_000;
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    for number in 0..100 {
        for packet in sender.frame(number) {
            assembler.packet(&packet, number, &mut memory);
        }
    }
    assert_eq!(numbers(&memory), (0..100).collect::<Vec<_>>());
    assert_eq!(assembler.stats().lost, 0);
    assert_eq!(assembler.under_way(), 0);
    assert_accounted(assembler.stats());
}

#[test]
fn frames_extended_sequence_always_0_then_wraps_are_followed() {
    let format = small();
    let mut sender = Sender::new(format, 60);
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let per_frame = u64::from(sender.packetiser.packets());
    let frames = 3 * 65_536 / per_frame + 1;
    for number in 0..frames {
        for mut packet in sender.frame(number) {
            packet[12..14].fill(0);
            assembler.packet(&packet, number, &mut memory);
        }
        memory
            .finished
            .drain(..)
            .for_each(|(report, _)| assert!(report.complete));
    }
    assert_eq!(assembler.stats().units_complete, frames);
    assert_eq!(
        (assembler.stats().lost, assembler.stats().reordered),
        (0, 0)
    );
}

#[test]
fn frame_a_packet_lost_then_closed_incomplete_before_the_next() {
    let format = small();
    let mut sender = Sender::new(format, 60);
    let payload = sender.packetiser.payload_bytes();
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let first = sender.frame(0);
    let second = sender.frame(1);
    for (index, packet) in first.iter().chain(&second).enumerate() {
        if ![1, 3, 4].contains(&index) {
            assembler.packet(packet, 0, &mut memory);
        }
    }
    let (report, _) = &memory.finished[0];
    assert!(!report.complete && report.marker_seen);
    assert_eq!(
        (report.packets_lost, report.bytes_missing),
        (3, 3 * payload)
    );
    let packets = report.packets_received + report.packets_lost;
    assert_eq!(packets as usize, first.len());
    let missing: Vec<_> = report
        .missing()
        .iter()
        .map(|range| (range.offset, range.len))
        .collect();
    assert_eq!(missing, [(payload, payload), (3 * payload, 2 * payload)]);
    assert_eq!(numbers(&memory), [1]);
    assert_eq!(assembler.stats().lost, 3);
}

#[test]
fn frame_nothing_more_comes_then_closed_at_the_deadline_only() {
    let format = small();
    let mut sender = Sender::new(format, 60);
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    assert_eq!(assembler.deadline(), None);
    assembler.packet(&sender.frame(0)[0], 10, &mut memory);
    let deadline = assembler.deadline().unwrap();
    assert_eq!(deadline, 10 + TIMEOUT_NS);
    assembler.expire(deadline - 1, &mut memory);
    assert!(memory.finished.is_empty());
    assembler.expire(deadline, &mut memory);
    assert_eq!(memory.finished.len(), 1);
    assert_eq!(assembler.deadline(), None);
}

#[test]
fn source_silent_amid_a_frame_then_shown_once_and_rest_late() {
    let format = format(20, 20, Depth::Ten);
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let mut sender = Sender::new(format, 60);
    let frame = sender.frame(0);
    assembler.packet(&frame[0], 0, &mut memory);
    assembler.expire(TIMEOUT_NS, &mut memory);
    assert!(frame.len() > 20, "more than a new start would take");
    for packet in frame[1..].iter().chain(&sender.frame(1)) {
        assembler.packet(packet, 2 * TIMEOUT_NS, &mut memory);
    }
    let shown: Vec<_> = memory
        .finished
        .iter()
        .map(|(report, _)| (report.rtp_timestamp, report.complete))
        .collect();
    assert_eq!(shown, [(1000, false), (2500, true)]);
    let stats = assembler.stats();
    assert_eq!((stats.restarts, stats.late), (0, frame.len() as u64 - 1));
    assert_accounted(stats);
}

#[test]
fn source_another_ssrc_after_the_timeout_then_it_is_followed() {
    let format = small();
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let mut old = Sender::new(format, 60);
    old.timestamp = 1 << 30;
    assembler.packet(&old.frame(0)[0], 0, &mut memory);
    let mut new = Sender::new(format, 60);
    new.ssrc = 6;
    for packet in new.frame(7) {
        assembler.packet(&packet, TIMEOUT_NS, &mut memory);
    }
    assert_eq!(assembler.stats().ssrc_changes, 1);
    assert!(!memory.finished[0].0.complete);
    assert_eq!(numbers(&memory), [7]);
}

#[test]
fn source_restarts_with_its_old_numbers_after_2_s_then_followed() {
    let format = small();
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    for now in [0, 2_000_000_000] {
        let mut sender = Sender::new(format, 60);
        for number in 0..10 {
            for packet in sender.frame(number) {
                assembler.packet(&packet, now, &mut memory);
            }
        }
    }
    assert_eq!(assembler.stats().restarts, 1);
    let numbers = numbers(&memory);
    assert_eq!(numbers[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(numbers.last(), Some(&9));
    assert!(numbers.len() >= 17, "{numbers:?}");
    assert_accounted(assembler.stats());
}

#[test]
fn assembler_reset_within_a_frame_then_memory_back_and_no_loss() {
    let format = small();
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let mut sender = Sender::new(format, 60);
    assembler.packet(&sender.frame(0)[0], 0, &mut memory);
    let mut discarded = Vec::new();
    assembler.reset(|slot| discarded.push(slot));
    assert_eq!((discarded, assembler.under_way()), (vec![1], 0));
    sender.frame(1);
    for packet in sender.frame(2) {
        assembler.packet(&packet, 0, &mut memory);
    }
    assert_eq!(numbers(&memory), [2]);
    assert_eq!(
        (assembler.stats().lost, assembler.stats().ssrc_changes),
        (0, 0)
    );
}

#[test]
fn frame_no_memory_then_packets_counted_and_the_next_is_whole() {
    let format = small();
    let mut sender = Sender::new(format, 60);
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    memory.room = 0;
    let refused = sender.frame(0);
    refused
        .iter()
        .for_each(|packet| assembler.packet(packet, 0, &mut memory));
    memory.room = 1;
    sender
        .frame(1)
        .iter()
        .for_each(|packet| assembler.packet(packet, 0, &mut memory));
    assert_eq!(numbers(&memory), [1]);
    let stats = assembler.stats();
    assert_eq!(
        (stats.units_no_buffer, stats.no_buffer),
        (1, refused.len() as u64)
    );
    assert_accounted(stats);
}

#[test]
fn packets_malformed_each_way_then_each_counted_by_its_reason() {
    let format = small();
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let good = Sender::new(format, 60).frame(0).remove(0);
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        change(&mut packet);
        packet
    };
    let cases = [
        (changed(|packet| packet.truncate(11)), Malformed::Truncated),
        (changed(|packet| packet.truncate(15)), Malformed::Truncated),
        (changed(|packet| packet[0] = 0), Malformed::BadVersion),
        (
            changed(|packet| {
                packet[0] |= 0x20;
                *packet.last_mut().unwrap() = 0;
            }),
            Malformed::BadPadding,
        ),
        (changed(|packet| packet[1] = 97), Malformed::BadPayloadType),
        (changed(|packet| packet[16] |= 0x80), Malformed::Interlaced),
        (changed(|packet| packet[17] = 200), Malformed::BadSrdRange),
        (
            changed(|packet| packet[19] = 1),
            Malformed::BadPgroupAlignment,
        ),
        (changed(|packet| packet.truncate(25)), Malformed::BadLength),
        (
            changed(|packet| {
                let srd = SrdHeader {
                    length: 0,
                    field: false,
                    line: 0,
                    continuation: true,
                    pixel: 0,
                };
                packet.splice(14.., [srd.to_bytes(); 17].concat());
            }),
            Malformed::TooManySrds,
        ),
    ];
    for (packet, reason) in &cases {
        let before = assembler.stats().malformed.get(*reason);
        assembler.packet(packet, 0, &mut memory);
        assert_eq!(
            assembler.stats().malformed.get(*reason),
            before + 1,
            "{reason:?}"
        );
        assert_accounted(assembler.stats());
    }
    assert_eq!(assembler.stats().malformed.total(), cases.len() as u64);
    assert_eq!(assembler.under_way(), 0);
}
