//! A picture for the screen.

use onair_essence::video::{Appearance, Chroma, Colorimetry, Sampling, VideoRange};

use crate::picture::Picture;
use crate::row::Row;

/// Weights of red and blue in Y′ (ITU-R BT.601, BT.709 and BT.2020).
#[derive(Clone, Copy, Debug)]
struct Weights {
    red: f32,
    blue: f32,
    /// One, divided by that of green.
    of_green: f32,
}

impl Weights {
    /// Of an unknown colorimetry those of the picture's size, as players take it.
    fn of(picture: &Picture, said: Option<Colorimetry>) -> Self {
        let (red, blue) = match (picture.sampling, said, picture.lines()) {
            (Sampling::ClYCbCr444 | Sampling::ClYCbCr422 | Sampling::ClYCbCr420, ..)
            | (_, Some(Colorimetry::Bt2020 | Colorimetry::Bt2100), _) => (0.2627, 0.0593),
            (_, Some(Colorimetry::Bt601), _) => (0.299, 0.114),
            (_, Some(Colorimetry::Bt709), _) => (0.2126, 0.0722),
            (.., ..=576) => (0.299, 0.114),
            _ => (0.2126, 0.0722),
        };
        let of_green = 1.0 / (1.0 - red - blue);
        Self {
            red,
            blue,
            of_green,
        }
    }

    /// Red, green and blue, 0 to 1, of Y′ 0 to 1 and Cb, Cr −0.5 to 0.5.
    fn rgb(self, luma: f32, blue: f32, red: f32) -> [f32; 3] {
        let r = luma + 2.0 * (1.0 - self.red) * red;
        let b = luma + 2.0 * (1.0 - self.blue) * blue;
        let g = (luma - self.red * r - self.blue * b) * self.of_green;
        [r, g, b]
    }
}

/// The picture whose pixel groups are `pgroups` as red, green and blue, 8 bits each, line after line,
/// `3 * width * lines` bytes. For people to look at, with the transfer characteristics that it has: what is not `said`
/// is narrow range of Y′ and C, full range of the others, and the colorimetry of BT.709, or of BT.601 up to 576 lines; of
/// `ICtCp` and XYZ only the intensity (I, Y) is shown. `None`: samples are floating point numbers, or `pgroups` is too
/// short.
#[must_use]
pub fn rgb8(picture: &Picture, said: Appearance, pgroups: &[u8]) -> Option<Vec<u8>> {
    if picture.depth.is_float() || pgroups.len() < picture.bytes() {
        return None;
    }
    let mut out = Vec::with_capacity(3 * picture.width * picture.lines());
    let mut row = Row::new(picture);
    let shades = Shades::of(picture, said);
    let chroma_at = |at| match picture.sampling.chroma() {
        Chroma::Half | Chroma::Quarter => at / 2,
        Chroma::Full | Chroma::None => at,
    };
    for pgroups in pgroups.chunks_exact(picture.row_bytes()).take(picture.rows) {
        row.read(picture, pgroups);
        for luma in [&row.first, &row.lower] {
            let pixels = luma.iter().enumerate();
            out.extend(pixels.flat_map(|(at, first)| {
                let chroma = |samples: &[u16]| samples.get(chroma_at(at)).copied().unwrap_or(0);
                shades.pixel(*first, chroma(&row.second), chroma(&row.third))
            }));
        }
    }
    Some(out)
}

/// What the code values of a picture stand for.
struct Levels {
    weights: Weights,
    /// Black, and one divided by the steps of Y′ up to white.
    luma: (f32, f32),
    /// No colour, and one divided by the steps of Cb and Cr.
    chroma: (f32, f32),
    /// Red, green and blue have the levels of Y′, and not all of them.
    is_narrow_rgb: bool,
}

impl Levels {
    fn of(picture: &Picture, said: Appearance) -> Self {
        let bits = u32::from(picture.depth.bits());
        let step = f32::from(1u16 << (bits - 8));
        let white = f32::from(u16::MAX >> (16 - bits)) / step;
        // Of 8 bits.
        let (black, luma, chroma) = match said.range {
            None | Some(VideoRange::Narrow) => (16.0, 219.0, 224.0),
            Some(VideoRange::Full | VideoRange::FullProtect) => (0.0, white, white),
        };
        Self {
            weights: Weights::of(picture, said.colorimetry),
            luma: (black * step, 1.0 / (luma * step)),
            chroma: (128.0 * step, 1.0 / (chroma * step)),
            is_narrow_rgb: said.range == Some(VideoRange::Narrow),
        }
    }

    fn luma(&self, sample: u16) -> f32 {
        (f32::from(sample) - self.luma.0) * self.luma.1
    }

    fn chroma(&self, sample: u16) -> f32 {
        (f32::from(sample) - self.chroma.0) * self.chroma.1
    }
}

/// What samples look like.
pub(crate) struct Shades {
    sampling: Sampling,
    bits: u32,
    levels: Levels,
}

impl Shades {
    /// Of the samples of `picture`.
    pub(crate) fn of(picture: &Picture, said: Appearance) -> Self {
        Self {
            sampling: picture.sampling,
            bits: u32::from(picture.depth.bits()),
            levels: Levels::of(picture, said.understood()),
        }
    }

