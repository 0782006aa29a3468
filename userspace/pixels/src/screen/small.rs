//! A small picture for the screen, of a few pixels of a large one.
//!
//! Nothing of the buffer is read but the pixel groups that the small picture is made of: a picture of 320 pixels of one of
//! 1920 touches a sixth of each of its lines, and two of each six lines.

use onair_essence::video::{Appearance, Chroma, Depth};

use super::rgb::Shades;
use crate::picture::Picture;
use crate::row::{Row, ten};

/// A picture of `width` and `height` pixels: red, green and blue, 8 bits each, line after line, as
/// [`rgb8`](crate::rgb8) makes it. `pgroups` are the rows of `picture`, which is a frame, or those of one of its fields.
/// `None`: samples are floating point numbers, or there is no row, or the size has no pixel.
#[must_use]
pub fn rgb8_small(
    picture: &Picture,
    said: Appearance,
    pgroups: &[u8],
    size: (usize, usize),
) -> Option<Vec<u8>> {
    let rows = (pgroups.len() / picture.row_bytes()).min(picture.rows);
    if picture.depth.is_float() || rows == 0 || size.0 == 0 || size.1 == 0 {
        return None;
    }
    let shades = Shades::of(picture, said);
    let pgroups = &pgroups[..rows * picture.row_bytes()];
    Some(match (picture.sampling.chroma(), picture.depth) {
        (Chroma::Half, Depth::Eight) => shrink(picture, pgroups, size, |one, other| {
            let samples = |it: &[u8]| [0, 1, 2, 3].map(|at| u16::from(it[at]));
            half(&shades, samples(one), other.map(samples))
        }),
        (Chroma::Half, Depth::Ten) => shrink(picture, pgroups, size, |one, other| {
            half(&shades, ten(one), other.map(ten))
        }),
        _ => {
            let mut samples = Row::new(&picture.one_group());
            shrink(picture, pgroups, size, |one, other| {
                let mut mean = Mean::default();
                for pgroup in std::iter::once(one).chain(other) {
                    samples.read(picture, pgroup);
                    mean.add(&samples);
                }
                mean.shade(&shades)
            })
        }
    })
}

/// Makes each pixel of a pixel group, and of the one some rows below it, if the small picture has fewer lines.
#[inline]
fn shrink(
    picture: &Picture,
    pgroups: &[u8],
    (width, height): (usize, usize),
    mut pixel: impl FnMut(&[u8], Option<&[u8]>) -> [u8; 3],
) -> Vec<u8> {
    let (bytes, all) = (picture.pgroup.bytes as usize, picture.columns());
    let columns = (0..width).map(|x| (2 * x + 1) * all / (2 * width) * bytes);
    let columns: Vec<_> = columns.collect();
    let row = |at: usize| &pgroups[at * picture.row_bytes()..][..picture.row_bytes()];
    let rows = pgroups.len() / picture.row_bytes();
    let mut out = vec![0; 3 * width * height];
    for (y, line) in out.chunks_exact_mut(3 * width).enumerate() {
        let from = y * rows / height;
        let next = ((y + 1) * rows / height).clamp(from + 1, rows);
        let below = from + ((next - from) / 2).max(1);
        let (one, other) = (row(from), (below < next).then(|| row(below)));
        for (rgb, at) in line.chunks_exact_mut(3).zip(&columns) {
            let group = *at..*at + bytes;
            rgb.copy_from_slice(&pixel(&one[group.clone()], other.map(|it| &it[group])));
        }
    }
    out
}

/// The mean of one or two groups of Cb, Y0, Cr, Y1.
#[inline]
fn half(shades: &Shades, one: [u16; 4], other: Option<[u16; 4]>) -> [u8; 3] {
    let [cb, y0, cr, y1] = one;
    match other {
        None => shades.pixel((y0 + y1) / 2, cb, cr),
        // 10 bits each: four of them are in 16.
        Some([b, y2, r, y3]) => shades.pixel((y0 + y1 + y2 + y3) / 4, (cb + b) / 2, (cr + r) / 2),
    }
}

