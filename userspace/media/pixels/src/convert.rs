//! Between pixel groups and pixel formats.

use crate::picture::{Lines, Picture, Rows};
use crate::pixel_format::{Arrangement, PixelFormat, Plane};
use crate::row::Row;
use crate::simd::{self, Simd};

/// Why nothing was converted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The pixel format has other components or another depth.
    #[error("{format} cannot represent {sampling} of {depth} bits: give one of {offered}")]
    Format {
        /// The pixel format.
        format: PixelFormat,
        /// The picture's components.
        sampling: onair_essence::video::Sampling,
        /// The picture's depth.
        depth: onair_essence::video::Depth,
        /// Pixel formats that can represent it, by FFmpeg's names; `none` if there are none.
        offered: String,
    },
    /// The buffer is of a converted session, in another layout.
    #[error(
        "the buffer is in {layout} already, not in {wanted}: give {layout}, or attach to the session's source"
    )]
    Converted {
        /// Layout of the buffer.
        layout: PixelFormat,
        /// The pixel format that was asked for.
        wanted: PixelFormat,
    },
    /// The session carries something else.
    #[error("the session has no pictures")]
    NoPicture,
    /// A buffer is too small.
    #[error("{what}: {have} bytes, but the picture needs {need}")]
    Bytes {
        /// Which buffer.
        what: &'static str,
        /// Its bytes.
        have: usize,
        /// Bytes of the picture.
        need: usize,
    },
}

impl ConvertError {
    /// `format` cannot represent the picture.
    pub(crate) fn format(picture: &Picture, format: PixelFormat) -> Self {
        let offered: Vec<_> = PixelFormat::of(picture).map(PixelFormat::ffmpeg).collect();
        Self::Format {
            format,
            sampling: picture.sampling,
            depth: picture.depth,
            offered: match &offered[..] {
                [] => "none".to_owned(),
                offered => offered.join(", "),
            },
        }
    }
}

fn check(
    picture: &Picture,
    rows: Rows,
    format: PixelFormat,
    pgroups: usize,
    pixels: usize,
) -> Result<(), ConvertError> {
    if !format.holds(picture) {
        return Err(ConvertError::format(picture, format));
    }
    for (what, have, need) in [
        ("pixel groups", pgroups, rows.bytes(picture)),
        ("pixels", pixels, format.planes(picture).bytes),
    ] {
        if have < need {
            return Err(ConvertError::Bytes { what, have, need });
        }
    }
    Ok(())
}

/// Writes the picture whose pixel groups are `pgroups` to `pixels`, in the planes of
/// [`PixelFormat::planes`]. Padding at the end of lines becomes 0.
///
/// # Errors
/// [`ConvertError`]: the format cannot represent the picture, or a buffer is too small.
pub fn unpack(
    picture: &Picture,
    pgroups: &[u8],
    format: PixelFormat,
    pixels: &mut [u8],
) -> Result<(), ConvertError> {
    unpack_lines(picture, Lines::All, pgroups, format, pixels)
}

/// As [`unpack`], of a buffer that has only these lines of the frame `picture`: `pixels` are the whole
/// frame, and its other lines stay as they are.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_lines(
    picture: &Picture,
    lines: Lines,
    pgroups: &[u8],
    format: PixelFormat,
    pixels: &mut [u8],
) -> Result<(), ConvertError> {
    let rows = Rows::all(picture, lines);
    unpack_with(Simd::widest(), (picture, rows), pgroups, format, pixels)
}

/// As [`unpack_lines`], of the rows of the buffer from `first` on that are whole in `pgroups`: a row is a line, or with
/// 4:2:0 two lines. What other rows have in `pixels` stays as it is.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_rows(
    picture: &Picture,
    (lines, first): (Lines, usize),
    pgroups: &[u8],
    format: PixelFormat,
    pixels: &mut [u8],
) -> Result<(), ConvertError> {
    let rows = Rows::within(picture, (lines, first), pgroups.len());
    unpack_with(Simd::widest(), (picture, rows), pgroups, format, pixels)
}

