//! P33: what the worst packet costs: packets that a forger puts into a stream, of an essence or on a leg of two, beside
//! the packets of the stream.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use onair_essence::legs::{Class, Leg, Merge, MergeConfig};
use onair_essence::receive::{Depacketise as _, Run as Burst, Sink, UnitReport};
use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader, TestSignal as _};
use onair_essence::{Depacketiser, Format, FormatDocument};
use serde_json::json;

use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::run::Run;

const TYPE: u8 = 96;
const TIMEOUT_NS: u64 = 100_000_000;
const PACKET_BYTES: usize = 1_472;
/// Packets of a stream that are measured, at least.
const PACKETS: usize = 10_000;
const MOST_RATIO: f64 = 4.0;

/// What the forger changes of the packet of the stream that came before: its sequence number, and its timestamp, by as
/// much more with each forged packet.
#[derive(Clone, Copy)]
struct Attack {
    name: &'static str,
    numbers: u32,
    ticks: u32,
    /// Forged packets after each of the stream.
    times: u32,
}

const ATTACKS: [Attack; 6] = [
    attack("another timestamp each", 1, 1, 1),
    attack("another unit each", 1, 1_800, 4),
    attack("a second ahead", 1, 90_000, 1),
    attack("far ahead by number", 20_000, 0, 1),
    attack("far ahead, two that agree", 20_000, 0, 2),
    attack("anything", 0x9e37, 0x9e37_79b9, 2),
];

const fn attack(name: &'static str, numbers: u32, ticks: u32, times: u32) -> Attack {
    Attack {
        name,
        numbers,
        ticks,
        times,
    }
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let core = *place::cores()?.last().context("no core")?;
    let rounds = run.of(20).max(3);
    let formats = formats()?;
    run.case("formats", rounds * formats.len() * (ATTACKS.len() + 1));
    // Only a thread of its own is pinned: others of the bench inherit from this one.
    std::thread::scope(|scope| {
        let all = scope.spawn(|| -> Result<Vec<Row>> {
            place::pin(core)?;
            let mut rows = Vec::new();
            for (name, format, has_legs) in &formats {
                rows.push(worst(run, (name, format, *has_legs), rounds, core)?);
            }
            Ok(rows)
        });
        all.join().expect("the measuring thread does not panic")
    })
}

/// A stream of each essence, and two of them on two legs.
fn formats() -> Result<Vec<(&'static str, Format, bool)>> {
    let of = |document| -> Result<Format> {
        let document: FormatDocument = serde_json::from_value(document)?;
        Format::try_from(document).map_err(|error| anyhow::anyhow!("{error}"))
    };
    let video = |width, height| {
        let raster = json!({"width": width, "height": height, "frame_rate": "50/1", "depth": 10});
        of(json!({ "video": raster }))
    };
    let audio = json!({"audio": {"coding": "L24", "sample_rate": 48_000, "channels": 8}});
    Ok(vec![
        ("1920x1080p50", video(1920, 1080)?, false),
        ("7680x4320p50", video(7680, 4320)?, false),
        (
            "JPEG XS",
            of(json!({"jpeg_xs": {
                "width": 1920, "height": 1080, "frame_rate": "50/1", "depth": 10, "bytes": 500_000,
            }}))?,
            false,
        ),
        ("audio", of(audio.clone())?, false),
        (
            "ancillary data",
            of(json!({"ancillary": {"frame_rate": "50/1"}}))?,
            false,
        ),
        ("1920x1080p50, two legs", video(1920, 1080)?, true),
        ("audio, two legs", of(audio)?, true),
    ])
}

fn worst(
    run: &Run,
    (name, format, has_legs): (&str, &Format, bool),
    rounds: usize,
    core: usize,
) -> Result<Row> {
    let good = sent(format)?;
    let mut clean = Samples::new();
    let mut cases: Vec<_> = ATTACKS.iter().map(|it| (it, Samples::new())).collect();
    let hostile: Vec<_> = ATTACKS.iter().map(|it| forged(&good, *it)).collect();
    for _ in 0..rounds {
        let base = turn((format, has_legs), &good, None)?;
        run.step();
        clean.push(base / float(good.len() as u64 / 2));
        for ((_, samples), packets) in cases.iter_mut().zip(&hostile) {
            let taken = turn((format, has_legs), &good, Some(packets))?;
            let second = packets[packets.len() / 2..].iter();
            let count = float(second.map(|it| it.len() as u64).sum());
            samples.push((taken - base).max(0.0) / count);
            run.step();
        }
    }
    let median = |it: &Samples| it.ranks().median();
    let worst = cases
        .into_iter()
        .max_by(|a, b| median(&a.1).total_cmp(&median(&b.1)));
    let (attack, samples) = worst.context("no attack")?;
    let row = Row::of("P33", format!("the worst packet, {name}"), "ns", &samples);
    let row = row.beside("a packet of the stream", &samples, &clean);
    let row = row.pinned(format!("core {core}")).note(attack.name);
    Ok(row.target("≤ 4 × a packet of the stream", |it| {
        it.ratio_at_most(MOST_RATIO)
    }))
}

