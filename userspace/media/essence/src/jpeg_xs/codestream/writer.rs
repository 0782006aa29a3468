//! The headers of a unit that is made here.

use super::boxes::{BOX_BYTES, COLOUR, PROFILE_LEVEL, VIDEO_INFORMATION, VIDEO_SUPPORT};
use super::header::PICTURE_BYTES;
use super::names::{level_number, profile_number, sublevel_number};
use super::{CAPABILITIES, COMPONENTS, PICTURE, SLICE, START, Structure, WEIGHTS};
use crate::jpeg_xs::JpegXsStream;
use crate::video::Field;

/// The end of a codestream.
pub(crate) const END: [u8; 2] = [0xff, 0x11];
/// Decompositions of each component: horizontal and vertical.
const DECOMPOSITIONS: (u32, u32) = (5, 2);
/// Precincts of a slice, one below the other: 16 lines together.
const SLICE_PRECINCTS: u16 = 4;

/// A box.
fn in_box(kind: [u8; 4], contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(BOX_BYTES + contents.len()).expect("a few bytes");
    [&length.to_be_bytes()[..], &kind, contents].concat()
}

/// A segment.
fn segment(marker: u16, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(2 + contents.len()).expect("a few bytes");
    [&marker.to_be_bytes()[..], &length.to_be_bytes(), contents].concat()
}

/// The header of slice `number`.
pub(crate) fn slice_header(number: u16) -> Vec<u8> {
    segment(SLICE, &number.to_be_bytes())
}

/// Lines of a slice.
const fn slice_lines() -> u32 {
    SLICE_PRECINCTS as u32 * (1 << DECOMPOSITIONS.1)
}

/// Weights of each band: gain and priority.
fn weights(structure: Structure) -> Vec<u8> {
    let bands = structure.steps().iter().map(|(_, lines)| {
        let (across, down) = (DECOMPOSITIONS.0, DECOMPOSITIONS.1 - lines.ilog2());
        2 * across.min(down) + across.max(down) + 1
    });
    let all = (0..bands.sum::<u32>()).flat_map(|band| [0, band.to_le_bytes()[0]]);
    all.collect()
}

/// A written codestream.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// The boxes, and the codestream up to its first slice.
    pub(crate) bytes: Vec<u8>,
    /// Slices that have to follow.
    pub(crate) slices: u32,
}

/// The headers of a unit of this field, in a stream whose units have so many bytes. `None`: the raster is above 65535.
pub(crate) fn write(stream: &JpegXsStream, field: Option<Field>) -> Option<Written> {
    let structure = Structure::of(stream.sampling);
    let (width, lines) = (stream.width, stream.lines(field));
    let [profile, level] = profile_level(stream);
    let boxes = boxes_of(stream);

    let codestream = stream.bytes.checked_sub(u32::try_from(boxes.len()).ok()?)?;
    let mut picture = Vec::with_capacity(PICTURE_BYTES);
    picture.extend(codestream.to_be_bytes());
    picture.extend([profile, level].as_flattened());
    for number in [width, lines] {
        picture.extend(u16::try_from(number).ok()?.to_be_bytes());
    }
    // Precincts as wide as the picture.
    picture.extend([0, 0]);
    picture.extend(SLICE_PRECINCTS.to_be_bytes());
    let components = structure.steps();
    let count = u8::try_from(components.len()).ok()?;
    // Groups of 4 coefficients, of 8 groups; 20 bits, 8 of them fractional, 4 for a count.
    picture.extend([count, 4, 8, 20, 8 << 4 | 4]);
    let decompositions = DECOMPOSITIONS.0 << 4 | DECOMPOSITIONS.1;
    // Colours and slices as usual; uniform quantiser.
    picture.extend([0, decompositions.to_le_bytes()[0], 1 << 4]);

    let depth = stream.depth.bits();
    let table = components.iter();
    let table: Vec<_> = table.flat_map(|(x, y)| [depth, x << 4 | y]).collect();
    let bytes = [
        boxes,
        START.to_be_bytes().to_vec(),
        segment(CAPABILITIES, &[]),
        segment(PICTURE, &picture),
        segment(COMPONENTS, &table),
        segment(WEIGHTS, &weights(structure)),
    ];
    Some(Written {
        bytes: bytes.concat(),
        slices: lines.div_ceil(slice_lines()),
    })
}

/// `Ppih` and `Plev`.
fn profile_level(stream: &JpegXsStream) -> [[u8; 2]; 2] {
    let profile = stream.profile.as_deref().and_then(profile_number);
    let level = stream.level.as_deref().and_then(level_number);
    let sublevel = stream.sublevel.as_deref().and_then(sublevel_number);
    let level = level.unwrap_or(0) << 8 | sublevel.unwrap_or(0);
    [profile.unwrap_or(0), level].map(u16::to_be_bytes)
}

/// The boxes that precede each codestream of a stream.
#[must_use]
pub fn boxes_of(stream: &JpegXsStream) -> Vec<u8> {
    let (structure, profile_level) = (Structure::of(stream.sampling), profile_level(stream));
    let rate = stream.rate;
    // The scan, and the code of the denominator.
    let scan = u8::from(stream.interlaced) << 6;
    // It says whole numbers over 1 or 1.001: the nearest one.
    let of = |code: u8, thousandths: u64| {
        let millionths =
            u64::from(rate.numerator()) * thousandths * 1_000 / u64::from(rate.denominator());
        let frames = (millionths + 500_000) / 1_000_000;
        (millionths.abs_diff(frames * 1_000_000), code, frames)
    };
    let (_, code, frames) = of(1, 1_000).min(of(2, 1_001));
    let [.., a, b] = frames.to_be_bytes();
    let megabits = stream.bandwidth_kbps().div_ceil(1000);
    let megabits = u32::try_from(megabits).unwrap_or(u32::MAX);
    let mut information = megabits.to_be_bytes().to_vec();
    information.extend([scan | code, 0, a, b]);
    let depth = stream.depth.bits() - 1;
    let samples = structure.number().map(|it| [0x80, depth << 4 | it]);
    information.extend(samples.unwrap_or_default());
    // No time code.
    information.extend([0; 4]);
    let support = [
        in_box(VIDEO_INFORMATION, &information),
        in_box(PROFILE_LEVEL, profile_level.as_flattened()),
    ];
    // Enumerated, and none of them specified; narrow range.
    let colour = [5, 0, 0, 0, 2, 0, 2, 0, 2, 0];
    [
        in_box(VIDEO_SUPPORT, &support.concat()),
        in_box(COLOUR, &colour),
    ]
    .concat()
}
