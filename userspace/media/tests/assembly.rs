//! The assembler against the packetiser, and against all that a network does to packets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use onair_media::assembly::{
    Assembler, AssemblerConfig, AssemblyStats, FrameReport, Malformed, Sink,
};
use onair_media::pattern::{PatternWriter, verify};
use onair_media::st2110_20::packetiser::StreamHeader;
use onair_media::st2110_20::{Packetiser, STANDARD_RTP_OCTETS, SrdHeader};
use onair_media::video::{Depth, FrameRate, VideoFormat};
use proptest::prelude::*;
use proptest::sample::Index;

const TIMEOUT_NS: u64 = 1_000_000;

/// Memory for each opened frame, and the finished frames.
struct Memory {
    frame_bytes: usize,
    room: usize,
    open: BTreeMap<usize, Vec<u8>>,
    opened: usize,
    finished: Vec<(FrameReport, Vec<u8>)>,
}

impl Memory {
    fn new(format: &VideoFormat) -> Self {
        Self {
            frame_bytes: format.frame_bytes(),
            room: usize::MAX,
            open: BTreeMap::new(),
            opened: 0,
            finished: Vec::new(),
        }
    }
}

impl Sink for Memory {
    type Slot = usize;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<usize> {
        if self.open.len() == self.room {
            return None;
        }
        self.opened += 1;
        self.open.insert(self.opened, vec![0xee; self.frame_bytes]);
        Some(self.opened)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.open.get_mut(&slot).unwrap()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &FrameReport) {
        let frame = self.open.remove(&slot).unwrap();
        self.finished.push((*report, frame));
    }
}

/// A sender of frames; each packet is a vector.
struct Sender {
    packetiser: Packetiser,
    writer: PatternWriter,
    sequence: u32,
    timestamp: u32,
    ssrc: u32,
}

impl Sender {
    fn new(format: VideoFormat, max_octets: usize) -> Self {
        Self {
            packetiser: Packetiser::new(format, max_octets).unwrap(),
            writer: PatternWriter::new(&format).unwrap(),
            sequence: 0,
            timestamp: 1000,
            ssrc: 5,
        }
    }

