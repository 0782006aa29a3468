//! Rectangles and characters in a picture.

use std::ops::Range;

use super::glyphs;

/// Red, green and blue.
pub(super) type Colour = [u8; 3];

/// Pixels of a character's pixel, along each side.
const SCALE: usize = 2;
/// Pixels from a character to the next one.
pub(super) const ADVANCE: usize = (glyphs::SIZE.0 + 1) * SCALE;
/// Lines of a character.
pub(super) const TEXT_LINES: usize = glyphs::SIZE.1 * SCALE;

/// A picture. What is drawn beyond it is cut off.
#[derive(Debug)]
pub(super) struct Canvas {
    columns: usize,
    lines: usize,
    pub(super) rgb: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(columns: usize, lines: usize, colour: Colour) -> Self {
        Self {
            columns,
            lines,
            rgb: colour.repeat(columns * lines),
        }
    }

    pub(super) fn fill(&mut self, columns: Range<usize>, lines: Range<usize>, colour: Colour) {
        let columns = columns.start..columns.end.min(self.columns);
        for line in lines.start..lines.end.min(self.lines) {
            for column in columns.clone() {
                let at = (line * self.columns + column) * 3;
                self.rgb[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// Writes from this column on, below this line.
    pub(super) fn text(&mut self, (column, line): (usize, usize), text: &str, colour: Colour) {
        for (number, character) in text.chars().enumerate() {
            let left = column + number * ADVANCE;
            for (down, bits) in glyphs::lines(character).into_iter().enumerate() {
                for right in 0..glyphs::SIZE.0 {
                    if bits >> (glyphs::SIZE.0 - 1 - right) & 1 == 1 {
                        let (x, y) = (left + right * SCALE, line + down * SCALE);
                        self.fill(x..x + SCALE, y..y + SCALE, colour);
                    }
                }
            }
        }
    }
}