/// The mean of some samples, by component.
#[derive(Default)]
struct Mean([(u32, u32); 3]);

impl Mean {
    fn add(&mut self, row: &Row) {
        let components = [
            [&row.first[..], &row.lower],
            [&row.second, &[]],
            [&row.third, &[]],
        ];
        for ((sum, count), samples) in self.0.iter_mut().zip(components) {
            for samples in samples {
                *sum += samples.iter().copied().map(u32::from).sum::<u32>();
                *count += u32::try_from(samples.len()).unwrap_or(0);
            }
        }
    }

    fn shade(&self, shades: &Shades) -> [u8; 3] {
        let [first, second, third] = self.0.map(|(sum, count)| {
            let mean = sum.checked_div(count).unwrap_or(0);
            u16::try_from(mean).expect("the mean of samples of 16 bits")
        });
        shades.pixel(first, second, third)
    }
}

#[cfg(test)]
mod tests {
    use onair_essence::video::{Depth, Sampling};

    use super::*;
    use crate::rgb8;

    const UNKNOWN: Appearance = Appearance {
        colorimetry: None,
        transfer: None,
        range: None,
        pixel_aspect: None,
    };

    /// Left half red, right half blue of 75 %; each format's own pixel groups of them.
    fn halves(sampling: Sampling, group: [&[u8]; 2]) -> (Picture, Vec<u8>) {
        let picture = Picture::new(1920, 1080, sampling, Depth::Eight).unwrap();
        let half = picture.row_bytes() / 2;
        let row = group.map(|it| it.repeat(half / it.len())).concat();
        (picture, row.repeat(picture.rows))
    }

    #[test]
    fn small_picture_of_each_sampling_then_the_same_colours() {
        let formats: [(_, [&[u8]; 2]); 4] = [
            (
                Sampling::YCbCr422,
                [&[109, 51, 212, 51], &[212, 28, 120, 28]],
            ),
            (Sampling::YCbCr444, [&[109, 51, 212], &[212, 28, 120]]),
            (
                Sampling::YCbCr420,
                [&[51, 51, 51, 51, 109, 212], &[28, 28, 28, 28, 212, 120]],
            ),
            (Sampling::Rgb, [&[191, 0, 0], &[0, 0, 191]]),
        ];
        for (sampling, group) in formats {
            let (picture, pgroups) = halves(sampling, group);
            let whole = rgb8(&picture, UNKNOWN, &pgroups).unwrap();
            let small = rgb8_small(&picture, UNKNOWN, &pgroups, (320, 180)).unwrap();
            assert_eq!(small.len(), 3 * 320 * 180);
            for (pixel, at) in [(0, 0), (100 * 320 + 10, 10), (179 * 320 + 319, 1919)] {
                let (small, whole) = (&small[3 * pixel..][..3], &whole[3 * at..][..3]);
                assert_eq!(small, whole, "{sampling} {pixel}");
            }
        }
    }

    #[test]
    fn rows_of_a_field_then_the_colours_of_its_frame() {
        let (picture, pgroups) = halves(
            Sampling::YCbCr422,
            [&[109, 51, 212, 51], &[212, 28, 120, 28]],
        );
        let field = &pgroups[..pgroups.len() / 2];
        let of = |it| rgb8_small(&picture, UNKNOWN, it, (160, 90));
        assert_eq!(of(field), of(&pgroups));
        assert_eq!(of(&[]), None);
        assert_eq!(rgb8_small(&picture, UNKNOWN, field, (0, 90)), None);
        let larger = rgb8_small(&picture, UNKNOWN, field, (4000, 3000)).unwrap();
        assert_eq!(larger.len(), 3 * 4000 * 3000);
    }
}
