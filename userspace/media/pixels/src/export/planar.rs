//! Frames in files: one plane for each component, from the pgroups of RFC 4175.

use onair_essence::video::{Sampling, VideoFormat};

use crate::convert::unpack_lines;
use crate::picture::{Lines, Picture};
use crate::pixel_format::PixelFormat;

/// The planes of a file's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planar {
    picture: Picture,
    pixels: PixelFormat,
}

impl Planar {
    /// The planes of frames of `format`; `None` if no planar pixel format holds its samples.
    pub(super) fn of(format: &VideoFormat) -> Option<Self> {
        let picture = Picture::of(format, format.height())?;
        let pixels = PixelFormat::of(&picture).find(|it| it.is_planar())?;
        Some(Self { picture, pixels })
    }

    /// The pixel format.
    pub(super) const fn pixels(self) -> PixelFormat {
        self.pixels
    }

    /// FFmpeg's name of the pixel format.
    pub(super) const fn ffmpeg(self) -> &'static str {
        self.pixels.ffmpeg()
    }

    /// Bytes of a frame.
    pub(super) fn bytes(self) -> usize {
        self.pixels.planes(&self.picture).bytes
    }

    /// Writes `lines` of a frame, which `pgroups` has, into its planes: Y, Cb and Cr, or G, B and R.
    pub(super) fn write(self, lines: Lines, pgroups: &[u8], planes: &mut [u8]) {
        let written = unpack_lines(&self.picture, lines, pgroups, self.pixels, planes);
        written.expect("a buffer of the format, and as many bytes as its planes have");
    }
}

/// Tag of the pixel format in YUV4MPEG2; `None` if it has none.
pub(super) fn y4m_tag(format: &VideoFormat) -> Option<String> {
    Planar::of(format)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::{Chroma, Depth, FrameRate, Scan};
    use proptest::prelude::*;

    fn of(size: (u32, u32), samples: (Sampling, Depth), scan: Scan) -> Option<VideoFormat> {
        VideoFormat::of(size, samples, scan, FrameRate::new(25, 1).unwrap()).ok()
    }

    fn written(format: &VideoFormat, pgroups: &[u8]) -> Vec<u8> {
        let planar = Planar::of(format).unwrap();
        let mut planes = vec![0; planar.bytes()];
        planar.write(Lines::All, pgroups, &mut planes);
        planes
    }

    #[test]
    fn formats_in_files_then_named_as_ffmpeg_names_them() {
        let names = |sampling, depth, scan| {
            let format = of((16, 4), (sampling, depth), scan).unwrap();
            let pixels = Planar::of(&format).map(Planar::ffmpeg);
            (pixels, y4m_tag(&format))
        };
        let some = |pixels: &'static str, tag: &str| {
            let tag = (!tag.is_empty()).then(|| tag.to_owned());
            (Some(pixels), tag)
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
        let fields = names(YCbCr422, Depth::Ten, Scan::Interlaced);
        assert_eq!(fields, some("yuv422p10le", "C422p10 XYSCSS=422P10"));
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
            let out = written(&format, &packed);
            let planes = luma.into_iter().chain(blue).chain(red);
            let expected: Vec<u8> = planes.flat_map(|it: u16| it.to_le_bytes().into_iter().take(if ten { 2 } else { 1 })).collect();
            prop_assert_eq!(out, expected);
        }

        #[test]
        fn frame_of_any_format_then_each_sample_in_its_plane(
            sampling in prop::sample::select(Sampling::ALL), depth in prop::sample::select(Depth::ALL),
            width in 1u32..40, height in 1u32..8, seed: u64,
        ) {
            let Some(format) = of((width, height), (sampling, depth), Scan::Progressive) else {
                return Ok(());
            };
            prop_assume!(Planar::of(&format).is_some());
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
            prop_assert_eq!(written(&format, &packed), expected);
        }
    }
}
