//! Pixel formats by the names of FFmpeg and GStreamer.

use onair_essence::video::{Chroma, Sampling};

use crate::picture::Picture;

/// One plane of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    /// First byte.
    pub offset: usize,
    /// Bytes from one line to the next.
    pub stride: usize,
    /// Lines.
    pub lines: usize,
}

/// Where the samples of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    all: [Plane; 3],
    count: usize,
    /// Bytes of all planes.
    pub bytes: usize,
}

impl Planes {
    /// The planes, one to three.
    #[must_use]
    pub fn all(&self) -> &[Plane] {
        &self.all[..self.count]
    }

    fn new(planes: &[(usize, usize)]) -> Self {
        let mut all = [Plane::default(); 3];
        let mut offset = 0;
        for (place, (stride, lines)) in all.iter_mut().zip(planes) {
            (place.offset, place.stride, place.lines) = (offset, *stride, *lines);
            offset += stride * lines;
        }
        Self {
            all,
            count: planes.len(),
            bytes: offset,
        }
    }
}

/// How a format arranges its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrangement {
    /// A plane for each component: Y, Cb, Cr. More than 8 bits take two bytes, little endian.
    Planar,
    /// As `Planar`: G, B, R.
    PlanarGbr,
    /// Cb Y0 Cr Y1, a byte each.
    Uyvy,
    /// Y0 Cb Y1 Cr, two bytes each, little endian, the sample in the highest bits.
    Yuyv16,
    /// Three samples of Cb Y0 Cr Y1 … in four bytes, little endian; lines are a multiple of 128 bytes.
    V210,
    /// R G B.
    Rgb,
    /// R G B and 255.
    Rgba,
}

macro_rules! formats {
    ($($(#[$doc:meta])+ $format:ident $ffmpeg:literal $gstreamer:literal
        ($chroma:ident, $rgb:literal, $bits:literal, $arrangement:ident);)+) => {
        /// A pixel format. It holds pictures with its own components and depth.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PixelFormat { $($(#[$doc])+ $format,)+ }

        impl PixelFormat {
            /// Every format.
            pub const ALL: &'static [Self] = &[$(Self::$format,)+];

            /// FFmpeg's name of it; `v210` is a codec there.
            #[must_use]
            pub const fn ffmpeg(self) -> &'static str {
                match self { $(Self::$format => $ffmpeg,)+ }
            }

            /// GStreamer's name of it (`video/x-raw, format=`); `None`: GStreamer 1.22 has none.
            #[must_use]
            pub const fn gstreamer(self) -> Option<&'static str> {
                let name = match self { $(Self::$format => $gstreamer,)+ };
                if name.is_empty() { None } else { Some(name) }
            }

            /// Samples a pixel, whether it is red, green and blue, bits, arrangement.
            const fn kind(self) -> (Chroma, bool, u8, Arrangement) {
                match self {
                    $(Self::$format => (Chroma::$chroma, $rgb, $bits, Arrangement::$arrangement),)+
                }
            }
        }
    };
}

