//! The receiver of audio, on packets of GStreamer (`rtpL16pay`) that were damaged in any way.

use onair_essence::audio::{AudioDocument, AudioFormat, BlockAssembler, Coding};
use onair_essence::receive::{Depacketise as _, Run, Sink, UnitReport};
use proptest::prelude::*;

use super::{CASES, corpus, damaged};

/// Memory of two blocks, as a daemon has it.
struct Blocks {
    bytes: usize,
    open: usize,
}

impl Sink for Blocks {
    type Slot = ();

    fn open(&mut self, _rtp_timestamp: u32) -> Option<()> {
        self.open += 1;
        (self.open <= 2).then_some(())
    }

    fn write(&mut self, (): (), offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.bytes);
    }

    fn finish(&mut self, (): (), report: &UnitReport) {
        assert!(report.bytes_missing <= self.bytes);
        self.open = 0;
    }
}

fn format() -> AudioFormat {
    let document = AudioDocument {
        coding: Coding::L16,
        sample_rate: 48_000,
        channels: 2,
        packet_time_us: None,
        block_samples: None,
        channel_order: None,
    };
    AudioFormat::try_from(&document).unwrap()
}

/// Takes the packets, 7 ms apart. How many were accepted.
fn take(packets: &[Vec<u8>]) -> u64 {
    let format = format();
    let mut assembler = BlockAssembler::new(&format, 97, 100_000_000);
    let mut blocks = Blocks {
        bytes: format.block_bytes(),
        open: 0,
    };
    for (now_ns, packet) in (0..).step_by(7_000_000).zip(packets) {
        let run = Run {
            packets: &[packet],
            now_ns,
        };
        assembler.expire(now_ns, &mut blocks);
        assembler.push(&run, &mut blocks);
    }
    assembler.close(&mut blocks);
    let stats = assembler.stats();
    let refused = stats.malformed.total() + stats.other_ssrc_packets + stats.duplicate;
    assert_eq!(
        stats.accepted + refused + stats.late + stats.no_buffer,
        packets.len() as u64
    );
    stats.accepted
}

#[test]
fn audio_as_it_came_then_each_packet_is_accepted() {
    let packets: Vec<_> = corpus("audio").into_iter().map(|it| it.1).collect();
    assert_eq!(packets.len(), 3);
    assert_eq!(take(&packets), 3);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(CASES),
        ..ProptestConfig::default()
    })]

    #[test]
    fn audio_damaged_in_any_way_then_counted_and_within_bounds(
        packets in prop::collection::vec(damaged("audio"), 1..40),
    ) {
        take(&packets);
    }
}
