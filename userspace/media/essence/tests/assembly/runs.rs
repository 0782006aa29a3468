//! Runs of packets, against the same packets one after the other.

use std::cell::RefCell;

use onair_essence::receive::{Depacketise as _, Run, Sink, UnitReport};
use onair_essence::video::{Depth, FrameRate, Packing, Sampling, Scan, VideoFormat};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::formats::Buffers;
use crate::rig::{Receiver, Sender, TIMEOUT_NS, assembler, small};

fn slices(packets: &[Vec<u8>]) -> Vec<&[u8]> {
    packets.iter().map(Vec::as_slice).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn run_of_any_packets_then_as_one_after_the_other(
        sampling in prop::sample::select(Sampling::ALL), depth in prop::sample::select(Depth::ALL),
        scan in prop::sample::select(vec![Scan::Progressive, Scan::Interlaced, Scan::Psf]),
        width in 1u32..200, height in 2u32..24, block: bool, room in 1usize..4,
        max in prop_oneof![80usize..400, Just(1452), Just(8952)],
        fates in prop::collection::vec((0u8..60, any::<Index>(), any::<u8>()), 1..200),
        runs in prop::collection::vec((1usize..50, 0u64..4), 1..20),
    ) {
        let rate = FrameRate::new(25, 1).unwrap();
        let Ok(format) = VideoFormat::of((width, height), (sampling, depth), scan, rate) else {
            return Ok(());
        };
        let packing = if block { Packing::Block } else { Packing::General };
        let Some(mut sender) = Buffers::new(format, packing, max) else {
            return Ok(());
        };
        let mut fates = fates.iter().cycle();
        let mut arriving = Vec::new();
        for mut packet in (0..6).flat_map(|_| sender.next()) {
            let (fate, at, value) = fates.next().unwrap();
            match fate {
                0 => continue,
                1 => arriving.push(packet.clone()),
                2 | 3 => packet[at.index(22)] = *value,
                4 => packet.truncate(at.index(30)),
                _ => {}
            }
            arriving.push(packet);
            if *fate == 5 {
                let last = arriving.len() - 1;
                arriving.swap(last, at.index(last + 1));
            }
        }
        let (mut whole, mut single) = (Receiver::new(format), Receiver::new(format));
        (whole.memory.room, single.memory.room) = (room, room);
        let (mut left, mut now_ns) = (arriving.as_slice(), 0);
        let mut runs = runs.iter().cycle();
        while !left.is_empty() {
            let (length, pause) = runs.next().unwrap();
            let (run, others) = left.split_at((*length).min(left.len()));
            (left, now_ns) = (others, now_ns + pause * TIMEOUT_NS / 3);
            whole.assembler.expire(now_ns, &mut whole.memory);
            single.assembler.expire(now_ns, &mut single.memory);
            whole.assembler.push(&Run { packets: &slices(run), now_ns }, &mut whole.memory);
            single.push(run, now_ns);
            prop_assert_eq!(whole.assembler.stats(), single.assembler.stats());
            prop_assert_eq!(&whole.memory.finished, &single.memory.finished);
            prop_assert_eq!(&whole.memory.open, &single.memory.open);
        }
        prop_assert_eq!(format!("{:?}", whole.assembler), format!("{:?}", single.assembler));
        whole.assert_accounted();
    }
}

/// What was asked of the memory: fetches and writes, each with its offset and bytes.
#[derive(Default)]
struct Asked {
    fetched: RefCell<Vec<(usize, usize)>>,
    written: Vec<(usize, usize)>,
}

impl Sink for Asked {
    type Slot = usize;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<usize> {
        Some(0)
    }

    fn write(&mut self, _slot: usize, offset: usize, bytes: &[u8]) {
        let place = (offset, bytes.len());
        self.written.push(place);
        let is_first = self.written.len() == 1;
        assert!(is_first || self.fetched.borrow().contains(&place));
    }

    fn finish(&mut self, _slot: usize, _report: &UnitReport) {}

    fn fetch(&self, _slot: usize, offset: usize, len: usize) {
        self.fetched.borrow_mut().push((offset, len));
    }
}

#[test]
fn run_in_order_then_each_place_is_fetched_before_its_write() {
    let mut sender = Sender::new(small(), 60);
    let packets = sender.frame(1);
    let (mut assembler, mut asked) = (assembler(small()), Asked::default());
    let packets = slices(&packets[..packets.len() - 1]);
    let run = Run {
        packets: &packets,
        now_ns: 0,
    };
    assembler.push(&run, &mut asked);
    assert_eq!(asked.written.len(), packets.len());
    assert!(packets.len() > 4);
    assert_eq!(asked.fetched.borrow()[..], asked.written[1..]);
}