/// [`unpack_lines`]; `None`: without vector instructions, which is the reference for them.
pub(crate) fn unpack_with(
    simd: Option<Simd>,
    (picture, rows): (&Picture, Rows),
    pgroups: &[u8],
    format: PixelFormat,
    pixels: &mut [u8],
) -> Result<(), ConvertError> {
    check(picture, rows, format, pgroups.len(), pixels.len())?;
    let planes = format.planes(picture);
    let pgroups = &pgroups[..rows.bytes(picture)];
    let pixels = &mut pixels[..planes.bytes];
    let from = pgroups.chunks_exact(picture.row_bytes());
    if is_same(format) && rows.are_frame(picture) {
        pixels.copy_from_slice(pgroups);
        return Ok(());
    }
    if is_same(format) {
        let out = rows.lines.of_mut(pixels, planes.all()[0].stride);
        out.skip(rows.first)
            .zip(from)
            .for_each(|(line, row)| line.copy_from_slice(row));
        return Ok(());
    }
    if simd.is_some_and(|simd| simd::unpack(simd, (picture, rows), pgroups, format, pixels)) {
        return Ok(());
    }
    let mut row = Row::new(picture);
    for (at, pgroups) in from.enumerate() {
        row.read(picture, pgroups);
        put(&row, format, rows.row(at), planes.all(), pixels);
    }
    Ok(())
}

/// Writes the picture in `pixels`, which are in the planes of [`PixelFormat::planes`], as pixel groups.
/// Bits of a sample above the picture's depth are dropped.
///
/// # Errors
/// [`ConvertError`]: the format cannot represent the picture, or a buffer is too small.
pub fn pack(
    picture: &Picture,
    format: PixelFormat,
    pixels: &[u8],
    pgroups: &mut [u8],
) -> Result<(), ConvertError> {
    pack_lines(picture, Lines::All, format, pixels, pgroups)
}

/// As [`pack`], to a buffer that has only these lines of the frame `picture`, whose pixels are `pixels`.
///
/// # Errors
/// As [`pack`].
pub fn pack_lines(
    picture: &Picture,
    lines: Lines,
    format: PixelFormat,
    pixels: &[u8],
    pgroups: &mut [u8],
) -> Result<(), ConvertError> {
    let rows = Rows::all(picture, lines);
    pack_with(Simd::widest(), (picture, rows), format, pixels, pgroups)
}

/// [`pack_lines`]; `None`: without vector instructions, which is the reference for them.
pub(crate) fn pack_with(
    simd: Option<Simd>,
    (picture, rows): (&Picture, Rows),
    format: PixelFormat,
    pixels: &[u8],
    pgroups: &mut [u8],
) -> Result<(), ConvertError> {
    check(picture, rows, format, pgroups.len(), pixels.len())?;
    let planes = format.planes(picture);
    let pixels = &pixels[..planes.bytes];
    let pgroups = &mut pgroups[..rows.bytes(picture)];
    if is_same(format) && rows.are_frame(picture) {
        pgroups.copy_from_slice(pixels);
        return Ok(());
    }
    if is_same(format) {
        let to = pgroups.chunks_exact_mut(picture.row_bytes());
        let from = rows.lines.of(pixels, planes.all()[0].stride);
        to.zip(from.skip(rows.first))
            .for_each(|(row, line)| row.copy_from_slice(line));
        return Ok(());
    }
    if simd.is_some_and(|simd| simd::pack(simd, (picture, rows), format, pixels, pgroups)) {
        return Ok(());
    }
    let mut row = Row::new(picture);
    let to = pgroups.chunks_exact_mut(picture.row_bytes());
    for (at, pgroups) in to.enumerate() {
        take(&mut row, format, rows.row(at), planes.all(), pixels);
        row.write(picture, pgroups);
    }
    Ok(())
}

/// Whether the format has the bytes of the pixel groups.
const fn is_same(format: PixelFormat) -> bool {
    matches!(
        format,
        PixelFormat::Uyvy | PixelFormat::Rgb24 | PixelFormat::Gray
    )
}

/// The line `at` of a plane.
fn line(plane: &Plane, at: usize) -> std::ops::Range<usize> {
    let start = plane.offset + at * plane.stride;
    start..start + plane.stride
}

/// Components of each plane, in the order of the planes.
fn components(row: &Row, format: PixelFormat) -> [&[u16]; 3] {
    match format.arrangement() {
        Arrangement::PlanarGbr => [&row.second, &row.third, &row.first],
        _ => [&row.first, &row.second, &row.third],
    }
}

