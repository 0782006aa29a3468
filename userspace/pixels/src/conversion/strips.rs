//! Converts a buffer of pixel groups to another layout, a strip of lines at a time.
//!
//! A strip and its pixels stay in the processor's cache. Frame memory is shared with clients, so it is
//! copied from and to, and never borrowed.

use super::Conversion;
use crate::{Plane, unpack};

/// Bytes of a strip's pixel groups, about: half of a usual second-level cache has two of them.
const LONG: usize = 128 * 1024;
/// The same beside packets, which wait for the strip: some µs. Planar layouts then take a quarter more time.
const SHORT: usize = 16 * 1024;

/// Converts, with memory for one strip.
#[derive(Debug)]
pub struct Strips {
    conversion: Conversion,
    /// Lines of a long and of a short strip, whole rows of pixel groups.
    lines: [u32; 2],
    is_short: bool,
    pgroups: Vec<u8>,
    pixels: Vec<u8>,
}

impl Strips {
    /// Long strips.
    #[must_use]
    pub fn new(conversion: Conversion) -> Self {
        let whole = conversion.largest();
        let rows = whole.bytes() / whole.row_bytes();
        let lines_in_row = u32::try_from(whole.lines() / rows).unwrap_or(1);
        let lines = [LONG, SHORT].map(|bytes| {
            let rows = (bytes / whole.row_bytes()).clamp(1, rows);
            u32::try_from(rows).unwrap_or(u32::MAX) * lines_in_row
        });
        let strip = conversion.picture(lines[0]).unwrap_or(whole);
        Self {
            conversion,
            lines,
            is_short: false,
            pgroups: vec![0; strip.bytes()],
            pixels: vec![0; conversion.layout().planes(&strip).bytes],
        }
    }

    /// Makes the strips short, or long.
    pub const fn shorten(&mut self, is_short: bool) {
        self.is_short = is_short;
    }

    /// Converts the next strip of a picture. `read` copies its pixel groups from an offset on, `write` gets the
    /// pixels of each part of a plane with their offset.
    pub fn convert_next(
        &mut self,
        progress: &mut Progress,
        read: impl Fn(usize, &mut [u8]),
        write: impl Fn(usize, &[u8]),
    ) {
        let Progress { lines, done, from } = *progress;
        let now = self.lines[usize::from(self.is_short)].min(lines - done);
        let layout = self.conversion.layout();
        let of = |lines| self.conversion.picture(lines);
        let Some((whole, strip)) = of(lines).zip(of(now)) else {
            progress.done = lines;
            return;
        };
        let planes = layout.planes(&whole);
        let parts = layout.planes(&strip);
        let pgroups = &mut self.pgroups[..strip.bytes()];
        let pixels = &mut self.pixels[..parts.bytes];
        read(from, pgroups);
        unpack(&strip, pgroups, layout, pixels)
            .expect("the layout holds the picture, and the memory is of its size");
        for (plane, part) in planes.all().iter().zip(parts.all()) {
            let at = plane.offset + first_line(part, now, done) * plane.stride;
            write(
                at,
                &pixels[part.offset..part.offset + part.stride * part.lines],
            );
        }
        *progress = Progress {
            lines,
            done: done + now,
            from: from + strip.bytes(),
        };
    }
}

/// The plane's line that a strip begins with: a plane may have half of the picture's lines.
fn first_line(part: &Plane, strip_lines: u32, done: u32) -> usize {
    done as usize * part.lines / strip_lines as usize
}

/// How far a picture is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub(crate) lines: u32,
    pub(crate) done: u32,
    /// Bytes of pixel groups of the lines that are done.
    pub(crate) from: usize,
}

impl Progress {
    /// Nothing of a picture of so many lines.
    #[must_use]
    pub(crate) const fn of(lines: u32) -> Self {
        Self {
            lines,
            done: 0,
            from: 0,
        }
    }

    /// Whether the whole picture is converted.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.done == self.lines
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use onair_essence::video::{Depth, FrameRate, Sampling, Scan};

    use super::*;
    use crate::{Picture, PixelFormat};
    use onair_essence::video::VideoFormat;

    fn convert(
        strips: &mut Strips,
        lines: u32,
        read: impl Fn(usize, &mut [u8]),
        write: impl Fn(usize, &[u8]),
    ) {
        let mut progress = Progress::of(lines);
        while !progress.is_over() {
            strips.convert_next(&mut progress, &read, &write);
        }
    }

    fn samples(bytes: usize) -> Vec<u8> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..bytes).map(|_| next()).collect()
    }

    fn all_layouts(width: u32, lines: u32) -> Vec<(VideoFormat, Picture, PixelFormat)> {
        let samplings = [
            Sampling::YCbCr422,
            Sampling::YCbCr420,
            Sampling::YCbCr444,
            Sampling::Rgb,
            Sampling::Key,
        ];
        let depths = [8, 10, 12, 16].map(|bits| Depth::from_bits(bits, false).unwrap());
        let mut all = Vec::new();
        for (sampling, depth) in samplings
            .into_iter()
            .flat_map(|it| depths.map(|depth| (it, depth)))
        {
            let (size, rate) = ((width, lines), FrameRate::new(25, 1).unwrap());
            let Ok(format) = VideoFormat::of(size, (sampling, depth), Scan::Progressive, rate)
            else {
                continue;
            };
            let picture = Picture::of(&format, lines).unwrap();
            all.extend(PixelFormat::of(&picture).map(|layout| (format, picture, layout)));
        }
        all
    }

    #[test]
    fn picture_converted_in_strips_then_as_converted_at_once() {
        let mut seen = 0;
        for (width, lines) in [(1920, 270), (1922, 62), (64, 2), (8192, 36)] {
            for (format, picture, layout) in all_layouts(width, lines) {
                let pgroups = samples(picture.bytes());
                let mut expected = vec![0; layout.planes(&picture).bytes];
                unpack(&picture, &pgroups, layout, &mut expected).unwrap();
                let mut strips = Strips::new(Conversion::new(&format, layout).unwrap());
                for is_short in [false, true] {
                    strips.shorten(is_short);
                    let pixels = RefCell::new(vec![0xEE; expected.len()]);
                    convert(
                        &mut strips,
                        lines,
                        |at, bytes| bytes.copy_from_slice(&pgroups[at..at + bytes.len()]),
                        |at, bytes| {
                            pixels.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes)
                        },
                    );
                    assert!(*pixels.borrow() == expected, "{format} in {layout}");
                }
                seen += 1;
            }
        }
        assert!(seen >= PixelFormat::ALL.len(), "{seen}");
    }

    #[test]
    fn second_field_of_an_odd_height_then_a_line_less() {
        let (samples, rate) = (
            (Sampling::YCbCr422, Depth::Ten),
            FrameRate::new(25, 1).unwrap(),
        );
        let format = VideoFormat::of((1920, 487), samples, Scan::Interlaced, rate).unwrap();
        let mut strips = Strips::new(Conversion::new(&format, PixelFormat::V210).unwrap());
        let end = RefCell::new((0, 0));
        let read = |at: usize, bytes: &mut [u8]| {
            bytes.fill(0);
            end.borrow_mut().0 = at + bytes.len();
        };
        let write = |at: usize, bytes: &[u8]| end.borrow_mut().1 = at + bytes.len();
        convert(&mut strips, 243, read, write);
        assert_eq!(*end.borrow(), (1920 * 5 / 2 * 243, 5120 * 243));
    }
}
