//! A picture for the screen.

use onair_essence::video::{Chroma, Sampling};

use crate::picture::Picture;
use crate::row::Row;

/// Weights of red and blue in Y′ (ITU-R BT.601, BT.709 and BT.2020).
#[derive(Clone, Copy, Debug)]
struct Weights {
    red: f32,
    blue: f32,
}

impl Weights {
    /// Sessions do not say their colorimetry: that of the picture's size, as players take it.
    fn of(picture: &Picture) -> Self {
        let (red, blue) = match (picture.sampling, picture.lines()) {
            (Sampling::ClYCbCr444 | Sampling::ClYCbCr422 | Sampling::ClYCbCr420, _) => {
                (0.2627, 0.0593)
            }
            (_, ..=576) => (0.299, 0.114),
            _ => (0.2126, 0.0722),
        };
        Self { red, blue }
    }

    /// Red, green and blue, 0 to 1, of Y′ 0 to 1 and Cb, Cr −0.5 to 0.5.
    fn rgb(self, luma: f32, blue: f32, red: f32) -> [f32; 3] {
        let r = luma + 2.0 * (1.0 - self.red) * red;
        let b = luma + 2.0 * (1.0 - self.blue) * blue;
        let g = (luma - self.red * r - self.blue * b) / (1.0 - self.red - self.blue);
        [r, g, b]
    }
}

/// The picture whose pixel groups are `pgroups` as red, green and blue, 8 bits each, line after line,
/// `3 * width * lines` bytes. For people to look at: Y′ and C are taken for narrow range, with the
/// colorimetry of BT.709, or of BT.601 up to 576 lines; of `ICtCp` and XYZ only the intensity (I, Y) is
/// shown. `None`: samples are floating point numbers, or `pgroups` is too short.
#[must_use]
pub fn rgb8(picture: &Picture, pgroups: &[u8]) -> Option<Vec<u8>> {
    if picture.depth.is_float() || pgroups.len() < picture.bytes() {
        return None;
    }
    let mut out = Vec::with_capacity(3 * picture.width * picture.lines());
    let mut row = Row::new(picture);
    for pgroups in pgroups.chunks_exact(picture.row_bytes()).take(picture.rows) {
        row.read(picture, pgroups);
        for luma in [&row.first, &row.lower] {
            let pixels = luma.iter().enumerate();
            out.extend(pixels.flat_map(|(at, first)| pixel(picture, &row, *first, at)));
        }
    }
    Some(out)
}

fn pixel(picture: &Picture, row: &Row, first: u16, at: usize) -> [u8; 3] {
    let bits = u32::from(picture.depth.bits());
    let full = |sample: u16| (sample >> (bits - 8)).to_le_bytes()[0];
    // Of 8 bits: 219 steps of Y′ from 16 on, 224 of Cb and Cr around 128.
    let step = f32::from(1u16 << (bits - 8));
    let luma = (f32::from(first) / step - 16.0) / 219.0;
    let chroma_at = |samples: &[u16]| {
        let at = match picture.sampling.chroma() {
            Chroma::Half | Chroma::Quarter => at / 2,
            Chroma::Full | Chroma::None => at,
        };
        (f32::from(samples[at]) / step - 128.0) / 224.0
    };
    match picture.sampling {
        Sampling::Rgb => [first, row.second[at], row.third[at]].map(full),
        Sampling::Key => [full(first); 3],
        Sampling::Xyz => [full(row.second[at]); 3],
        Sampling::ICtCp444 | Sampling::ICtCp422 | Sampling::ICtCp420 => [byte(luma); 3],
        _ => {
            let (blue, red) = (chroma_at(&row.second), chroma_at(&row.third));
            Weights::of(picture).rgb(luma, blue, red).map(byte)
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0 to 255"
)]
fn byte(value: f32) -> u8 {
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::Depth;

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
                let rgb = rgb8(&picture, &pgroups).unwrap();
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
        let rgb = rgb8(&picture, &[0x80, 0x3a, 0xc8, 0x00, 0x40]).unwrap();
        assert_eq!(rgb, [255, 255, 255, 0, 0, 0]);
        let picture = Picture::new(1, 1, Sampling::Rgb, Depth::Twelve).unwrap();
        let rgb = rgb8(&picture, &[0xff, 0xf8, 0x00, 0x00, 0x1f, 0, 0, 0, 0]).unwrap();
        assert_eq!(rgb, [255, 128, 0]);
        let float = Picture::new(1, 1, Sampling::Rgb, Depth::SixteenFloat).unwrap();
        assert_eq!(rgb8(&float, &[0; 6]), None);
        assert_eq!(rgb8(&picture, &[0; 8]), None);
    }
}
