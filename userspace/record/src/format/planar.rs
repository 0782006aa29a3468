//! Frames in files: one plane for each component, from the pgroups of RFC 4175.

use onair_media::video::{Chroma, Depth, Sampling, VideoFormat};
use onair_types::Scan;

/// FFmpeg's name of the pixel format; `None` if frames of the format are not written.
pub(crate) fn pixel_format(format: &VideoFormat) -> Option<String> {
    if format.depth().is_float() || format.scan() == Scan::Interlaced {
        return None;
    }
    let planes = match (format.sampling(), format.sampling().chroma()) {
        (Sampling::Xyz, _) => return None,
        (Sampling::Rgb, _) => "gbrp",
        (_, Chroma::Full) => "yuv444p",
        (_, Chroma::Half) => "yuv422p",
        (_, Chroma::Quarter) => "yuv420p",
        (_, Chroma::None) => "gray",
    };
    Some(match format.depth().bits() {
        8 => planes.to_owned(),
        bits => format!("{planes}{bits}le"),
    })
}

/// Tag of the pixel format in YUV4MPEG2; `None` if it has none.
pub(crate) fn y4m_tag(format: &VideoFormat) -> Option<String> {
    pixel_format(format)?;
    let bits = format.depth().bits();
    let ratio = match format.sampling() {
        Sampling::YCbCr444 => "444",
        Sampling::YCbCr422 => "422",
        Sampling::YCbCr420 => "420",
        Sampling::Key if bits == 8 => return Some("Cmono".to_owned()),
        Sampling::Key => return Some(format!("Cmono{bits}")),
        _ => return None,
    };
    Some(match (ratio, bits) {
        ("420", 8) => "C420mpeg2 XYSCSS=420MPEG2".to_owned(),
        (_, 8) => format!("C{ratio}"),
        _ => format!("C{ratio}p{bits} XYSCSS={ratio}P{bits}"),
    })
}

/// Bytes of a sample in the file.
const fn sample_bytes(depth: Depth) -> usize {
    if depth.bits() == 8 { 1 } else { 2 }
}

/// Samples of each plane in the file.
const fn planes(format: &VideoFormat) -> [usize; 3] {
    let all = format.width() as usize * format.height() as usize;
    match format.sampling().chroma() {
        Chroma::Full => [all, all, all],
        Chroma::Half => [all, all / 2, all / 2],
        Chroma::Quarter => [all, all / 4, all / 4],
        Chroma::None => [all, 0, 0],
    }
}

/// Bytes of a frame in the file.
pub(crate) const fn frame_bytes(format: &VideoFormat) -> usize {
    let [first, second, third] = planes(format);
    (first + second + third) * sample_bytes(format.depth())
}

/// Appends the planes of the frame `pgroups`: Y, Cb and Cr, or G, B and R.
pub(crate) fn write(format: &VideoFormat, pgroups: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + frame_bytes(format), 0);
    let whole = &mut out[start..];
    let [first, second, _] = planes(format).map(|it| it * sample_bytes(format.depth()));
    let (luma, others) = whole.split_at_mut(first);
    let (blue, red) = others.split_at_mut(second);
    match (format.sampling().chroma(), format.depth()) {
        (Chroma::Half, Depth::Eight) => write_eight(pgroups, luma, blue, red),
        (Chroma::Half, Depth::Ten) => write_ten(pgroups, luma, blue, red),
        _ => write_any(format, pgroups, [luma, blue, red]),
    }
}

fn write_eight(pgroups: &[u8], luma: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
    let places = luma.chunks_exact_mut(2).zip(blue).zip(red);
    for (pgroup, ((luma, blue), red)) in pgroups.chunks_exact(4).zip(places) {
        *blue = pgroup[0];
        *red = pgroup[2];
        luma.copy_from_slice(&[pgroup[1], pgroup[3]]);
    }
}

fn write_ten(pgroups: &[u8], luma: &mut [u8], blue: &mut [u8], red: &mut [u8]) {
    let colours = blue.chunks_exact_mut(2).zip(red.chunks_exact_mut(2));
    let places = luma.chunks_exact_mut(4).zip(colours);
    for (pgroup, (luma, (blue, red))) in pgroups.chunks_exact(5).zip(places) {
        let [cb, y0, cr, y1] = samples(pgroup);
        blue.copy_from_slice(&cb.to_le_bytes());
        red.copy_from_slice(&cr.to_le_bytes());
        luma[..2].copy_from_slice(&y0.to_le_bytes());
        luma[2..].copy_from_slice(&y1.to_le_bytes());
    }
}

/// Four samples of 10 bits, most significant bit first: Cb, Y0, Cr, Y1 (RFC 4175 §4.3).
fn samples(pgroup: &[u8]) -> [u16; 4] {
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| u16::from(pgroup[at]));
    [
        a << 2 | b >> 6,
        (b & 0x3f) << 4 | c >> 4,
        (c & 0x0f) << 6 | d >> 2,
        (d & 0x03) << 8 | e,
    ]
}

