//! Colour components, bits of a sample, and the pixel groups that they make (ST 2110-20 §6.2, RFC 4175
//! §4.3).

use crate::document::words::words;

words! {
    /// Colour components and their subsampling (ST 2110-20 §7.4.1).
    #[derive(Default)]
    Sampling {
        /// Y′CbCr, no subsampling.
        YCbCr444 "YCbCr-4:4:4",
        /// Y′CbCr, half the chroma samples in a line.
        #[default]
        YCbCr422 "YCbCr-4:2:2",
        /// Y′CbCr, half the chroma samples in a line and half the lines.
        YCbCr420 "YCbCr-4:2:0",
        /// Constant luminance Y′CbCr, no subsampling.
        ClYCbCr444 "CLYCbCr-4:4:4",
        /// Constant luminance Y′CbCr, half the chroma samples in a line.
        ClYCbCr422 "CLYCbCr-4:2:2",
        /// Constant luminance Y′CbCr, half the chroma samples in a line and half the lines.
        ClYCbCr420 "CLYCbCr-4:2:0",
        /// ICtCp, no subsampling.
        ICtCp444 "ICtCp-4:4:4",
        /// ICtCp, half the chroma samples in a line.
        ICtCp422 "ICtCp-4:2:2",
        /// ICtCp, half the chroma samples in a line and half the lines.
        ICtCp420 "ICtCp-4:2:0",
        /// Red, green, blue.
        Rgb "RGB",
        /// CIE XYZ.
        Xyz "XYZ",
        /// A key signal.
        Key "KEY",
    }
}

words! {
    /// Bits of a sample.
    Depth {
        /// 8 bits.
        Eight "8",
        /// 10 bits.
        Ten "10",
        /// 12 bits.
        Twelve "12",
        /// 16 bits.
        Sixteen "16",
        /// 16 bits, floating point.
        SixteenFloat "16f",
    }
}

impl Depth {
    /// The number of bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Eight => 8,
            Self::Ten => 10,
            Self::Twelve => 12,
            Self::Sixteen | Self::SixteenFloat => 16,
        }
    }

    /// Whether the samples are floating point numbers.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::SixteenFloat)
    }

    /// The depth with this many bits, if there is one.
    #[must_use]
    pub fn from_bits(bits: u32, is_float: bool) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|it| u32::from(it.bits()) == bits && it.is_float() == is_float)
    }
}

/// How the samples of a pixel group are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// Three samples a pixel.
    Full,
    /// Cb Y0 Cr Y1: two pixels.
    Half,
    /// Y00 Y01 Y10 Y11 Cb Cr: two pixels of two lines.
    Quarter,
    /// One sample a pixel.
    None,
}

impl Chroma {
    /// Whether a line has an even number of pixels.
    #[must_use]
    pub const fn is_in_pairs(self) -> bool {
        matches!(self, Self::Half | Self::Quarter)
    }
}

impl Sampling {
    /// How its samples are laid out.
    #[must_use]
    pub const fn chroma(self) -> Chroma {
        match self {
            Self::YCbCr444 | Self::ClYCbCr444 | Self::ICtCp444 | Self::Rgb | Self::Xyz => {
                Chroma::Full
            }
            Self::YCbCr422 | Self::ClYCbCr422 | Self::ICtCp422 => Chroma::Half,
            Self::YCbCr420 | Self::ClYCbCr420 | Self::ICtCp420 => Chroma::Quarter,
            Self::Key => Chroma::None,
        }
    }
}

/// A pixel group: the smallest run of whole pixels in whole bytes. Its samples follow each other bit by
/// bit, most significant bit first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pgroup {
    /// Bytes of one group.
    pub bytes: u32,
    /// Pixels of a line in one group.
    pub pixels: u32,
    /// Lines in one group: 2 with 4:2:0, else 1.
    pub lines: u32,
}

impl Pgroup {
    /// The group of a format; `None` if ST 2110-20 has none.
    #[must_use]
    pub const fn of(sampling: Sampling, depth: Depth) -> Option<Self> {
        let (bytes, pixels, lines) = match (sampling.chroma(), depth.bits()) {
            (Chroma::Half, 8) => (4, 2, 1),
            (Chroma::Half, 10) => (5, 2, 1),
            (Chroma::Half, 12) => (6, 2, 1),
            (Chroma::Half, _) => (8, 2, 1),
            (Chroma::Full, 8) => (3, 1, 1),
            (Chroma::Full, 10) => (15, 4, 1),
            (Chroma::Full, 12) => (9, 2, 1),
            (Chroma::Full, _) => (6, 1, 1),
            (Chroma::Quarter, 8) => (6, 2, 2),
            (Chroma::Quarter, 10) => (15, 4, 2),
            (Chroma::Quarter, 12) => (9, 2, 2),
            (Chroma::Quarter, _) => return None,
            (Chroma::None, 8) => (1, 1, 1),
            (Chroma::None, 10) => (5, 4, 1),
            (Chroma::None, 12) => (3, 2, 1),
            (Chroma::None, _) => (2, 1, 1),
        };
        Some(Self {
            bytes,
            pixels,
            lines,
        })
    }

    /// Groups in a line of `width` pixels. The last one is padded if the width is no multiple of
    /// the group (RFC 4175 §4.3).
    #[must_use]
    pub const fn in_line(self, width: u32) -> u32 {
        width.div_ceil(self.pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pgroups_of_the_table_then_they_hold_exactly_their_samples() {
        let mut found = 0;
        for sampling in Sampling::ALL {
            for depth in Depth::ALL {
                let Some(it) = Pgroup::of(*sampling, *depth) else {
                    assert_eq!((sampling.chroma(), depth.bits()), (Chroma::Quarter, 16));
                    continue;
                };
                found += 1;
                let pixels = it.pixels * it.lines;
                let halves = match sampling.chroma() {
                    Chroma::None => 2,
                    Chroma::Full => 6,
                    Chroma::Half => 4,
                    Chroma::Quarter => 3,
                };
                let bits = pixels * halves * u32::from(depth.bits()) / 2;
                assert_eq!(bits, it.bytes * 8, "{sampling} {depth}");
            }
        }
        assert_eq!(found, 12 * 5 - 3 * 2);
    }

    #[test]
    fn depth_of_bits_then_floating_point_only_at_16() {
        assert_eq!(Depth::from_bits(16, true), Some(Depth::SixteenFloat));
        assert_eq!(Depth::from_bits(16, false), Some(Depth::Sixteen));
        assert_eq!(Depth::from_bits(12, false), Some(Depth::Twelve));
        assert_eq!(
            (Depth::from_bits(8, true), Depth::from_bits(9, false)),
            (None, None)
        );
    }
}
