//! Blocks from packets that come in order, out of order, twice, never, and from others.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{BlockAssembler, Malformed};
use crate::audio::{AudioDocument, AudioFormat, BlockPacketiser, Coding, Tone};
use crate::receive::{Depacketise as _, Run, Sink, UnitReport};
use crate::send::{PacketPlan as _, Packetise as _, StreamHeader, TestSignal as _};

const MS: u64 = 1_000_000;
const TIMEOUT_NS: u64 = 100 * MS;

/// Blocks that are done: their bytes and reports.
#[derive(Default)]
struct Blocks {
    open: BTreeMap<usize, Vec<u8>>,
    next: usize,
    bytes: usize,
    done: Vec<(UnitReport, Vec<u8>)>,
}

impl Sink for Blocks {
    type Slot = usize;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<usize> {
        self.next += 1;
        // What an earlier block left.
        self.open.insert(self.next, vec![0xee; self.bytes]);
        Some(self.next)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.open.get_mut(&slot).unwrap()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        self.done.push((*report, self.open.remove(&slot).unwrap()));
    }
}

fn format() -> AudioFormat {
    let document = AudioDocument {
        coding: Coding::L24,
        sample_rate: 48_000,
        channels: 2,
        packet_time_us: None,
        block_samples: None,
        channel_order: None,
    };
    AudioFormat::try_from(&document).unwrap()
}

/// The packets of so many blocks of the signal, from this timestamp and number on.
fn packets(blocks: u64, (timestamp, sequence, ssrc): (u32, u32, u32)) -> Vec<Vec<u8>> {
    let format = format();
    let packetiser = BlockPacketiser::new(&format, 1452).unwrap();
    let mut tone = Tone::new(&format);
    let mut all = Vec::new();
    for block in 0..blocks {
        let ticks = u32::try_from(block * 480).unwrap();
        let stream = StreamHeader {
            payload_type: 97,
            timestamp: timestamp.wrapping_add(ticks),
            ssrc,
        };
        for index in 0..10 {
            let packet = packetiser.packet(0, index).unwrap();
            let mut bytes = vec![0; packet.bytes()];
            let number = sequence.wrapping_add(u32::try_from(block).unwrap() * 10 + index);
            let headers = packet.write_headers(&stream, number, &mut bytes);
            tone.fill(&packet, &mut bytes[headers..]);
            all.push(bytes);
        }
        tone.finish();
    }
    all
}

/// A receiver, and the blocks that it made.
struct Rig {
    assembler: BlockAssembler<usize>,
    blocks: Blocks,
    now_ns: u64,
}

impl Rig {
    fn new() -> Self {
        let format = format();
        Self {
            assembler: BlockAssembler::new(&format, 97, TIMEOUT_NS),
            blocks: Blocks {
                bytes: format.block_bytes(),
                ..Blocks::default()
            },
            now_ns: 1_000 * MS,
        }
    }

    /// A packet, 1 ms after the one before.
    fn push(&mut self, packet: &[u8]) {
        self.now_ns += MS;
        let run = Run {
            packets: &[packet],
            now_ns: self.now_ns,
        };
        self.assembler.expire(self.now_ns, &mut self.blocks);
        self.assembler.push(&run, &mut self.blocks);
    }

    fn push_all<'a>(&mut self, packets: impl IntoIterator<Item = &'a Vec<u8>>) {
        packets.into_iter().for_each(|it| self.push(it));
    }

    /// Whether each block is complete.
    fn complete(&self) -> Vec<bool> {
        let done = self.blocks.done.iter();
        done.map(|(report, _)| report.complete).collect()
    }
}

#[test]
fn packets_across_both_wraps_then_the_samples_are_whole() {
    let mut rig = Rig::new();
    rig.push_all(&packets(20, (u32::MAX - 3_000, 65_500, 1)));
    assert_eq!(rig.complete(), [true; 20]);
    let tone = Tone::new(&format());
    for (at, (report, bytes)) in (0u32..).zip(&rig.blocks.done) {
        assert_eq!(tone.verify(bytes), Ok(u64::from(at) * 480));
        assert_eq!(
            report.rtp_timestamp,
            (u32::MAX - 3_000).wrapping_add(at * 480)
        );
    }
    let stats = rig.assembler.stats();
    assert_eq!((stats.accepted, stats.lost, stats.restarts), (200, 0, 0));
}