/// The samples of a pgroup, most significant bit first.
struct Bits {
    word: u128,
    left: usize,
    bits: usize,
}

impl Bits {
    fn new(pgroup: &[u8], depth: Depth) -> Self {
        let word = pgroup
            .iter()
            .fold(0, |word, byte| word << 8 | u128::from(*byte));
        Self {
            word,
            left: pgroup.len() * 8,
            bits: depth.bits().into(),
        }
    }
}

impl Iterator for Bits {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.left = self.left.checked_sub(self.bits)?;
        let [.., high, low] = (self.word >> self.left).to_be_bytes();
        let mask = u16::MAX >> (16 - self.bits);
        Some(u16::from_be_bytes([high, low]) & mask)
    }
}

/// Puts samples into planes.
struct Planes<'a> {
    planes: [&'a mut [u8]; 3],
    size: usize,
    /// Samples in a line of each plane. What lies beyond is padding of the last pgroup.
    widths: [usize; 3],
}

impl Planes<'_> {
    fn put(&mut self, plane: usize, line: usize, column: usize, sample: u16) {
        if column >= self.widths[plane] {
            return;
        }
        let at = (line * self.widths[plane] + column) * self.size;
        self.planes[plane][at..at + self.size].copy_from_slice(&sample.to_le_bytes()[..self.size]);
    }
}