formats! {
    /// 4:2:2, 8 bits, packed: the bytes of the buffer itself.
    Uyvy "uyvy422" "UYVY" (Half, false, 8, Uyvy);
    /// 4:2:2, 8 bits, three planes.
    Yuv422p "yuv422p" "Y42B" (Half, false, 8, Planar);
    /// 4:2:2, 10 bits, three planes.
    Yuv422p10 "yuv422p10le" "I422_10LE" (Half, false, 10, Planar);
    /// 4:2:2, 10 bits, packed three samples a word.
    V210 "v210" "v210" (Half, false, 10, V210);
    /// 4:2:2, 10 bits, packed in 16.
    Y210 "y210le" "Y210" (Half, false, 10, Yuyv16);
    /// 4:2:2, 12 bits, three planes.
    Yuv422p12 "yuv422p12le" "I422_12LE" (Half, false, 12, Planar);
    /// 4:2:2, 16 bits, three planes.
    Yuv422p16 "yuv422p16le" "" (Half, false, 16, Planar);
    /// 4:2:0, 8 bits, three planes.
    Yuv420p "yuv420p" "I420" (Quarter, false, 8, Planar);
    /// 4:2:0, 10 bits, three planes.
    Yuv420p10 "yuv420p10le" "I420_10LE" (Quarter, false, 10, Planar);
    /// 4:2:0, 12 bits, three planes.
    Yuv420p12 "yuv420p12le" "I420_12LE" (Quarter, false, 12, Planar);
    /// 4:4:4, 8 bits, three planes.
    Yuv444p "yuv444p" "Y444" (Full, false, 8, Planar);
    /// 4:4:4, 10 bits, three planes.
    Yuv444p10 "yuv444p10le" "Y444_10LE" (Full, false, 10, Planar);
    /// 4:4:4, 12 bits, three planes.
    Yuv444p12 "yuv444p12le" "Y444_12LE" (Full, false, 12, Planar);
    /// 4:4:4, 16 bits, three planes.
    Yuv444p16 "yuv444p16le" "Y444_16LE" (Full, false, 16, Planar);
    /// Red, green, blue, 8 bits, packed: the bytes of the buffer itself.
    Rgb24 "rgb24" "RGB" (Full, true, 8, Rgb);
    /// Red, green, blue, 8 bits, and an opaque alpha.
    Rgba "rgba" "RGBA" (Full, true, 8, Rgba);
    /// Green, blue, red, 8 bits, three planes.
    Gbrp "gbrp" "GBR" (Full, true, 8, PlanarGbr);
    /// Green, blue, red, 10 bits, three planes.
    Gbrp10 "gbrp10le" "GBR_10LE" (Full, true, 10, PlanarGbr);
    /// Green, blue, red, 12 bits, three planes.
    Gbrp12 "gbrp12le" "GBR_12LE" (Full, true, 12, PlanarGbr);
    /// Green, blue, red, 16 bits, three planes.
    Gbrp16 "gbrp16le" "" (Full, true, 16, PlanarGbr);
    /// A key, 8 bits: the bytes of the buffer itself.
    Gray "gray" "GRAY8" (None, false, 8, Planar);
    /// A key, 10 bits.
    Gray10 "gray10le" "" (None, false, 10, Planar);
    /// A key, 12 bits.
    Gray12 "gray12le" "" (None, false, 12, Planar);
    /// A key, 16 bits.
    Gray16 "gray16le" "GRAY16_LE" (None, false, 16, Planar);
}

impl PixelFormat {
    /// The formats that can represent pictures like this one, without changing a sample.
    pub fn of(picture: &Picture) -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(move |format| format.holds(picture))
    }

    /// Whether it holds pictures like this one.
    #[must_use]
    pub fn holds(self, picture: &Picture) -> bool {
        let (chroma, rgb, bits, _) = self.kind();
        let is = picture.sampling;
        !picture.depth.is_float()
            && chroma == is.chroma()
            && bits == picture.depth.bits()
            && rgb == (is == Sampling::Rgb)
            && is != Sampling::Xyz
    }

    /// Whether each component has a plane of its own.
    #[must_use]
    pub const fn is_planar(self) -> bool {
        matches!(
            self.arrangement(),
            Arrangement::Planar | Arrangement::PlanarGbr
        )
    }

    pub(crate) const fn arrangement(self) -> Arrangement {
        self.kind().3
    }

    /// Bytes of one sample of a plane.
    pub(crate) const fn sample_bytes(self) -> usize {
        if self.kind().2 == 8 { 1 } else { 2 }
    }

    /// Where the samples of `picture` lie.
    #[must_use]
    pub fn planes(self, picture: &Picture) -> Planes {
        let (width, lines) = (picture.width, picture.lines());
        let line = width * self.sample_bytes();
        match self.arrangement() {
            Arrangement::Planar | Arrangement::PlanarGbr => match picture.sampling.chroma() {
                Chroma::Full => Planes::new(&[(line, lines); 3]),
                Chroma::Half => Planes::new(&[(line, lines), (line / 2, lines), (line / 2, lines)]),
                Chroma::Quarter => {
                    Planes::new(&[(line, lines), (line / 2, lines / 2), (line / 2, lines / 2)])
                }
                Chroma::None => Planes::new(&[(line, lines)]),
            },
            Arrangement::Uyvy => Planes::new(&[(width * 2, lines)]),
            Arrangement::Yuyv16 => Planes::new(&[(width * 4, lines)]),
            Arrangement::V210 => Planes::new(&[(width.div_ceil(48) * 128, lines)]),
            Arrangement::Rgb => Planes::new(&[(width * 3, lines)]),
            Arrangement::Rgba => Planes::new(&[(width * 4, lines)]),
        }
    }
}

impl std::fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.ffmpeg())
    }
}

/// Parses FFmpeg's or GStreamer's name.
impl std::str::FromStr for PixelFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let is = |it: &&Self| it.ffmpeg() == name || it.gstreamer() == Some(name);
        let found = Self::ALL.iter().find(is).copied();
        found.ok_or_else(|| UnknownFormat(name.chars().take(40).collect()))
    }
}

/// A name of no pixel format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no pixel format: give the name that FFmpeg or GStreamer has, such as yuv422p10le"
)]
pub struct UnknownFormat(String);
