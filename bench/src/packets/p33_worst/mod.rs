//! P33: what the worst packet costs a poller: packets that a forger puts into a stream, of an essence or on a leg of two,
//! beside the packets of the stream alone; also such as no session takes. They come in bursts, as a poller takes them. The time
//! is the thread's own on its core: another process does not count.

mod attacks;

use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use onair_essence::legs::{Class, Leg, Merge, MergeConfig, Onward as _, Receiving};
use onair_essence::receive::{Depacketise as _, Sink, UnitReport};
use onair_essence::rtp::RtpHeader;
use onair_essence::{Depacketiser, Format, FormatDocument, SentPacket};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::run::Run;
use attacks::{ATTACKS, Attack, REFUSED};

const TYPE: u8 = 96;
const TIMEOUT_NS: u64 = 100_000_000;
const PACKET_BYTES: usize = 1_472;
/// Packets of a stream that are measured, at least.
const PACKETS: usize = 10_000;
/// Packets of a turn of a poller.
const BURST: usize = 32;
const MOST_RATIO: f64 = 4.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let core = *place::cores()?.last().context("no core")?;
    let rounds = run.of(20).max(3);
    let formats = formats()?;
    run.case(
        "formats",
        rounds * formats.len() * (ATTACKS.len() + REFUSED.len() + 2),
    );
    // Only a thread of its own is pinned: others of the bench inherit from this one.
    std::thread::scope(|scope| {
        let all = scope.spawn(|| -> Result<Vec<Row>> {
            place::pin(core)?;
            let mut rows = Vec::new();
            for (name, format, has_legs) in &formats {
                let of = (*name, format, *has_legs);
                rows.push(worst(run, of, (&ATTACKS, false), rounds, core)?);
                rows.push(worst(run, of, (&REFUSED, true), rounds, core)?);
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
    (attacks, are_refused): (&[Attack], bool),
    rounds: usize,
    core: usize,
) -> Result<Row> {
    let good = sent(format)?;
    let mut like = good.clone();
    let refused = like.iter_mut().filter(|_| are_refused);
    refused.for_each(|(_, packet)| refuse(format, packet));
    let mut clean = Samples::new();
    let mut cases: Vec<_> = attacks.iter().map(|it| (it, Samples::new())).collect();
    for round in 0..rounds {
        let leg = match has_legs {
            true => Leg::BOTH[round % 2],
            false => Leg::First,
        };
        let alone = turn(
            (format, has_legs),
            &wire((&good, &like), leg, has_legs, None),
        )?;
        clean.push(alone.taken_ns / alone.packets);
        run.step();
        for (attack, samples) in &mut cases {
            let wire = wire((&good, &like), leg, has_legs, Some(attack));
            let taken = turn((format, has_legs), &wire)?;
            // What they cost the packets of the stream is their cost, too.
            let more_ns = (taken.taken_ns - alone.taken_ns).max(0.0);
            samples.push(more_ns / (taken.packets - alone.packets));
            run.step();
        }
    }
    let median = |it: &Samples| it.ranks().median();
    let worst = cases
        .into_iter()
        .max_by(|a, b| median(&a.1).total_cmp(&median(&b.1)));
    let (attack, samples) = worst.context("no attack")?;
    let which = if are_refused {
        "worst refused"
    } else {
        "worst"
    };
    let row = Row::of("P33", format!("the {which} packet, {name}"), "ns", &samples);
    let row = row.beside("a packet of the stream alone", &samples, &clean);
    let row = row.pinned(format!("core {core}")).note(attack.name);
    Ok(row.target("≤ 4 × a packet of the stream alone", |it| {
        it.ratio_at_most(MOST_RATIO)
    }))
}

/// The packets of some units, with their times.
fn sent(format: &Format) -> Result<Vec<SentPacket>> {
    let (mut all, mut slot) = (Vec::new(), 1_000);
    while all.len() < PACKETS {
        let sequence = u32::try_from(all.len())?;
        all.extend(format.test_stream((TYPE, 1), sequence, slot..slot + 1)?);
        slot += 1;
    }
    Ok(all)
}

/// What comes, in its order, in one piece of memory as a NIC's ring has it.
#[derive(Default)]
struct Wire {
    bytes: Vec<u8>,
    /// Where each packet lies.
    packets: Vec<std::ops::Range<usize>>,
    /// Packets up to the end of each burst, its leg, and when it came.
    bursts: Vec<(usize, Leg, u64)>,
}

impl Wire {
    fn add(&mut self, packet: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(packet);
        self.packets.push(at..self.bytes.len());
        // A packet begins with a cache line.
        self.bytes.resize(self.bytes.len().next_multiple_of(64), 0);
    }

    fn end_bursts(&mut self, leg: Leg, now_ns: u64) {
        let before = self.bursts.last().map_or(0, |it| it.0);
        let ends = (before + BURST..self.packets.len()).step_by(BURST);
        let ends = ends.chain([self.packets.len()]);
        self.bursts.extend(ends.map(|it| (it, leg, now_ns)));
    }
}

/// The stream on its legs, and on `leg` the forger's packets after each of the stream.
fn wire(
    (good, like): (&[SentPacket], &[SentPacket]),
    leg: Leg,
    has_legs: bool,
    attack: Option<&Attack>,
) -> Wire {
    let (mut wire, mut sent) = (Wire::default(), 0);
    for (turn, like) in good.chunks(BURST).zip(like.chunks(BURST)) {
        let now_ns = turn.last().map_or(0, |it| it.0);
        for of in Leg::BOTH.into_iter().take(1 + usize::from(has_legs)) {
            for ((_, packet), (_, like)) in turn.iter().zip(like) {
                wire.add(packet);
                let attack = attack.filter(|_| of == leg);
                for attack in attack.iter().flat_map(|it| vec![it; it.times as usize]) {
                    wire.add(&forged(like, attack, sent));
                    sent += 1;
                }
            }
            wire.end_bursts(of, now_ns);
        }
    }
    wire
}

/// Makes a packet one that no session of the format takes.
fn refuse(format: &Format, packet: &mut Vec<u8>) {
    match format {
        Format::Video(_) => packet[16] |= 0x80,
        Format::JpegXs(_) => packet[12] ^= 0x40,
        Format::Audio(_) => packet.push(1),
        Format::Ancillary(_) => packet[17] |= 0x40,
    }
}

/// A packet of the forger, which sent so many before.
fn forged(like: &[u8], attack: &Attack, sent: u32) -> Vec<u8> {
    let mut packet = like.to_vec();
    packet.truncate(attack.bytes.0);
    if attack.bytes.1 {
        let chosen = sent.wrapping_mul(0x9e37_79b9).to_be_bytes();
        packet[14..16].copy_from_slice(&chosen[..2]);
    }
    if let Ok((mut rtp, _)) = RtpHeader::parse_start(like) {
        let more =
            |[first, step]: [u32; 2]| first.wrapping_add(step.wrapping_mul(sent % attack.cycle));
        let [.., high, low] = more(attack.numbers).to_be_bytes();
        rtp.sequence = rtp.sequence.wrapping_add(u16::from_be_bytes([high, low]));
        rtp.timestamp = rtp.timestamp.wrapping_add(more(attack.ticks));
        packet[..12].copy_from_slice(&rtp.to_bytes());
    }
    packet
}

/// What a receiver took for the second half of what comes: in the first, memory is used for the first time.
#[derive(Clone, Copy)]
struct Turn {
    /// Time of the core.
    taken_ns: f64,
    packets: f64,
}

fn turn((format, has_legs): (&Format, bool), wire: &Wire) -> Result<Turn> {
    let mut receiver: Depacketiser<usize> = format.depacketiser(TYPE, TIMEOUT_NS);
    let mut units = Units::new(format.unit_bytes());
    let mut merge = has_legs.then(|| {
        Merge::new(&MergeConfig {
            payload_types: TYPE.into(),
            clock_hz: format.clock_hz(),
            bytes_per_second: format.bytes_per_second(),
            period_ns: format.period_ns(1),
            packets_a_second: format.packets_a_second(),
            packet_bytes: PACKET_BYTES,
            class: Class::C,
            silence_ns: TIMEOUT_NS,
        })
    });
    let (mut begin, mut first, mut start) = (0, 0, 0);
    for (end, leg, now_ns) in &wire.bursts {
        if begin == 0 && start >= wire.packets.len() / 2 {
            (begin, first) = (core_ns(), start);
        }
        let places = wire.packets[start..*end].iter();
        let packets: Vec<&[u8]> = places.map(|it| &wire.bytes[it.clone()]).collect();
        let mut take = Receiving {
            receiver: &mut receiver,
            sink: &mut units,
            now_ns: *now_ns,
        };
        match &mut merge {
            None => take.pass(black_box(&packets)),
            Some(merge) => {
                merge.push(*leg, black_box(&packets), *now_ns, &mut take);
                merge.expire(*now_ns, &mut take);
            }
        }
        receiver.expire(*now_ns, &mut units);
        start = *end;
    }
    let taken = core_ns() - begin;
    receiver.close(&mut units);
    ensure!(units.finished > 0, "no unit ended");
    Ok(Turn {
        taken_ns: float(taken),
        packets: float((wire.packets.len() - first) as u64),
    })
}

/// What this thread has used of its core, in nanoseconds.
fn core_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |it: i64| u64::try_from(it).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
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