/// The packets of some units, with their times.
fn sent(format: &Format) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut packetiser = format.packetiser(1_452)?;
    let mut signal = format.signal()?;
    let (mut sequence, mut all, mut slot) = (0u32, Vec::new(), 1_000);
    while all.len() < PACKETS {
        let tag = packetiser.tag_of_slot(slot);
        signal.start();
        packetiser.begin(tag, |at, out| signal.read(at, out));
        let header = StreamHeader {
            payload_type: TYPE,
            timestamp: packetiser.timestamp(slot),
            ssrc: 1,
        };
        let (start_ns, end_ns) = (packetiser.slot_start(slot), packetiser.slot_start(slot + 1));
        let count = packetiser.packets(tag);
        for index in 0..count {
            let packet = packetiser.packet(tag, index).context("no packet")?;
            let mut bytes = vec![0; packet.bytes()];
            let headers = packet.write_headers(&header, sequence, &mut bytes);
            signal.fill(&packet, &mut bytes[headers..]);
            let at_ns = start_ns + (end_ns - start_ns) * u64::from(index) / u64::from(count);
            all.push((at_ns, bytes));
            sequence = sequence.wrapping_add(1);
        }
        signal.finish();
        slot += 1;
    }
    Ok(all)
}

/// The forged packets after each of the stream.
fn forged(good: &[(u64, Vec<u8>)], attack: Attack) -> Vec<Vec<Vec<u8>>> {
    let mut sent = 0u32;
    let each = good.iter().map(|(_, like)| {
        let burst = (0..attack.times).map(|step| {
            sent = sent.wrapping_add(1);
            let mut packet = like.clone();
            let number = u32::from(u16::from_be_bytes([packet[2], packet[3]]));
            let [.., high, low] = (number + attack.numbers + step).to_be_bytes();
            packet[2..4].copy_from_slice(&[high, low]);
            let time = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
            let ticks = match attack.times {
                1 => attack.ticks.wrapping_mul(1 + sent % 8),
                _ => attack.ticks.wrapping_mul(sent),
            };
            packet[4..8].copy_from_slice(&time.wrapping_add(ticks).to_be_bytes());
            packet
        });
        burst.collect()
    });
    each.collect()
}

/// Nanoseconds that a session takes for the second half of these packets.
fn turn(
    (format, has_legs): (&Format, bool),
    good: &[(u64, Vec<u8>)],
    hostile: Option<&Vec<Vec<Vec<u8>>>>,
) -> Result<f64> {
    let mut receiver: Depacketiser<usize> = format.depacketiser(TYPE, TIMEOUT_NS);
    let mut units = Units::new(format.unit_bytes());
    let mut merge = has_legs.then(|| {
        Merge::new(&MergeConfig {
            payload_types: TYPE.into(),
            clock_hz: format.clock_hz(),
            bytes_per_second: format.bytes_per_second(),
            period_ns: format.period_ns(1),
            packet_bytes: PACKET_BYTES,
            class: Class::C,
            silence_ns: TIMEOUT_NS,
        })
    });
    let mut give = |leg, packets: &[&[u8]], now_ns| match &mut merge {
        None => receiver.push(&Burst { packets, now_ns }, &mut units),
        Some(merge) => {
            merge.push(leg, packets, now_ns, |packets| {
                receiver.push(&Burst { packets, now_ns }, &mut units);
            });
        }
    };
    let mut begin = Instant::now();
    for (at, (now_ns, packet)) in good.iter().enumerate() {
        if at == good.len() / 2 {
            // Before, memory is used for the first time.
            begin = Instant::now();
        }
        give(Leg::First, black_box(&[packet]), *now_ns);
        for packet in hostile.iter().flat_map(|it| &it[at]) {
            give(Leg::First, black_box(&[packet]), *now_ns);
        }
        if has_legs {
            give(Leg::Second, black_box(&[packet]), *now_ns);
        }
    }
    let taken = begin.elapsed();
    ensure!(units.finished > 0, "no unit ended");
    Ok(taken.as_secs_f64() * 1e9)
}

/// Memory of a session.
struct Units {
    memory: Vec<Vec<u8>>,
    next: usize,
    finished: usize,
}

impl Units {
    fn new(bytes: usize) -> Self {
        Self {
            memory: vec![vec![1; bytes]; 3],
            next: 0,
            finished: 0,
        }
    }
}

impl Sink for Units {
    type Slot = usize;

    fn open(&mut self, _rtp_timestamp: u32) -> Option<usize> {
        self.next = (self.next + 1) % self.memory.len();
        Some(self.next)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.memory[slot][offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, _slot: usize, report: &UnitReport) {
        black_box(report);
        self.finished += 1;
    }
}