#[test]
fn packets_lost_then_silence_of_their_length_at_their_place() {
    let mut rig = Rig::new();
    let all = packets(6, (5, 7, 1));
    let lost = |at: usize| (12..14).contains(&at) || at == 17 || (28..45).contains(&at);
    let came = all.iter().enumerate().filter(|(at, _)| !lost(*at));
    rig.push_all(came.map(|(_, packet)| packet));
    assert_eq!(rig.complete(), [true, false, false, false, false, true]);
    for (block, (report, bytes)) in rig.blocks.done.iter().enumerate() {
        let mut missing = 0;
        for (index, samples) in bytes.chunks(288).enumerate() {
            let sent = &all[block * 10 + index][12..];
            let is_lost = lost(block * 10 + index);
            missing += usize::from(is_lost) * 288;
            let expected = if is_lost { &[0; 288][..] } else { sent };
            assert_eq!(samples, expected, "block {block}, packet {index}");
        }
        assert_eq!(report.bytes_missing, missing);
        assert_eq!(report.packets_lost as usize * 288, missing);
        let time = 5 + 480 * u32::try_from(block).unwrap();
        assert_eq!(report.rtp_timestamp, time);
    }
    let ranges: Vec<_> = rig.blocks.done[1]
        .0
        .missing()
        .iter()
        .map(|it| (it.offset, it.len))
        .collect();
    assert_eq!(ranges, [(2 * 288, 2 * 288), (7 * 288, 288)]);
    assert_eq!(rig.assembler.stats().lost, 20);
}

#[test]
fn packets_swapped_and_doubled_then_blocks_are_whole() {
    let mut rig = Rig::new();
    let all = packets(4, (5, 7, 1));
    for pair in all.chunks(2) {
        rig.push(&pair[0]);
        rig.push(&pair[0]);
    }
    assert_eq!(rig.complete(), [false; 2]);
    let mut rig = Rig::new();
    // The first packet decides where blocks begin.
    rig.push(&all[0]);
    for pair in all[1..].chunks(2) {
        rig.push_all(pair.iter().rev());
        rig.push(&pair[0]);
    }
    assert_eq!(rig.complete(), [true; 4]);
    let stats = rig.assembler.stats();
    assert_eq!((stats.duplicate, stats.reordered), (20, 19));
    assert_eq!((stats.accepted, stats.lost), (40, 0));
}

#[test]
fn source_restarts_or_changes_then_followed_without_a_mix() {
    let mut rig = Rig::new();
    rig.push_all(&packets(3, (5, 7, 1)));
    rig.push_all(&packets(5, (900_000, 40_000, 1)));
    let stats = *rig.assembler.stats();
    assert_eq!((stats.restarts, stats.late), (1, 14));
    assert_eq!(stats.malformed.get(Malformed::BadTimestamp), 1);
    assert_eq!(rig.complete(), [true; 6]);
    // Another source counts only when the first one is silent.
    let other = packets(3, (77, 9, 2));
    rig.push_all(&other[..5]);
    assert_eq!(rig.assembler.stats().other_ssrc_packets, 5);
    rig.now_ns += TIMEOUT_NS;
    rig.push_all(&other);
    let stats = rig.assembler.stats();
    assert_eq!(stats.ssrc_changes, 1);
    // Its first packet needs a second one.
    let last = rig.blocks.done.last().unwrap().0;
    assert_eq!(last.rtp_timestamp, 77 + 48 + 480);
    assert!(last.complete);
}

