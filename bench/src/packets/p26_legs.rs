//! P26: what the merge of two legs (ST 2022-7) adds to a packet of each: bursts of the same packets on both
//! legs, passed on without a copy.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use onair_essence::legs::{Class, Leg, Merge, MergeConfig};
use onair_essence::rtp::RtpHeader;

use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::run::Run;

const BURST: usize = 32;
const BURSTS: usize = 2_048;
const PACKETS_A_SECOND: u64 = 100_000;
const TARGET_NS: f64 = 15.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let core = *place::cores()?.last().context("no core")?;
    let turns = run.of(400);
    run.case("turns", turns);
    // Only a thread of its own is pinned: others of the bench inherit from this one.
    let samples = std::thread::scope(|scope| {
        let all = scope.spawn(|| -> Result<Samples> {
            place::pin(core)?;
            let packets = packets();
            let mut samples = Samples::new();
            for _ in 0..turns {
                samples.push(turn(&packets)?);
                run.step();
            }
            Ok(samples)
        });
        all.join().expect("the measuring thread does not panic")
    })?;
    let row = Row::of("P26", "merge, for a packet of a leg", "ns", &samples);
    let row = row.pinned(format!("core {core}"));
    Ok(vec![row.target("≤ 15 ns", |it| it.p50_at_most(TARGET_NS))])
}

/// RTP headers of one stream.
fn packets() -> Vec<[u8; 12]> {
    let packets = (0..=u16::MAX).map(|sequence| {
        let header = RtpHeader {
            marker: false,
            payload_type: 96,
            sequence,
            timestamp: u32::from(sequence) * 9 / 10,
            ssrc: 1,
        };
        header.to_bytes()
    });
    packets.collect()
}

/// Nanoseconds a packet, over both legs.
fn turn(packets: &[[u8; 12]]) -> Result<f64> {
    let mut merge = Merge::new(&MergeConfig {
        payload_types: 96.into(),
        clock_hz: 90_000,
        bytes_per_second: 1_300 * PACKETS_A_SECOND,
        period_ns: 16_683_333,
        packets_a_second: PACKETS_A_SECOND,
        packet_bytes: 1_472,
        class: Class::A,
        silence_ns: 100_000_000,
    });
    let bursts: Vec<Vec<&[u8]>> = packets
        .chunks(BURST)
        .map(|burst| burst.iter().map(<[u8; 12]>::as_slice).collect())
        .collect();
    let (mut passed, mut now_ns) = (0, 0);
    let begin = Instant::now();
    for burst in &bursts {
        now_ns += BURST as u64 * 1_000_000_000 / PACKETS_A_SECOND;
        for leg in Leg::BOTH {
            merge.push(leg, black_box(burst), now_ns, |run| passed += run.len());
        }
    }
    let taken = begin.elapsed();
    ensure!(passed == BURST * BURSTS, "{passed} passed on");
    Ok(taken.as_secs_f64() * 1e9 / float(2 * passed as u64))
}