    /// Red, green and blue of a pixel with these samples, by component as in [`Row`].
    #[inline]
    pub(crate) fn pixel(&self, first: u16, second: u16, third: u16) -> [u8; 3] {
        let levels = &self.levels;
        let full = |sample: u16| (sample >> (self.bits - 8)).to_le_bytes()[0];
        match self.sampling {
            Sampling::Rgb => {
                let samples = [first, second, third];
                match levels.is_narrow_rgb {
                    true => samples.map(|it| byte(levels.luma(it))),
                    false => samples.map(full),
                }
            }
            Sampling::Key => [full(first); 3],
            Sampling::Xyz => [full(second); 3],
            Sampling::ICtCp444 | Sampling::ICtCp422 | Sampling::ICtCp420 => {
                [byte(levels.luma(first)); 3]
            }
            _ => {
                let (blue, red) = (levels.chroma(second), levels.chroma(third));
                levels.weights.rgb(levels.luma(first), blue, red).map(byte)
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is below 0 becomes 0, and above 255 that; a call of round() takes longer than all the rest"
)]
fn byte(value: f32) -> u8 {
    (value * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::Depth;

    const UNKNOWN: Appearance = Appearance {
        colorimetry: None,
        transfer: None,
        range: None,
        pixel_aspect: None,
    };

    /// 75 % bars of BT.709, 8 bits: Y′, Cb, Cr, and what they show.
    const BARS: [([u8; 3], [u8; 3]); 4] = [
        ([180, 128, 128], [191, 191, 191]),
        ([168, 44, 136], [191, 191, 0]),
        ([51, 109, 212], [191, 0, 0]),
        ([28, 212, 120], [0, 0, 191]),
    ];

    #[test]
    fn bars_of_each_subsampling_then_their_colours() {
        for ([y, cb, cr], shown) in BARS {
            let (half, full) = ([cb, y, cr, y], [cb, y, cr]);
            let quarter = [y, y, y, y, cb, cr];
            for (sampling, group, width) in [
                (Sampling::YCbCr422, &half[..], 2),
                (Sampling::YCbCr444, &full[..], 1),
                (Sampling::YCbCr420, &quarter[..], 2),
            ] {
                let picture = Picture::new(width, 720, sampling, Depth::Eight).unwrap();
                let pgroups = group.repeat(picture.bytes() / group.len());
                let rgb = rgb8(&picture, UNKNOWN, &pgroups).unwrap();
                assert_eq!(rgb.len(), 3 * picture.width() * 720);
                for pixel in rgb.chunks(3) {
                    let near = pixel.iter().zip(shown).all(|(a, b)| a.abs_diff(b) <= 1);
                    assert!(near, "{sampling}: {pixel:?}, not {shown:?}");
                }
            }
        }
    }

    #[test]
    fn samples_of_more_bits_then_the_same_colours() {
        // Cb 0x200, Y 0x3ac (white), Cr 0x200, Y 0x040 (black) of 10 bits.
        let picture = Picture::new(2, 1, Sampling::YCbCr422, Depth::Ten).unwrap();
        let rgb = rgb8(&picture, UNKNOWN, &[0x80, 0x3a, 0xc8, 0x00, 0x40]).unwrap();
        assert_eq!(rgb, [255, 255, 255, 0, 0, 0]);
        let picture = Picture::new(1, 1, Sampling::Rgb, Depth::Twelve).unwrap();
        let rgb = rgb8(
            &picture,
            UNKNOWN,
            &[0xff, 0xf8, 0x00, 0x00, 0x1f, 0, 0, 0, 0],
        )
        .unwrap();
        assert_eq!(rgb, [255, 128, 0]);
        let float = Picture::new(1, 1, Sampling::Rgb, Depth::SixteenFloat).unwrap();
        assert_eq!(rgb8(&float, UNKNOWN, &[0; 6]), None);
        assert_eq!(rgb8(&picture, UNKNOWN, &[0; 8]), None);
    }

    #[test]
    fn samples_of_a_said_range_and_colorimetry_then_by_that() {
        let said = |colorimetry, range| Appearance {
            colorimetry,
            range,
            ..UNKNOWN
        };
        let picture = Picture::new(2, 720, Sampling::YCbCr422, Depth::Eight).unwrap();
        let show = |said: Appearance, [y, cb, cr]: [u8; 3]| {
            let pgroups = [cb, y, cr, y].repeat(picture.bytes() / 4);
            let rgb = rgb8(&picture, said, &pgroups).unwrap();
            [rgb[0], rgb[1], rgb[2]]
        };
        let full = said(None, Some(VideoRange::Full));
        assert_eq!(show(full, [255, 128, 128]), [255; 3]);
        assert_eq!(show(full, [16, 128, 128]), [16; 3]);
        // 75 % red of BT.2020, BT.601 and BT.709.
        for (colorimetry, samples) in [
            (Colorimetry::Bt2100, [59, 104, 212]),
            (Colorimetry::Bt601, [65, 100, 212]),
            (Colorimetry::Bt709, [51, 109, 212]),
        ] {
            let shown = show(said(Some(colorimetry), None), samples);
            let near = shown
                .iter()
                .zip([191, 0, 0])
                .all(|(a, b)| a.abs_diff(b) <= 2);
            assert!(near, "{colorimetry}: {shown:?}");
        }
        let rgb = Picture::new(1, 1, Sampling::Rgb, Depth::Eight).unwrap();
        let narrow = said(None, Some(VideoRange::Narrow));
        assert_eq!(rgb8(&rgb, narrow, &[16, 235, 16]).unwrap(), [0, 255, 0]);
        assert_eq!(rgb8(&rgb, UNKNOWN, &[16, 235, 16]).unwrap(), [16, 235, 16]);
    }
}