#[test]
fn source_was_late_and_left_out_blocks_then_the_next_is_whole() {
    let mut rig = Rig::new();
    rig.push_all(&packets(2, (5, 7, 1)));
    // Its numbers go on, its timestamps are those of 3 blocks later.
    rig.push_all(&packets(2, (5 + 5 * 480, 27, 1)));
    let stats = *rig.assembler.stats();
    assert_eq!((stats.accepted, stats.lost, stats.restarts), (40, 0, 1));
    assert_eq!(rig.complete(), [true; 4]);
    let times = rig.blocks.done.iter().map(|it| it.0.rtp_timestamp);
    assert!(times.eq([0, 1, 5, 6].map(|block| 5 + block * 480)));
    // More than a second.
    rig.push_all(&packets(1, (5 + 200 * 480, 47, 1)));
    assert_eq!(rig.assembler.stats().accepted, 40);
}

#[test]
fn source_stood_amid_a_block_then_only_the_rest_of_that_is_late() {
    let mut rig = Rig::new();
    let all = packets(2, (5, 7, 1));
    rig.push_all(&all[..15]);
    rig.now_ns += TIMEOUT_NS;
    rig.push_all(&all[15..]);
    rig.push_all(&packets(2, (5 + 12 * 480, 27, 1)));
    let stats = *rig.assembler.stats();
    assert_eq!((stats.late, stats.restarts), (5, 1));
    assert_eq!(sum(&stats), stats.packets);
    assert_eq!(rig.complete(), [true, false, true, true]);
}

#[test]
fn source_repeats_a_recording_then_it_is_followed_again() {
    let mut rig = Rig::new();
    let all = packets(30, (5, 7, 1));
    for _ in 0..3 {
        rig.push_all(&all);
    }
    assert!(rig.assembler.stats().restarts >= 1);
    assert!(rig.blocks.done.len() > 30, "{}", rig.blocks.done.len());
}

#[test]
fn source_silent_for_long_then_its_gap_is_counted_only() {
    let mut rig = Rig::new();
    let all = packets(320, (5, 7, 1));
    rig.push_all(&all[..30]);
    // 40 ms are filled.
    rig.now_ns += 40 * MS;
    rig.push_all(&all[70..100]);
    assert_eq!(rig.blocks.done.len(), 10);
    // Two seconds are not.
    rig.now_ns += 2_000 * MS;
    rig.push_all(&all[2_100..2_120]);
    assert_eq!(rig.blocks.done.len(), 12);
    let stats = rig.assembler.stats();
    assert_eq!((stats.lost, stats.restarts), (40 + 2_000, 0));
    let last = rig.blocks.done.last().unwrap();
    assert!(last.0.complete);
    assert_eq!(last.0.rtp_timestamp, 5 + 211 * 480);
}

#[test]
fn source_silent_for_long_and_early_then_its_gap_counted_once() {
    let mut rig = Rig::new();
    let all = packets(300, (5, 65_000, 1));
    rig.push_all(&all[..1_000]);
    // 1.5 s of packets are lost, and those behind them come 15 ms early.
    rig.now_ns += 1_485 * MS;
    rig.push_all(&all[2_500..]);
    let stats = rig.assembler.stats();
    assert_eq!((stats.lost, stats.restarts), (1_500, 0));
}

#[test]
fn packets_of_other_formats_then_malformed_by_reason() {
    let mut rig = Rig::new();
    let all = packets(2, (5, 7, 1));
    rig.push_all(&all[..5]);
    let mut short = all[5].clone();
    short.truncate(12 + 282);
    rig.push(&short);
    let mut other_type = all[5].clone();
    other_type[1] = 98;
    rig.push(&other_type);
    let mut ahead = all[5].clone();
    ahead[7] ^= 1;
    rig.push(&ahead);
    rig.push(&[0x80; 5]);
    rig.push(&[0x40; 50]);
    let stats = *rig.assembler.stats();
    for reason in [
        Malformed::BadLength,
        Malformed::BadPayloadType,
        Malformed::BadTimestamp,
        Malformed::Truncated,
        Malformed::BadVersion,
    ] {
        assert_eq!(stats.malformed.get(reason), 1, "{}", reason.name());
    }
    rig.push_all(&all[5..]);
    assert_eq!(rig.complete(), [true; 2]);
}