    fn frame(&mut self, number: u64) -> Vec<Vec<u8>> {
        self.writer.start(number);
        let stream = StreamHeader {
            payload_type: 96,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        self.timestamp = self.timestamp.wrapping_add(1500);
        (0..self.packetiser.packets())
            .map(|index| {
                let packet = self.packetiser.packet(index).unwrap();
                let mut bytes = vec![0; packet.octets()];
                let headers = packet.write_headers(&stream, self.sequence, &mut bytes);
                assert_eq!(headers, packet.header_octets());
                self.writer.fill(&mut bytes[headers..]);
                self.sequence = self.sequence.wrapping_add(1);
                bytes
            })
            .collect()
    }
}

fn format(width: u32, height: u32, depth: Depth) -> VideoFormat {
    VideoFormat::new(width, height, depth, FrameRate::new(60, 1).unwrap()).unwrap()
}

fn small() -> VideoFormat {
    format(20, 6, Depth::Ten)
}

fn assembler(format: VideoFormat) -> Assembler<usize> {
    Assembler::new(AssemblerConfig {
        format,
        payload_type: 96,
        timeout_ns: TIMEOUT_NS,
    })
}

/// Every packet is counted under exactly one outcome.
fn assert_accounted(stats: &AssemblyStats) {
    let outcomes =
        stats.accepted + stats.malformed.total() + stats.duplicate + stats.late + stats.no_buffer;
    assert_eq!(stats.packets, outcomes, "{stats:?}");
}

fn numbers(memory: &Memory) -> Vec<u64> {
    let complete = memory.finished.iter().filter(|(report, _)| report.complete);
    complete.map(|(_, frame)| verify(frame).unwrap()).collect()
}

#[test]
fn frames_over_sequence_and_timestamp_wrap_then_all_whole_and_in_order() {
    let format = small();
    let mut sender = Sender::new(format, 60);
    sender.sequence = 0xffff - 40;
    sender.timestamp = u32::MAX - 10_000;
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    for number in 0..100 {
        for packet in sender.frame(number) {
            assembler.push(&packet, number, &mut memory);
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
            assembler.push(&packet, number, &mut memory);
        }
        memory
            .finished
            .drain(..)
            .for_each(|(report, _)| assert!(report.complete));
    }
    assert_eq!(assembler.stats().frames_complete, frames);
    assert_eq!(
        (assembler.stats().lost, assembler.stats().reordered),
        (0, 0)
    );
}

#[test]
fn frame_a_packet_lost_then_closed_incomplete_before_the_next_with_what_is_missing() {
    let format = small();
    let mut sender = Sender::new(format, 60);
    let payload = sender.packetiser.payload_octets();
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let first = sender.frame(0);
    let second = sender.frame(1);
    for (index, packet) in first.iter().chain(&second).enumerate() {
        if ![1, 3, 4].contains(&index) {
            assembler.push(packet, 0, &mut memory);
        }
    }
    let (report, _) = &memory.finished[0];
    assert!(!report.complete && report.marker_seen);
    assert_eq!(
        (report.packets_lost, report.bytes_missing),
        (3, 3 * payload)
    );
    assert_eq!(report.packets_expected() as usize, first.len());
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
    assembler.push(&sender.frame(0)[0], 10, &mut memory);
    let deadline = assembler.deadline().unwrap();
    assert_eq!(deadline, 10 + TIMEOUT_NS);
    assembler.expire(deadline - 1, &mut memory);
    assert!(memory.finished.is_empty());
    assembler.expire(deadline, &mut memory);
    assert_eq!(memory.finished.len(), 1);
    assert_eq!(assembler.deadline(), None);
}

#[test]
fn source_silent_for_the_timeout_amid_a_frame_then_that_is_shown_once_and_its_rest_is_late() {
    let format = format(20, 20, Depth::Ten);
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let mut sender = Sender::new(format, 60);
    let frame = sender.frame(0);
    assembler.push(&frame[0], 0, &mut memory);
    assembler.expire(TIMEOUT_NS, &mut memory);
    assert!(frame.len() > 20, "more than a new start would take");
    for packet in frame[1..].iter().chain(&sender.frame(1)) {
        assembler.push(packet, 2 * TIMEOUT_NS, &mut memory);
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
fn source_another_ssrc_then_the_old_frame_is_closed_and_the_new_is_followed() {
    let format = small();
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let mut old = Sender::new(format, 60);
    old.timestamp = 1 << 30;
    assembler.push(&old.frame(0)[0], 0, &mut memory);
    let mut new = Sender::new(format, 60);
    new.ssrc = 6;
    for packet in new.frame(7) {
        assembler.push(&packet, 0, &mut memory);
    }
    assert_eq!(assembler.stats().ssrc_changes, 1);
    assert!(!memory.finished[0].0.complete);
    assert_eq!(numbers(&memory), [7]);
}

#[test]
fn source_starts_anew_with_its_old_numbers_then_followed_after_the_timeout() {
    let format = small();
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    for (now, _) in [(0, ()), (2 * TIMEOUT_NS, ())] {
        let mut sender = Sender::new(format, 60);
        for number in 0..10 {
            for packet in sender.frame(number) {
                assembler.push(&packet, now, &mut memory);
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
fn assembler_reset_within_a_frame_then_memory_is_given_back_and_nothing_counts_as_lost() {
    let format = small();
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    let mut sender = Sender::new(format, 60);
    assembler.push(&sender.frame(0)[0], 0, &mut memory);
    let mut discarded = Vec::new();
    assembler.reset(|slot| discarded.push(slot));
    assert_eq!((discarded, assembler.under_way()), (vec![1], 0));
    sender.frame(1);
    for packet in sender.frame(2) {
        assembler.push(&packet, 0, &mut memory);
    }
    assert_eq!(numbers(&memory), [2]);
    assert_eq!(
        (assembler.stats().lost, assembler.stats().ssrc_changes),
        (0, 0)
    );
}

#[test]
fn frame_no_memory_then_its_packets_are_counted_and_the_next_is_whole() {
    let format = small();
    let mut sender = Sender::new(format, 60);
    let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
    memory.room = 0;
    let refused = sender.frame(0);
    refused
        .iter()
        .for_each(|packet| assembler.push(packet, 0, &mut memory));
    memory.room = 1;
    sender
        .frame(1)
        .iter()
        .for_each(|packet| assembler.push(packet, 0, &mut memory));
    assert_eq!(numbers(&memory), [1]);
    let stats = assembler.stats();
    assert_eq!(
        (stats.frames_no_buffer, stats.no_buffer),
        (1, refused.len() as u64)
    );
    assert_accounted(stats);
}

#[test]
fn packets_malformed_each_way_then_each_is_counted_by_its_reason() {
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
        (changed(|packet| packet.push(0)), Malformed::BadLength),
        (
            changed(|packet| {
                let srd = SrdHeader {
                    octets: 0,
                    field: false,
                    line: 0,
                    continuation: true,
                    pixel: 0,
                };
                packet.splice(14.., [srd.to_octets(); 17].concat());
            }),
            Malformed::TooManySrds,
        ),
    ];
    for (packet, reason) in &cases {
        let before = assembler.stats().malformed.get(*reason);
        assembler.push(packet, 0, &mut memory);
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

/// What the network does to one packet.
#[derive(Debug, Clone, Copy)]
enum PacketFate {
    Passes,
    Lost,
    Twice(Index),
}

fn fate() -> impl Strategy<Value = PacketFate> {
    prop_oneof![
        12 => Just(PacketFate::Passes),
        1 => Just(PacketFate::Lost),
        2 => any::<Index>().prop_map(PacketFate::Twice),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn one_frame_any_order_loss_and_repetition_then_complete_exactly_if_all_came(
        fates in prop::collection::vec(fate(), 1..200), seed: u64, sequence: u32, ten: bool,
        half_width in 2u32..40, height in 6u32..20,
    ) {
        let format = format(half_width * 2, height, if ten { Depth::Ten } else { Depth::Eight });
        let mut sender = Sender::new(format, 100);
        sender.sequence = sequence;
        let packets = sender.frame(seed);
        let mut arriving = Vec::new();
        let mut lost = 0;
        for (packet, fate) in packets.iter().zip(fates.iter().cycle()) {
            match fate {
                PacketFate::Lost => lost += 1,
                PacketFate::Passes => arriving.push(packet.clone()),
                PacketFate::Twice(_) => arriving.extend([packet.clone(), packet.clone()]),
            }
        }
        for (at, fate) in fates.iter().enumerate() {
            if let (PacketFate::Twice(index), false) = (fate, arriving.is_empty()) {
                let at = at % arriving.len();
                let other = index.index(arriving.len());
                arriving.swap(at, other);
            }
        }
        let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
        for packet in &arriving {
            assembler.push(packet, 0, &mut memory);
        }
        assembler.close(&mut memory);
        assert_accounted(assembler.stats());
        let all = lost == 0;
        for (report, frame) in &memory.finished {
            prop_assert_eq!(report.complete, all);
            prop_assert_eq!(report.bytes_missing == 0, all);
            if all {
                prop_assert_eq!(verify(frame), Ok(seed));
            }
        }
        prop_assert_eq!(memory.finished.len(), usize::from(!arriving.is_empty()));
    }

    #[test]
    fn many_frames_shuffled_within_a_distance_with_loss_then_order_holds_and_nothing_is_faked(
        fates in prop::collection::vec(fate(), 300), sequence: u32, timestamp: u32,
        swaps in prop::collection::vec((any::<Index>(), 1usize..12), 0..80),
    ) {
        let format = format(16, 8, Depth::Eight);
        let mut sender = Sender::new(format, 90);
        sender.sequence = sequence;
        sender.timestamp = timestamp;
        let frames: Vec<_> = (0..40).map(|number| sender.frame(number)).collect();
        let mut arriving = Vec::new();
        let mut came = [true; 40];
        for (place, (number, packet)) in
            frames.iter().enumerate().flat_map(|(number, frame)| frame.iter().map(move |p| (number, p))).enumerate()
        {
            match fates[place % fates.len()] {
                PacketFate::Lost => came[number] = false,
                PacketFate::Passes => arriving.push(packet),
                PacketFate::Twice(_) => arriving.extend([packet, packet]),
            }
        }
        for (at, distance) in swaps {
            let at = at.index(arriving.len());
            let other = (at + distance).min(arriving.len() - 1);
            arriving.swap(at, other);
        }
        let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
        for packet in arriving {
            assembler.push(packet, 0, &mut memory);
        }
        assembler.close(&mut memory);
        assert_accounted(assembler.stats());
        let numbers = numbers(&memory);
        prop_assert!(numbers.is_sorted_by(|a, b| a < b));
        prop_assert!(numbers.iter().all(|number| came[usize::try_from(*number).unwrap()]));
        let stamps: Vec<_> = memory.finished.iter().map(|(report, _)| report.rtp_timestamp.wrapping_sub(timestamp)).collect();
        prop_assert!(stamps.is_sorted_by(|a, b| a < b));
        let stats = assembler.stats();
        prop_assert_eq!(stats.frames_complete, numbers.len() as u64);
        prop_assert_eq!(stats.frames_complete + stats.frames_incomplete, memory.finished.len() as u64);
    }

    #[test]
    fn overlapping_segments_any_then_complete_exactly_if_the_union_is_the_frame(
        parts in prop::collection::vec((0u16..4, 0u16..6, 0u16..7), 1..40),
    ) {
        let format = format(12, 4, Depth::Ten);
        let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
        let mut union = [[false; 6]; 4];
        let mut finished_at = None;
        for (sequence, (line, start, pgroups)) in (0u16..).zip(parts) {
            let pgroups = pgroups.min(6 - start);
            let srd = SrdHeader { octets: pgroups * 5, field: false, line, continuation: false, pixel: start * 2 };
            let mut packet = vec![0x80, 96];
            packet.extend(sequence.to_be_bytes());
            packet.extend([0, 0, 0, 9, 0, 0, 0, 5, 0, 0]);
            packet.extend(srd.to_octets());
            packet.extend(vec![1; usize::from(pgroups) * 5]);
            assembler.push(&packet, 0, &mut memory);
            let (line, start) = (usize::from(line), usize::from(start));
            union[line][start..start + usize::from(pgroups)].fill(true);
            if finished_at.is_none() && union.iter().flatten().all(|came| *came) {
                finished_at = Some(sequence);
                prop_assert_eq!(memory.finished.len(), 1);
                prop_assert!(memory.finished[0].0.complete);
                prop_assert!(memory.finished[0].1.iter().all(|octet| *octet == 1));
            } else {
                prop_assert_eq!(memory.finished.len(), usize::from(finished_at.is_some()));
            }
        }
        assert_accounted(assembler.stats());
    }

    #[test]
    fn packets_mutated_and_cut_then_no_panic_and_each_counted_once(
        mutations in prop::collection::vec((any::<Index>(), any::<Index>(), any::<u8>(), any::<Index>()), 1..60),
        noise in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..10),
    ) {
        let format = small();
        let mut sender = Sender::new(format, 60);
        let packets: Vec<_> = (0..4).flat_map(|number| sender.frame(number)).collect();
        let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
        for (now, (which, at, value, cut)) in (0u64..).zip(mutations) {
            let mut packet = which.get(&packets).clone();
            let at = at.index(packet.len());
            packet[at] = value;
            packet.truncate(cut.index(packet.len() * 2) + 1);
            assembler.push(&packet, now * 100_000, &mut memory);
            assembler.expire(now * 100_000, &mut memory);
            assert_accounted(assembler.stats());
        }
        for packet in &noise {
            assembler.push(packet, 0, &mut memory);
        }
        assembler.close(&mut memory);
        assert_accounted(assembler.stats());
        let stats = assembler.stats();
        prop_assert_eq!(stats.frames_complete + stats.frames_incomplete, memory.finished.len() as u64);
        prop_assert!(memory.open.is_empty());
    }

    #[test]
    fn frame_any_raster_and_packet_size_then_assembled_as_it_was_cut(
        half_width in 1u32..700, height in 1u32..30, ten: bool, max in 60usize..=STANDARD_RTP_OCTETS,
        sequence: u32, timestamp: u32,
    ) {
        let format = format(half_width * 2, height, if ten { Depth::Ten } else { Depth::Eight });
        prop_assume!(format.frame_bytes() >= 24);
        let mut sender = Sender::new(format, max);
        sender.sequence = sequence;
        sender.timestamp = timestamp;
        let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
        for number in 0..3 {
            for packet in sender.frame(number) {
                prop_assert!(packet.len() <= max);
                assembler.push(&packet, 0, &mut memory);
            }
        }
        prop_assert_eq!(numbers(&memory), [0, 1, 2]);
    }
}
