//! Any order, loss, repetition and damage.

use onair_essence::receive::Depacketise as _;
use onair_essence::video::Depth;
use onair_essence::video::pattern::verify;
use onair_essence::video::st2110_20::{STANDARD_RTP_BYTES, SrdHeader};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::rig::{Memory, Sender, assembler, assert_accounted, format, numbers, small};

/// What the network does to one packet.
#[derive(Debug, Clone, Copy)]
enum Delivery {
    Passes,
    Lost,
    Twice(Index),
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        12 => Just(Delivery::Passes),
        1 => Just(Delivery::Lost),
        2 => any::<Index>().prop_map(Delivery::Twice),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn one_frame_any_order_loss_repeats_then_complete_if_all_came(
        deliveries in prop::collection::vec(delivery(), 1..200), seed: u64, sequence: u32, ten: bool,
        half_width in 2u32..40, height in 6u32..20,
    ) {
        let format = format(half_width * 2, height, if ten { Depth::Ten } else { Depth::Eight });
        let mut sender = Sender::new(format, 100);
        sender.sequence = sequence;
        let packets = sender.frame(seed);
        let mut arriving = Vec::new();
        let mut lost = 0;
        for (packet, delivery) in packets.iter().zip(deliveries.iter().cycle()) {
            match delivery {
                Delivery::Lost => lost += 1,
                Delivery::Passes => arriving.push(packet.clone()),
                Delivery::Twice(_) => arriving.extend([packet.clone(), packet.clone()]),
            }
        }
        for (at, delivery) in deliveries.iter().enumerate() {
            if let (Delivery::Twice(index), false) = (delivery, arriving.is_empty()) {
                let at = at % arriving.len();
                let other = index.index(arriving.len());
                arriving.swap(at, other);
            }
        }
        let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
        for packet in &arriving {
            assembler.packet(packet, 0, &mut memory);
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
    fn many_frames_shuffled_with_loss_then_in_order_and_none_faked(
        deliveries in prop::collection::vec(delivery(), 300), sequence: u32, timestamp: u32,
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
            match deliveries[place % deliveries.len()] {
                Delivery::Lost => came[number] = false,
                Delivery::Passes => arriving.push(packet),
                Delivery::Twice(_) => arriving.extend([packet, packet]),
            }
        }
        for (at, distance) in swaps {
            let at = at.index(arriving.len());
            let other = (at + distance).min(arriving.len() - 1);
            arriving.swap(at, other);
        }
        let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
        for packet in arriving {
            assembler.packet(packet, 0, &mut memory);
        }
        assembler.close(&mut memory);
        assert_accounted(assembler.stats());
        let numbers = numbers(&memory);
        prop_assert!(numbers.is_sorted_by(|a, b| a < b));
        prop_assert!(numbers.iter().all(|number| came[usize::try_from(*number).unwrap()]));
        let stamps: Vec<_> = memory.finished.iter().map(|(report, _)| report.rtp_timestamp.wrapping_sub(timestamp)).collect();
        prop_assert!(stamps.is_sorted_by(|a, b| a < b));
        let stats = assembler.stats();
        prop_assert_eq!(stats.units_complete, numbers.len() as u64);
        prop_assert_eq!(stats.units_complete + stats.units_incomplete, memory.finished.len() as u64);
    }

    #[test]
    fn packets_any_order_delay_and_loss_then_truly_complete(
        fates in prop::collection::vec((0u8..16, 0u64..1_900, 0u64..1_900), 1..200),
        sequence: u32, timestamp: u32, start in 0u64..u64::MAX / 4,
    ) {
        let format = format(16, 8, Depth::Eight);
        let mut sender = Sender::new(format, 90);
        (sender.sequence, sender.timestamp) = (sequence, timestamp);
        let mut fates = fates.iter().cycle();
        let (mut arrivals, mut came) = (Vec::new(), Vec::new());
        let (mut sent, mut never) = (0, 0);
        for number in 0..40 {
            let packets = sender.frame(number);
            let mut all = true;
            for packet in packets {
                let (kind, delay, again) = fates.next().unwrap();
                let at = start + number * 16_666_667 + sent * 1000;
                sent += 1;
                // Mostly in order; else late by up to 3 ms, or by up to 1.9 s.
                let after = |delay: u64| at + delay * if kind % 2 == 0 { 1_600 } else { 1_000_000 };
                let first = if *kind < 10 { at } else { after(*delay) };
                match kind {
                    0 => (all, never) = (false, never + 1),
                    1 | 2 | 14 | 15 => {
                        arrivals.push((first, packet.clone()));
                        arrivals.push((after(*again), packet));
                    }
                    _ => arrivals.push((first, packet)),
                }
            }
            came.push(all);
        }
        arrivals.sort_by_key(|(at, _)| *at);
        let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
        for (now, packet) in &arrivals {
            assembler.expire(*now, &mut memory);
            assembler.packet(packet, *now, &mut memory);
        }
        assembler.close(&mut memory);
        let stats = assembler.stats();
        assert_accounted(stats);
        let stamps: Vec<_> = memory.finished.iter().map(|(report, _)| report.rtp_timestamp.wrapping_sub(timestamp)).collect();
        prop_assert!(stamps.is_sorted_by(|a, b| a < b));
        for (report, frame) in memory.finished.iter().filter(|(report, _)| report.complete) {
            let number = report.rtp_timestamp.wrapping_sub(timestamp) / 1500;
            prop_assert!(came[number as usize]);
            prop_assert_eq!(verify(frame), Ok(number.into()));
        }
        prop_assert_eq!((stats.restarts, stats.ssrc_changes, stats.units_wrong_format), (0, 0, 0));
        prop_assert!(stats.lost - stats.lost_arrived <= never);
        prop_assert_eq!(stats.accepted + stats.late + stats.duplicate, arrivals.len() as u64);
    }

    #[test]
    fn overlapping_segments_any_then_complete_if_the_union_is_all(
        parts in prop::collection::vec((0u16..4, 0u16..6, 0u16..7), 1..40),
    ) {
        let format = format(12, 4, Depth::Ten);
        let (mut assembler, mut memory) = (assembler(format), Memory::new(&format));
        let mut union = [[false; 6]; 4];
        let mut finished_at = None;
        for (sequence, (line, start, pgroups)) in (0u16..).zip(parts) {
            let pgroups = pgroups.min(6 - start);
            let srd = SrdHeader { length: pgroups * 5, field: false, line, continuation: false, pixel: start * 2 };
            let mut packet = vec![0x80, 0x80 | 96];
            packet.extend(sequence.to_be_bytes());
            packet.extend([0, 0, 0, 9, 0, 0, 0, 5, 0, 0]);
            packet.extend(srd.to_bytes());
            packet.extend(vec![1; usize::from(pgroups) * 5]);
            assembler.packet(&packet, 0, &mut memory);
            let (line, start) = (usize::from(line), usize::from(start));
            union[line][start..start + usize::from(pgroups)].fill(true);
            if finished_at.is_none() && union.iter().flatten().all(|came| *came) {
                finished_at = Some(sequence);
                prop_assert_eq!(memory.finished.len(), 1);
                prop_assert!(memory.finished[0].0.complete);
                prop_assert!(memory.finished[0].1.iter().all(|byte| *byte == 1));
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
            assembler.packet(&packet, now * 100_000, &mut memory);
            assembler.expire(now * 100_000, &mut memory);
            assert_accounted(assembler.stats());
        }
        for packet in &noise {
            assembler.packet(packet, 0, &mut memory);
        }
        assembler.close(&mut memory);
        assert_accounted(assembler.stats());
        let stats = assembler.stats();
        prop_assert_eq!(stats.units_complete + stats.units_incomplete, memory.finished.len() as u64);
        prop_assert!(memory.open.is_empty());
    }

    #[test]
    fn frame_any_raster_and_packet_size_then_assembled_as_cut(
        half_width in 1u32..700, height in 1u32..30, ten: bool, max in 60usize..=STANDARD_RTP_BYTES,
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
                assembler.packet(&packet, 0, &mut memory);
            }
        }
        prop_assert_eq!(numbers(&memory), [0, 1, 2]);
    }
}