#[test]
fn packets_of_other_steps_then_never_taken() {
    let mut rig = Rig::new();
    // Twice the channels in half of the samples.
    for (at, mut packet) in (0u32..).zip(packets(20, (5, 7, 1))) {
        packet[4..8].copy_from_slice(&(5 + at * 24).to_be_bytes());
        rig.push(&packet);
    }
    let stats = rig.assembler.stats();
    assert_eq!(stats.accepted, 1);
    assert_eq!(stats.malformed.get(Malformed::BadTimestamp), 199);
}

#[test]
fn packet_far_ahead_then_no_silence_is_made_of_it() {
    let mut rig = Rig::new();
    let all = packets(100, (5, 7, 1));
    rig.push_all(&all[..25]);
    rig.push(&all[900]);
    rig.push_all(&all[25..40]);
    assert_eq!(rig.complete(), [true; 4]);
    assert_eq!(rig.assembler.stats().late, 1);
}

/// A packet of so many samples of this one, with other numbers.
fn cut(packet: &[u8], sequence: u32, timestamp: u32, samples: usize) -> Vec<u8> {
    let mut packet = packet[..12 + samples * 6].to_vec();
    let [.., high, low] = sequence.to_be_bytes();
    packet[2..4].copy_from_slice(&[high, low]);
    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
    packet
}

/// FFmpeg cuts its frames of 1,024 samples into 21 packets of 48, and one of 16.
#[test]
fn packets_of_48_and_16_samples_then_each_block_is_whole() {
    for lost in [None, Some(21), Some(22), Some(60)] {
        let mut rig = Rig::new();
        let sound = &packets(1, (0, 0, 1))[0];
        let mut timestamp = u32::MAX - 5_000;
        for number in 0..445 {
            let samples = if number % 22 == 21 { 16 } else { 48 };
            if lost != Some(number) {
                rig.push(&cut(sound, number + 65_400, timestamp, samples));
            }
            timestamp = timestamp.wrapping_add(u32::try_from(samples).unwrap());
        }
        let incomplete = rig.complete().iter().filter(|it| !**it).count();
        // One that crosses two blocks is of both.
        assert!(
            incomplete <= 2 * usize::from(lost.is_some()),
            "{lost:?}: {incomplete}"
        );
        assert!(rig.complete().len() >= 41, "{lost:?}");
        let stats = *rig.assembler.stats();
        assert_eq!((stats.restarts, stats.other_samples), (0, 16));
        // Nothing shows the length of one without the next.
        let unknown = u64::from(lost == Some(22));
        assert_eq!(
            stats.other_length,
            20 - unknown - u64::from(lost == Some(21))
        );
        assert_eq!(
            stats.malformed.total() + stats.late,
            unknown,
            "{lost:?} {stats:?}"
        );
        assert_eq!(sum(&stats), stats.packets);
    }
}

#[test]
fn packet_of_20_ahead_50_times_a_second_then_no_block_suffers() {
    for ahead in [12, 20, 400] {
        let mut rig = Rig::new();
        let all = packets(150, (5, 7, 1));
        for (at, packet) in all[..1_000].iter().enumerate() {
            rig.push(packet);
            if at % 20 == 9 {
                rig.push(&all[at + ahead]);
                rig.now_ns -= MS;
            }
        }
        assert_eq!(rig.complete(), [true; 100], "{ahead}");
        let stats = rig.assembler.stats();
        assert_eq!((stats.astray, stats.restarts, stats.lost), (50, 0, 0));
    }
}

#[test]
fn another_source_after_a_pause_then_a_restart_is_counted() {
    let mut rig = Rig::new();
    rig.push_all(&packets(2, (5, 7, 1)));
    rig.push_all(&packets(30, (77_777, 999, 2)));
    let stats = rig.assembler.stats();
    assert_eq!((stats.ssrc_changes, stats.restarts), (1, 1));
    assert!(rig.complete().len() >= 20 && rig.complete().iter().all(|it| *it));
}

