//! A small picture for the screen, of a few pixels of a large one.
//!
//! Each of its lines is made of one row of the buffer: a picture of 180 lines of one of 1080 reads each sixth row, and of
//! that row 320 pixel groups. The row is copied as a whole: the memory of a frame is not in the cache, and a copy waits for
//! many of its parts at a time, where a loop with a pixel's arithmetic would wait for each.

use onair_essence::video::{Appearance, Chroma, Depth};

use super::rgb::Shades;
use crate::picture::Picture;
use crate::row::{Row, eight, ten};

/// A picture of `width` and `height` pixels: red, green and blue, 8 bits each, line after line, as
/// [`rgb8`](crate::rgb8) makes it. `pgroups` are the rows of `picture`, which is a frame, or those of one of its fields.
/// A pixel is the mean of the pixel group in its middle. `None`: samples are floating point numbers, or there is no row,
/// or the size has no pixel.
#[must_use]
pub fn rgb8_small(
    picture: &Picture,
    said: Appearance,
    pgroups: &[u8],
    (width, height): (usize, usize),
) -> Option<Vec<u8>> {
    let rows = (pgroups.len() / picture.row_bytes()).min(picture.rows);
    if picture.depth.is_float() || rows == 0 || width == 0 || height == 0 {
        return None;
    }
    let shades = Shades::of(picture, said);
    let mut columns = Columns::of(picture, width);
    let mut row = vec![0; picture.row_bytes()];
    let mut out = vec![0; 3 * width * height];
    for (y, line) in out.chunks_exact_mut(3 * width).enumerate() {
        let from = (2 * y + 1) * rows / (2 * height) * picture.row_bytes();
        row.copy_from_slice(&pgroups[from..from + picture.row_bytes()]);
        columns.read(&row);
        for (rgb, [first, second, third]) in line.chunks_exact_mut(3).zip(&columns.samples) {
            rgb.copy_from_slice(&shades.pixel(*first, *second, *third));
        }
    }
    Some(out)
}

/// The samples of a line of the small picture, and where they are in a row.
struct Columns<'a> {
    picture: &'a Picture,
    /// First byte of each pixel's group.
    at: Vec<usize>,
    /// Of each pixel, by component as in [`Row`].
    samples: Vec<[u16; 3]>,
}

impl<'a> Columns<'a> {
    fn of(picture: &'a Picture, width: usize) -> Self {
        let (bytes, all) = (picture.pgroup.bytes as usize, picture.columns());
        let at = (0..width).map(|x| (2 * x + 1) * all / (2 * width) * bytes);
        Self {
            picture,
            at: at.collect(),
            samples: vec![[0; 3]; width],
        }
    }

    fn read(&mut self, row: &[u8]) {
        match (self.picture.sampling.chroma(), self.picture.depth) {
            (Chroma::Half, Depth::Eight) => {
                self.read_each(row, |it| half(eight(it)));
            }
            (Chroma::Half, Depth::Ten) => self.read_each(row, |it| half(ten(it))),
            _ => {
                let group = self.picture.one_group();
                let mut samples = Row::new(&group);
                self.read_each(row, |it| {
                    samples.read(&group, it);
                    means(&samples)
                });
            }
        }
    }

    #[inline]
    fn read_each(&mut self, row: &[u8], mut mean: impl FnMut(&[u8]) -> [u16; 3]) {
        let bytes = self.picture.pgroup.bytes as usize;
        for (at, samples) in self.at.iter().zip(&mut self.samples) {
            *samples = mean(&row[*at..*at + bytes]);
        }
    }
}

/// The mean of Cb, Y0, Cr, Y1.
#[inline]
fn half([cb, y0, cr, y1]: [u16; 4]) -> [u16; 3] {
    // Less than 16 bits each.
    [(y0 + y1) / 2, cb, cr]
}

/// The means of a pixel group's samples, by component.
fn means(group: &Row) -> [u16; 3] {
    let components = [
        [&group.first[..], &group.lower],
        [&group.second, &[]],
        [&group.third, &[]],
    ];
    components.map(|samples| {
        let count = samples[0].len() + samples[1].len();
        let sum: usize = samples
            .into_iter()
            .flatten()
            .copied()
            .map(usize::from)
            .sum();
        let mean = sum.checked_div(count).unwrap_or(0);
        u16::try_from(mean).expect("the mean of samples of 16 bits")
    })
}

#[cfg(test)]
mod tests {
    use onair_essence::video::{Depth, Sampling};

    use super::*;
    use crate::rgb8;

    const UNKNOWN: Appearance = Appearance::UNKNOWN;

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