fn put(row: &Row, format: PixelFormat, at: usize, planes: &[Plane], pixels: &mut [u8]) {
    let out = |pixels: &mut [u8], samples: &[u16], place| match format.sample_bytes() {
        1 => put_bytes(samples, &mut pixels[place]),
        _ => put_words(samples, &mut pixels[place]),
    };
    let packed = line(&planes[0], at);
    match format.arrangement() {
        Arrangement::Planar | Arrangement::PlanarGbr => {
            let lines = 1 + usize::from(!row.lower.is_empty());
            let [first, others @ ..] = components(row, format);
            out(pixels, first, line(&planes[0], at * lines));
            if lines == 2 {
                out(pixels, &row.lower, line(&planes[0], at * lines + 1));
            }
            for (plane, samples) in planes[1..].iter().zip(others) {
                out(pixels, samples, line(plane, at));
            }
        }
        Arrangement::Yuyv16 => {
            let groups = pixels[packed].chunks_exact_mut(8);
            for (group, [cb, y0, cr, y1]) in groups.zip(halves(row)) {
                put_words(&[y0, cb, y1, cr].map(|it| it << 6), group);
            }
        }
        Arrangement::V210 => {
            let mut words = pixels[packed].chunks_exact_mut(4);
            let mut word = |samples: &[u16]| {
                let [a, b, c] =
                    [0, 1, 2].map(|at| u32::from(samples.get(at).copied().unwrap_or(0)));
                if let Some(place) = words.next() {
                    place.copy_from_slice(&(a | b << 10 | c << 20).to_le_bytes());
                }
            };
            let mut three = [0; 3];
            let mut held = 0;
            for sample in halves(row).flatten() {
                three[held] = sample;
                held += 1;
                if held == 3 {
                    word(&three);
                    held = 0;
                }
            }
            word(&three[..held]);
            words.for_each(|place| place.fill(0));
        }
        Arrangement::Rgba => {
            let groups = pixels[packed].chunks_exact_mut(4);
            let colours = row.first.iter().zip(&row.second).zip(&row.third);
            for (group, ((red, green), blue)) in groups.zip(colours) {
                put_bytes(&[*red, *green, *blue, 255], group);
            }
        }
        // The bytes of the pixel groups themselves.
        Arrangement::Uyvy | Arrangement::Rgb => {}
    }
}

fn take(row: &mut Row, format: PixelFormat, at: usize, planes: &[Plane], pixels: &[u8]) {
    let size = format.sample_bytes();
    let read = |place: std::ops::Range<usize>, samples: &mut [u16]| {
        for (sample, bytes) in samples.iter_mut().zip(pixels[place].chunks_exact(size)) {
            *sample = match bytes {
                [low, high] => u16::from_le_bytes([*low, *high]),
                bytes => bytes[0].into(),
            };
        }
    };
    let packed = line(&planes[0], at);
    match format.arrangement() {
        Arrangement::Planar => {
            let lines = 1 + usize::from(!row.lower.is_empty());
            read(line(&planes[0], at * lines), &mut row.first);
            if lines == 2 {
                read(line(&planes[0], at * lines + 1), &mut row.lower);
            }
            for (plane, samples) in planes[1..].iter().zip([&mut row.second, &mut row.third]) {
                read(line(plane, at), samples);
            }
        }
        Arrangement::PlanarGbr => {
            let all = [&mut row.second, &mut row.third, &mut row.first];
            for (plane, samples) in planes.iter().zip(all) {
                read(line(plane, at), samples);
            }
        }
        Arrangement::Yuyv16 => {
            let words = pixels[packed].chunks_exact(8).map(|group| {
                let word = |at: usize| u16::from_le_bytes([group[at], group[at + 1]]) >> 6;
                [word(2), word(0), word(6), word(4)]
            });
            put_halves(row, words.flatten());
        }
        Arrangement::V210 => {
            let words = pixels[packed].chunks_exact(4).flat_map(|it| {
                let word = u32::from_le_bytes([it[0], it[1], it[2], it[3]]);
                [0, 10, 20].map(|shift| (word >> shift & 0x3ff) as u16)
            });
            put_halves(row, words);
        }
        Arrangement::Rgba => {
            let colours = row
                .first
                .iter_mut()
                .zip(&mut row.second)
                .zip(&mut row.third);
            for (group, ((red, green), blue)) in pixels[packed].chunks_exact(4).zip(colours) {
                (*red, *green, *blue) = (group[0].into(), group[1].into(), group[2].into());
            }
        }
        Arrangement::Uyvy | Arrangement::Rgb => {}
    }
}