#[test]
fn sink_without_memory_then_packets_are_counted_and_skipped() {
    struct Full;
    impl Sink for Full {
        type Slot = ();
        fn open(&mut self, _rtp_timestamp: u32) -> Option<()> {
            None
        }
        fn write(&mut self, (): (), _offset: usize, _bytes: &[u8]) {
            unreachable!("it gave no memory");
        }
        fn finish(&mut self, (): (), _report: &UnitReport) {
            unreachable!("it gave no memory");
        }
    }
    let mut assembler = BlockAssembler::new(&format(), 97, TIMEOUT_NS);
    for packet in &packets(2, (5, 7, 1)) {
        let run = Run {
            packets: &[packet],
            now_ns: 5,
        };
        assembler.push(&run, &mut Full);
    }
    let stats = assembler.stats();
    assert_eq!((stats.no_buffer, stats.units_no_buffer), (20, 2));
}

/// Each packet counts once.
fn sum(stats: &crate::receive::ReceiveStats) -> u64 {
    stats.accepted
        + stats.malformed.total()
        + stats.other_ssrc_packets
        + stats.duplicate
        + stats.late
        + stats.no_buffer
}

proptest! {
    #[test]
    fn packets_in_any_order_then_each_sample_is_sent_or_silent(
        start in any::<(u32, u32)>(),
        fates in prop::collection::vec(0u8..10, 200),
    ) {
        let mut rig = Rig::new();
        let all = packets(20, (start.0, start.1, 1));
        let mut came = [false; 200];
        rig.push(&all[0]);
        came[0] = true;
        let mut held: Option<usize> = None;
        for (at, fate) in fates.into_iter().enumerate().skip(1) {
            match fate {
                0 => continue,
                // Exchanged with the next one.
                1 if held.is_none() => held = Some(at),
                2 => (0..2).for_each(|_| rig.push(&all[at])),
                _ => rig.push(&all[at]),
            }
            came[at] = true;
            if let Some(before) = held.filter(|it| *it < at) {
                rig.push(&all[before]);
                held = None;
            }
        }
        if let Some(before) = held {
            rig.push(&all[before]);
        }
        rig.assembler.close(&mut rig.blocks);
        for (block, (report, bytes)) in rig.blocks.done.iter().enumerate() {
            for (index, samples) in bytes.chunks(288).enumerate() {
                let at = block * 10 + index;
                let is_sent = samples == &all[at][12..];
                let is_silent = samples.iter().all(|it| *it == 0);
                prop_assert!(is_sent || is_silent);
                // One that came after its block was closed is silent, too.
                prop_assert!(came[at] || is_silent);
            }
            let silent = bytes.chunks(288).filter(|it| it.iter().all(|it| *it == 0)).count();
            prop_assert_eq!(report.packets_lost as usize, silent);
        }
        let stats = rig.assembler.stats();
        prop_assert_eq!(sum(stats), stats.packets);
    }

    #[test]
    fn packets_hostile_then_no_panic_and_all_are_counted(
        heads in prop::collection::vec(
            (any::<u16>(), any::<u32>(), 0u32..3, prop::sample::select(vec![0usize, 1, 287, 288, 289, 1440]), 0u64..300),
            1..300,
        ),
    ) {
        let mut rig = Rig::new();
        for (sequence, timestamp, ssrc, bytes, ms) in heads {
            let mut packet = vec![0x80, 97];
            packet.extend(sequence.to_be_bytes());
            // Mostly on the grid.
            let timestamp = if ms % 3 == 0 { timestamp } else { u32::from(sequence) * 48 };
            packet.extend(timestamp.to_be_bytes());
            packet.extend(ssrc.to_be_bytes());
            packet.resize(12 + bytes, 1);
            rig.now_ns += ms * MS;
            rig.push(&packet);
            prop_assert!(rig.assembler.under_way() <= 2);
        }
        rig.assembler.close(&mut rig.blocks);
        let stats = rig.assembler.stats();
        prop_assert_eq!(sum(stats), stats.packets);
        prop_assert!(rig.blocks.open.is_empty());
    }
}
