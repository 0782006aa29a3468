//! A picture for the screen.

use onair_essence::video::{Appearance, Chroma, Colorimetry, Sampling, VideoRange};

use crate::picture::Picture;
use crate::row::Row;

/// Weights of red and blue in Y′ (ITU-R BT.601, BT.709 and BT.2020).
fn weights(picture: &Picture, said: Option<Colorimetry>) -> (f64, f64) {
    // Of an unknown colorimetry those of the picture's size, as players take it.
    match (picture.sampling, said, picture.lines()) {
        (Sampling::ClYCbCr444 | Sampling::ClYCbCr422 | Sampling::ClYCbCr420, ..)
        | (_, Some(Colorimetry::Bt2020 | Colorimetry::Bt2100), _) => (0.2627, 0.0593),
        (_, Some(Colorimetry::Bt601), _) => (0.299, 0.114),
        (_, Some(Colorimetry::Bt709), _) => (0.2126, 0.0722),
        (.., ..=576) => (0.299, 0.114),
        _ => (0.2126, 0.0722),
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

/// Colours of samples: red, green and blue are sums of a pixel's components, as in [`Row`], each times a factor.
pub(crate) struct Shades {
    /// Of red, of green, of blue: the factor of each component, and what is added. Of 1 << [`BITS`].
    sums: [([i32; 3], i32); 3],
}

/// Bits of a factor behind the point: a sum of three samples of 16 bits has room, and a factor is exact to a
/// thirtieth of a level.
const BITS: u32 = 20;

impl Shades {
    /// Of the samples of `picture`.
    pub(crate) fn of(picture: &Picture, said: Appearance) -> Self {
        let said = said.understood();
        let bits = u32::from(picture.depth.bits());
        let step = f64::from(1u16 << (bits - 8));
        let most = f64::from(u16::MAX >> (16 - bits));
        // Black, and 255 divided by the steps up to white; no colour, and the same of Cb and Cr.
        let narrow = (16.0 * step, 255.0 / (219.0 * step));
        let full = (0.0, 255.0 / most);
        let (luma, chroma) = match said.range {
            None | Some(VideoRange::Narrow) => (narrow, (128.0 * step, 255.0 / (224.0 * step))),
            Some(VideoRange::Full | VideoRange::FullProtect) => (full, (128.0 * step, full.1)),
        };
        let alone = |component: usize, (black, scale): (f64, f64)| {
            let mut of = [0.0; 3];
            of[component] = scale;
            (of, -black * scale)
        };
        let sums = match picture.sampling {
            Sampling::Rgb => {
                let levels = match said.range {
                    Some(VideoRange::Narrow) => narrow,
                    _ => full,
                };
                [0, 1, 2].map(|it| alone(it, levels))
            }
            Sampling::Key => [alone(0, full); 3],
            Sampling::Xyz => [alone(1, full); 3],
            Sampling::ICtCp444 | Sampling::ICtCp422 | Sampling::ICtCp420 => [alone(0, luma); 3],
            _ => {
                let (red, blue) = weights(picture, said.colorimetry);
                let (of_blue, of_red) = (2.0 * (1.0 - blue), 2.0 * (1.0 - red));
                let green = 1.0 - red - blue;
                let differences = [
                    (0.0, of_red),
                    (-of_blue * blue / green, -of_red * red / green),
                    (of_blue, 0.0),
                ];
                differences.map(|(cb, cr)| {
                    let (cb, cr) = (cb * chroma.1, cr * chroma.1);
                    let more = -luma.0 * luma.1 - chroma.0 * (cb + cr);
                    ([luma.1, cb, cr], more)
                })
            }
        };
        // Half a level, so that it is rounded.
        let sums = sums.map(|(factors, more)| (factors.map(fixed), fixed(more + 0.5)));
        Self { sums }
    }

    /// Red, green and blue of a pixel with these samples, by component as in [`Row`].
    #[inline]
    pub(crate) fn pixel(&self, first: u16, second: u16, third: u16) -> [u8; 3] {
        // No `map` of an array: it is not inlined, and takes longer than all the rest.
        let samples = [i32::from(first), i32::from(second), i32::from(third)];
        let [red, green, blue] = &self.sums;
        [
            level(samples, red),
            level(samples, green),
            level(samples, blue),
        ]
    }
}

#[inline]
fn level([first, second, third]: [i32; 3], (factors, more): &([i32; 3], i32)) -> u8 {
    let sum = first * factors[0] + second * factors[1] + third * factors[2] + more;
    (sum >> BITS).clamp(0, 255).to_le_bytes()[0]
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "below 600 levels, of 1 << BITS each"
)]
fn fixed(value: f64) -> i32 {
    (value * f64::from(1 << BITS)).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::Depth;

    const UNKNOWN: Appearance = Appearance::UNKNOWN;

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
