//! P17: a frame's pixel groups in a pixel format of an application, and back, beside memcpy.
//!
//! A conversion reads a frame in one layout and writes it in another; the memcpy beside it reads and
//! writes as many bytes together, so half as many each. Both read frames in turn that together are
//! larger than the caches, as a client's frames come from memory, and write the same buffer again.

mod converted;

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result};
use onair_essence::video::{Depth, Sampling};
use onair_pixels::{Picture, PixelFormat, pack, unpack};

use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::run::Run;

const TARGET_RATIO: f64 = 0.5;
/// More than the caches of a core's share of the machine.
const COLD_BYTES: usize = 96 << 20;
const WIDTH: u32 = 1920;
const HEIGHT: u32 = 1080;
const FRAMES: usize = 400;

type Layout = (PixelFormat, Sampling, Depth);

/// 4:2:2 as most equipment has it.
const LAYOUTS: [Layout; 3] = [
    (PixelFormat::Yuv422p10, Sampling::YCbCr422, Depth::Ten),
    (PixelFormat::V210, Sampling::YCbCr422, Depth::Ten),
    (PixelFormat::Uyvy, Sampling::YCbCr422, Depth::Eight),
];

#[derive(Clone, Copy)]
enum Way {
    Unpack,
    Pack,
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let core = *place::cores()?.last().context("no core")?;
    // Only a thread of its own is pinned: others of the bench inherit from this one.
    let measured = std::thread::scope(|scope| {
        let all = scope.spawn(|| -> Result<Vec<Row>> {
            place::pin(core)?;
            let mut rows = Vec::new();
            run.case("layouts", LAYOUTS.len() * 2);
            for layout in LAYOUTS {
                for way in [Way::Unpack, Way::Pack] {
                    rows.push(one(run, layout, way, core)?);
                    run.step();
                }
            }
            Ok(rows)
        });
        all.join().expect("the measuring thread does not panic")
    });
    let mut rows = measured?;
    rows.push(converted::measure(run)?);
    Ok(rows)
}

/// As many buffers as are larger than the caches, each with bytes of its own.
fn cold(bytes: usize) -> Vec<Vec<u8>> {
    let buffers = COLD_BYTES.div_ceil(bytes) + 1;
    let buffer = |seed: usize| (0..bytes).map(move |at| (at * 37 + seed).to_le_bytes()[0]);
    (0..buffers).map(|seed| buffer(seed).collect()).collect()
}

fn one(run: &Run, (format, sampling, depth): Layout, way: Way, core: usize) -> Result<Row> {
    let picture =
        Picture::new(WIDTH, HEIGHT, sampling, depth).context("a raster of whole pixel groups")?;
    let (packed, unpacked) = (picture.bytes(), format.planes(&picture).bytes);
    let (read, written) = match way {
        Way::Unpack => (packed, unpacked),
        Way::Pack => (unpacked, packed),
    };
    let (sources, mut to) = (cold(read), vec![1; written]);
    let half = (read + written) / 2;
    let (originals, mut copy) = (cold(half), vec![1; half]);

    let traffic = float((read + written) as u64);
    let (mut ours, mut memcpy) = (Samples::new(), Samples::new());
    for turn in 0..=run.of(FRAMES) {
        let source = black_box(&sources[turn % sources.len()]);
        let begin = Instant::now();
        match way {
            Way::Unpack => unpack(&picture, source, format, &mut to)?,
            Way::Pack => pack(&picture, format, source, &mut to)?,
        }
        let taken = begin.elapsed();
        black_box(&mut to);

        let original = black_box(&originals[turn % originals.len()]);
        let begin = Instant::now();
        copy.copy_from_slice(original);
        let copied = begin.elapsed();
        black_box(&mut copy);
        // The first turn warms up.
        if turn > 0 {
            ours.push(traffic / taken.as_secs_f64() / 1e9);
            memcpy.push(traffic / copied.as_secs_f64() / 1e9);
        }
    }
    let lines = format!("{HEIGHT}p {} bit", depth.bits());
    let variant = match way {
        Way::Unpack => format!("{lines}: pgroups → {format}"),
        Way::Pack => format!("{lines}: {format} → pgroups"),
    };
    Ok(Row::of("P17", variant, "GB/s read and written", &ours)
        .beside("memcpy, as many bytes read and written", &ours, &memcpy)
        .pinned(format!("core {core}"))
        .target("≥ 50 % of memcpy", |row| row.ratio_at_least(TARGET_RATIO)))
}