/// Cb, Y0, Cr, Y1 of each two pixels.
fn halves(row: &Row) -> impl Iterator<Item = [u16; 4]> {
    let chroma = row.second.iter().zip(&row.third);
    let all = row.first.chunks_exact(2).zip(chroma);
    all.map(|(luma, (blue, red))| [*blue, luma[0], *red, luma[1]])
}

fn put_halves(row: &mut Row, mut samples: impl Iterator<Item = u16>) {
    let chroma = row.second.iter_mut().zip(&mut row.third);
    for (luma, (blue, red)) in row.first.chunks_exact_mut(2).zip(chroma) {
        for place in [blue, &mut luma[0], red] {
            *place = samples.next().unwrap_or(0);
        }
        luma[1] = samples.next().unwrap_or(0);
    }
}

#[inline]
fn put_bytes(samples: &[u16], bytes: &mut [u8]) {
    for (byte, sample) in bytes.iter_mut().zip(samples) {
        *byte = (*sample & 0xff) as u8;
    }
}

#[inline]
fn put_words(samples: &[u16], bytes: &mut [u8]) {
    for (word, sample) in bytes.chunks_exact_mut(2).zip(samples) {
        word.copy_from_slice(&sample.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::{Depth, Sampling};
    use proptest::prelude::*;

    fn any_picture() -> impl Strategy<Value = (Picture, Vec<u8>)> {
        let samplings = prop::sample::select(Sampling::ALL);
        let depths = prop::sample::select(Depth::ALL);
        (samplings, depths, 1u32..60, 1u32..6)
            .prop_filter_map("no such picture", |(sampling, depth, width, lines)| {
                Picture::new(width, lines, sampling, depth)
            })
            .prop_flat_map(|picture| {
                let bytes = prop::collection::vec(any::<u8>(), picture.bytes());
                (Just(picture), bytes)
            })
    }

    proptest! {
        #[test]
        fn picture_unpacked_and_packed_then_every_sample_is_the_same((picture, pgroups) in any_picture()) {
            // Padding after the last pixel is not kept.
            let mut whole = vec![0; pgroups.len()];
            let mut row = Row::new(&picture);
            let bytes = picture.row_bytes();
            for (from, to) in pgroups.chunks_exact(bytes).zip(whole.chunks_exact_mut(bytes)) {
                row.read(&picture, from);
                row.write(&picture, to);
            }
            for format in PixelFormat::ALL {
                let mut pixels = vec![7; format.planes(&picture).bytes];
                let mut back = vec![9; picture.bytes()];
                let done = unpack(&picture, &pgroups, *format, &mut pixels);
                prop_assert_eq!(done.is_ok(), format.holds(&picture));
                if done.is_ok() {
                    pack(&picture, *format, &pixels, &mut back).unwrap();
                    if is_same(*format) {
                        prop_assert_eq!(&back, &pgroups);
                    } else {
                        prop_assert_eq!(&back, &whole, "{}", format);
                    }
                }
            }
        }
    }

    #[test]
    fn buffers_that_are_too_small_then_refused_and_unchanged() {
        let picture = Picture::new(6, 2, Sampling::YCbCr422, Depth::Ten).unwrap();
        let format = PixelFormat::V210;
        let (mut pixels, mut pgroups) = (vec![1; 255], vec![1; 30]);
        let error = unpack(&picture, &pgroups, format, &mut pixels).unwrap_err();
        assert_eq!(
            error.to_string(),
            "pixels: 255 bytes, but the picture needs 256"
        );
        assert!(pack(&picture, format, &[0; 256], &mut pgroups[..29]).is_err());
        assert!(unpack(&picture, &pgroups[..29], format, &mut [0; 256]).is_err());
        let error = unpack(&picture, &pgroups, PixelFormat::Rgba, &mut pixels).unwrap_err();
        assert_eq!(
            error.to_string(),
            "rgba cannot represent YCbCr-4:2:2 of 10 bits: give one of yuv422p10le, v210, y210le"
        );
        assert!(pixels.iter().chain(&pgroups).all(|it| *it == 1));
    }

    #[test]
    fn names_of_both_then_parsed() {
        for format in PixelFormat::ALL {
            assert_eq!(format.ffmpeg().parse(), Ok(*format));
            if let Some(name) = format.gstreamer() {
                assert_eq!(name.parse(), Ok(*format));
            }
        }
        assert!("yuv411p".parse::<PixelFormat>().is_err());
    }
}
