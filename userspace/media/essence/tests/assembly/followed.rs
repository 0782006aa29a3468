//! What a reader is told of a frame while it is assembled: whole rows from the first on, which are right and stay so.

use std::collections::BTreeMap;

use onair_essence::receive::{Depacketise as _, Run, Sink, UnitProgress, UnitReport};
use onair_essence::video::VideoFormat;
use proptest::prelude::*;

use super::rig::{Memory, Sender, assembler, small};

/// Memory with a reader of each frame.
struct Followed {
    memory: Memory,
    format: VideoFormat,
    /// What stood of each frame when it was last told.
    stood: BTreeMap<usize, Vec<u8>>,
    told: Vec<usize>,
}

impl Followed {
    fn new() -> Self {
        Self {
            memory: Memory::new(&small()),
            format: small(),
            stood: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    fn stood(&self, slot: usize) -> &[u8] {
        self.stood.get(&slot).map_or(&[], Vec::as_slice)
    }
}

impl Sink for Followed {
    type Slot = usize;

    fn open(&mut self, rtp_timestamp: u32) -> Option<usize> {
        self.memory.open(rtp_timestamp)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        assert!(offset >= self.stood(slot).len(), "written again");
        self.memory.write(slot, offset, bytes);
    }

    fn follows(&self) -> bool {
        true
    }

    fn progress(&mut self, slot: usize, unit: &UnitProgress) {
        assert_eq!(unit.bytes % self.format.line_bytes(), 0);
        let now = self.memory.open[&slot][..unit.bytes].to_vec();
        assert!(now.starts_with(self.stood(slot)), "it went back");
        self.stood.insert(slot, now);
        self.told.push(unit.bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        let stood = self.stood(slot);
        assert!(self.memory.open[&slot].starts_with(stood));
        let missing = report.missing().first();
        assert!(missing.is_none_or(|it| it.offset >= stood.len()));
        self.memory.finish(slot, report);
    }
}

fn push(followed: &mut Followed, packets: &[Vec<u8>], runs: &[usize]) {
    let mut assembler = assembler(small());
    let mut left = packets;
    for (now_ns, length) in (0..).zip(runs.iter().cycle()) {
        if left.is_empty() {
            break;
        }
        let (run, others) = left.split_at((*length).min(left.len()));
        left = others;
        let packets: Vec<_> = run.iter().map(Vec::as_slice).collect();
        let packets = &packets[..];
        assembler.push(&Run { packets, now_ns }, followed);
    }
    assembler.close(followed);
}

#[test]
fn packets_in_order_then_told_of_each_row_at_once() {
    let packets = Sender::new(small(), 60).frame(1);
    let mut followed = Followed::new();
    push(&mut followed, &packets, &[1]);
    let mut rows = followed.told.clone();
    rows.dedup();
    let line = small().line_bytes();
    // The last packet ends it.
    let all: Vec<_> = (0..small().frame_bytes() / line)
        .map(|it| it * line)
        .collect();
    assert_eq!(rows, all);
}

#[test]
fn packet_behind_a_hole_then_told_of_when_the_hole_is_filled() {
    let mut packets = Sender::new(small(), 60).frame(1);
    let last = packets.len() - 1;
    // The first one comes last but one.
    packets[..last].rotate_left(1);
    let mut followed = Followed::new();
    push(&mut followed, &packets, &[1]);
    let (before, after) = followed.told.split_at(last - 1);
    assert!(before.iter().all(|it| *it == 0), "{before:?}");
    assert!(
        after[0] > 0 && followed.memory.finished[0].0.complete,
        "{after:?}"
    );
}

#[test]
fn segments_that_come_again_then_what_stands_is_not_written() {
    let packets = Sender::new(small(), 60).frame(1);
    for runs in [1, packets.len()] {
        // The second half repeats the first, with other bytes.
        let half = packets.len() / 2;
        let mut again = packets.clone();
        for at in half..packets.len() - 1 {
            let sequence = again[at][2..4].to_vec();
            again[at] = packets[at - half].clone();
            again[at][2..4].copy_from_slice(&sequence);
            let end = again[at].len();
            again[at][end - 5..].fill(0x55);
        }
        let mut followed = Followed::new();
        push(&mut followed, &again, &[half, runs]);
        let (report, frame) = &followed.memory.finished[0];
        let stands = followed.told.iter().max().copied().unwrap();
        let mut whole = Followed::new();
        push(&mut whole, &packets, &[runs]);
        assert!(!report.complete && stands > 0);
        assert_eq!(frame[..stands], whole.memory.finished[0].1[..stands]);
    }
}

proptest! {
    #[test]
    fn packets_of_any_order_then_what_is_told_stays_and_is_right(
        changes in prop::collection::vec((0usize..40, 0usize..40, 0u8..4), 0..12),
        runs in prop::collection::vec(1usize..12, 1..6),
    ) {
        let mut sender = Sender::new(small(), 60);
        let mut packets: Vec<_> = (1..4).flat_map(|number| sender.frame(number)).collect();
        for (one, other, change) in changes {
            let (one, other) = (one % packets.len(), other % packets.len());
            match change {
                0 => packets.swap(one, other),
                1 => drop(packets.remove(one)),
                2 => packets.insert(one, packets[other].clone()),
                _ => {
                    let sequence = packets[one][2..4].to_vec();
                    packets[one] = packets[other].clone();
                    packets[one][2..4].copy_from_slice(&sequence);
                }
            }
        }
        push(&mut Followed::new(), &packets, &runs);
    }
}