fn write_any(format: &VideoFormat, pgroups: &[u8], planes: [&mut [u8]; 3]) {
    let width = format.width() as usize;
    let chroma = format.sampling().chroma();
    let subsampled = matches!(chroma, Chroma::Half | Chroma::Quarter);
    let half = if subsampled { width / 2 } else { width };
    let mut planes = Planes {
        planes,
        size: sample_bytes(format.depth()),
        widths: [width, half, half],
    };
    // Three planes in the order of the components in a pgroup: Cb Y Cr, or R G B.
    let order = match format.sampling() {
        Sampling::Rgb => [2, 0, 1],
        _ => [1, 0, 2],
    };
    let pixels = format.pgroup().pixels as usize;
    for (row, line) in pgroups.chunks_exact(format.line_bytes()).enumerate() {
        for (at, pgroup) in line.chunks_exact(format.pgroup_bytes()).enumerate() {
            let mut samples = Bits::new(pgroup, format.depth());
            let mut take = || samples.next().unwrap_or_default();
            let first = at * pixels;
            match chroma {
                Chroma::None => (first..first + pixels).for_each(|x| planes.put(0, row, x, take())),
                Chroma::Full => {
                    for x in first..first + pixels {
                        order.iter().for_each(|it| planes.put(*it, row, x, take()));
                    }
                }
                Chroma::Half => {
                    planes.put(1, row, first / 2, take());
                    planes.put(0, row, first, take());
                    planes.put(2, row, first / 2, take());
                    planes.put(0, row, first + 1, take());
                }
                Chroma::Quarter => {
                    for x in (first..first + pixels).step_by(2) {
                        for (line, x) in [(0, x), (0, x + 1), (1, x), (1, x + 1)] {
                            planes.put(0, 2 * row + line, x, take());
                        }
                        planes.put(1, row, x / 2, take());
                        planes.put(2, row, x / 2, take());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_media::video::FrameRate;
    use proptest::prelude::*;

    fn of(size: (u32, u32), samples: (Sampling, Depth), scan: Scan) -> Option<VideoFormat> {
        VideoFormat::of(size, samples, scan, FrameRate::new(25, 1).unwrap()).ok()
    }

    #[test]
    fn formats_in_files_then_named_as_ffmpeg_names_them_and_the_rest_refused() {
        let names = |sampling, depth, scan| {
            let format = of((16, 4), (sampling, depth), scan).unwrap();
            (pixel_format(&format), y4m_tag(&format))
        };
        let some = |pixels: &str, tag: &str| {
            let tag = (!tag.is_empty()).then(|| tag.to_owned());
            (Some(pixels.to_owned()), tag)
        };
        use Sampling::*;
        let whole = Scan::Progressive;
        for (sampling, depth, expected) in [
            (
                YCbCr422,
                Depth::Ten,
                some("yuv422p10le", "C422p10 XYSCSS=422P10"),
            ),
            (YCbCr422, Depth::Eight, some("yuv422p", "C422")),
            (
                YCbCr444,
                Depth::Sixteen,
                some("yuv444p16le", "C444p16 XYSCSS=444P16"),
            ),
            (
                YCbCr420,
                Depth::Eight,
                some("yuv420p", "C420mpeg2 XYSCSS=420MPEG2"),
            ),
            (ICtCp420, Depth::Twelve, some("yuv420p12le", "")),
            (Rgb, Depth::Ten, some("gbrp10le", "")),
            (Key, Depth::Twelve, some("gray12le", "Cmono12")),
            (Xyz, Depth::Twelve, (None, None)),
            (Rgb, Depth::SixteenFloat, (None, None)),
        ] {
            assert_eq!(names(sampling, depth, whole), expected);
        }
        assert_eq!(names(YCbCr422, Depth::Ten, Scan::Interlaced), (None, None));
        assert_eq!(names(Rgb, Depth::Eight, Scan::Psf), some("gbrp", ""));
    }

    proptest! {
        #[test]
        fn frame_any_samples_then_each_in_its_plane(
            half_width in 1u32..20, height in 1u32..8, ten: bool, seed: u64,
        ) {
            let depth = if ten { Depth::Ten } else { Depth::Eight };
            let rate = FrameRate::new(25, 1).unwrap();
            let format = VideoFormat::new(half_width * 2, height, depth, rate).unwrap();
            let mut dice = seed | 1;
            let mut roll = || {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                u16::try_from(dice % (1 << depth.bits())).unwrap()
            };
            let (mut luma, mut blue, mut red, mut packed) = (vec![], vec![], vec![], vec![]);
            for _ in 0..format.frame_pgroups() {
                let [cb, y0, cr, y1] = [roll(), roll(), roll(), roll()];
                luma.extend([y0, y1]);
                blue.push(cb);
                red.push(cr);
                // The bits in sequence, as RFC 4175 draws them.
                let word = [cb, y0, cr, y1].iter().fold(0u64, |word, it| word << depth.bits() | u64::from(*it));
                packed.extend(&word.to_be_bytes()[8 - format.pgroup_bytes()..]);
            }
            let mut out = vec![7];
            write(&format, &packed, &mut out);
            let planes = luma.into_iter().chain(blue).chain(red);
            let expected: Vec<u8> = planes.flat_map(|it: u16| it.to_le_bytes().into_iter().take(if ten { 2 } else { 1 })).collect();
            prop_assert_eq!(&out[1..], &expected);
            let mut slowly = vec![0; frame_bytes(&format)];
            let [luma, chroma, _] = planes_of(&format);
            let (first, rest) = slowly.split_at_mut(luma);
            let (second, third) = rest.split_at_mut(chroma);
            write_any(&format, &packed, [first, second, third]);
            prop_assert_eq!(&slowly, &expected);
        }

        #[test]
        fn frame_of_any_format_then_each_sample_of_its_bits_in_its_plane(
            sampling in prop::sample::select(Sampling::ALL), depth in prop::sample::select(Depth::ALL),
            width in 1u32..40, height in 1u32..8, seed: u64,
        ) {
            let Some(format) = of((width, height), (sampling, depth), Scan::Progressive) else {
                return Ok(());
            };
            prop_assume!(pixel_format(&format).is_some());
            // Sample by sample, from a bit at a time.
            let (width, height) = (width as usize, height as usize);
            let mut bits = Vec::new();
            let mut dice = seed | 1;
            let mut packed = vec![0; format.frame_bytes()];
            for byte in &mut packed {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                *byte = dice.to_le_bytes()[0];
                bits.extend((0..8).rev().map(|at| *byte >> at & 1));
            }
            let mut expected = vec![Vec::new(), Vec::new(), Vec::new()];
            let deep = usize::from(depth.bits());
            let sample = |row: usize, index: usize| {
                let from = row * format.line_bytes() * 8 + index * deep;
                bits[from..from + deep].iter().fold(0u16, |all, bit| all << 1 | u16::from(*bit))
            };
            for y in 0..height {
                for x in 0..width {
                    match sampling.chroma() {
                        Chroma::None => expected[0].push(sample(y, x)),
                        Chroma::Full => {
                            let all = [0, 1, 2].map(|it| sample(y, 3 * x + it));
                            let order = if sampling == Sampling::Rgb { [1, 2, 0] } else { [1, 0, 2] };
                            (0..3).for_each(|at| expected[at].push(all[order[at]]));
                        }
                        Chroma::Half => {
                            expected[0].push(sample(y, 2 * x + 1));
                            if x % 2 == 0 {
                                expected[1].push(sample(y, 2 * x));
                                expected[2].push(sample(y, 2 * x + 2));
                            }
                        }
                        Chroma::Quarter => {
                            expected[0].push(sample(y / 2, x / 2 * 6 + y % 2 * 2 + x % 2));
                            if x % 2 + y % 2 == 0 {
                                expected[1].push(sample(y / 2, x / 2 * 6 + 4));
                                expected[2].push(sample(y / 2, x / 2 * 6 + 5));
                            }
                        }
                    }
                }
            }
            let size = if deep == 8 { 1 } else { 2 };
            let expected = expected.into_iter().flatten();
            let expected: Vec<u8> = expected.flat_map(|it| it.to_le_bytes().into_iter().take(size)).collect();
            let mut out = Vec::new();
            write(&format, &packed, &mut out);
            prop_assert_eq!(out, expected);
        }
    }

    fn planes_of(format: &VideoFormat) -> [usize; 3] {
        planes(format).map(|it| it * sample_bytes(format.depth()))
    }
}
