//! A second of audio as a picture: a lane a channel, with its waveform and its level.

use std::ops::Range;

use super::{COLUMNS, Column, glyphs};
use crate::audio::AudioLevel;

const BACKGROUND: Colour = [0x10, 0x14, 0x1a];
const LANE: Colour = [0x1c, 0x24, 0x2e];
const AXIS: Colour = [0x48, 0x55, 0x64];
const TEXT: Colour = [0xe6, 0xea, 0xee];
const WAVE: Colour = [0x4f, 0xc3, 0xf7];
/// Samples that did not come, samples of full scale, and true peaks above it.
const BAD: Colour = [0xe5, 0x39, 0x35];
const MISSING: Colour = [0x5c, 0x1f, 0x1f];
/// Levels from -60, from -18 and from -6 dBFS on.
const ZONES: [(i32, Colour); 3] = [
    (-6000, [0x3d, 0xb3, 0x5a]),
    (-1800, [0xe0, 0xb8, 0x3a]),
    (-600, [0xe0, 0x6c, 0x3a]),
];
/// Mean level, below the peak.
const RMS: Colour = [0x9f, 0xe0, 0xb0];

const MARGIN: usize = 8;
const TOP: usize = MARGIN + TEXT_LINES + MARGIN;
const LEFT: usize = MARGIN + 3 * ADVANCE;
/// The meter: where it begins, its width, and its lowest level in hundredths of dBFS.
const METER: usize = LEFT + COLUMNS + 2 * MARGIN;
const METER_COLUMNS: usize = 240;
const LOWEST: i32 = -6000;
const NUMBER: usize = METER + METER_COLUMNS + MARGIN;
const WIDTH: usize = NUMBER + 6 * ADVANCE + MARGIN;
const BETWEEN: usize = 4;
/// Largest magnitude of a 24-bit sample, and of one of 16 bits as such.
const FULL: i64 = 1 << 23;
const FULL_OF_16_BITS: i64 = FULL - (1 << 8);
/// Pixels of a character's pixel, along each side.
const SCALE: usize = 2;
/// Pixels from a character to the next one.
pub(super) const ADVANCE: usize = (glyphs::SIZE.0 + 1) * SCALE;
/// Lines of a character.
pub(super) const TEXT_LINES: usize = glyphs::SIZE.1 * SCALE;

/// Lines of a lane.
const fn lane_lines(channels: usize) -> usize {
    match channels {
        ..=8 => 64,
        9..=16 => 40,
        _ => 20,
    }
}

/// The picture of the channels: pixels of a line, lines, and red, green and blue of each.
pub(super) fn draw(channels: &[(&[Column], AudioLevel)]) -> ((usize, usize), Vec<u8>) {
    let lane = lane_lines(channels.len());
    let lines = TOP + channels.len() * (lane + BETWEEN) + MARGIN;
    let mut canvas = Canvas::new(WIDTH, lines, BACKGROUND);
    scales(&mut canvas, lines - MARGIN);
    for (number, (columns, level)) in channels.iter().enumerate() {
        let top = TOP + number * (lane + BETWEEN);
        let text_top = top + (lane - TEXT_LINES) / 2;
        let label = format!("{:>2}", number + 1);
        canvas.text((MARGIN, text_top), &label, TEXT);
        wave(&mut canvas, (top, lane), columns);
        meter(&mut canvas, (top, lane), level);
        let peak = level.peak_hundredths;
        let text = peak.map_or_else(|| "-".to_owned(), decibels);
        canvas.text((NUMBER, text_top), &format!("{text:>6}"), TEXT);
    }
    ((WIDTH, lines), canvas.rgb)
}

fn scales(canvas: &mut Canvas, bottom: usize) {
    canvas.text((LEFT, MARGIN), "0 s", TEXT);
    canvas.text((LEFT + COLUMNS - 3 * ADVANCE, MARGIN), "1 s", TEXT);
    for (hundredths, text) in [(-6000, "-60"), (-4000, "-40"), (-2000, "-20"), (0, "0")] {
        let at = METER + place(hundredths);
        let left = at.saturating_sub(text.len() * ADVANCE / 2).max(METER);
        canvas.text((left, MARGIN), text, TEXT);
        canvas.fill(at..at + 1, TOP - BETWEEN..bottom, AXIS);
    }
    canvas.text((NUMBER + 2 * ADVANCE, MARGIN), "dBFS", TEXT);
}

fn wave(canvas: &mut Canvas, (top, lane): (usize, usize), columns: &[Column]) {
    canvas.fill(LEFT..LEFT + COLUMNS, top..top + lane, LANE);
    let line = |sample: i32| {
        let down = (FULL - i64::from(sample)) * (lane as i64 - 1) / (2 * FULL);
        top + usize::try_from(down).unwrap_or(0).min(lane - 1)
    };
    canvas.fill(LEFT..LEFT + COLUMNS, line(0)..line(0) + 1, AXIS);
    for (number, column) in columns.iter().enumerate() {
        let at = LEFT + number..LEFT + number + 1;
        let Some((lowest, highest)) = column.range() else {
            canvas.fill(at, top..top + lane, MISSING);
            continue;
        };
        canvas.fill(at.clone(), line(highest)..line(lowest) + 1, WAVE);
        if i64::from(highest) >= FULL_OF_16_BITS {
            canvas.fill(at.clone(), top..top + 3, BAD);
        }
        if i64::from(lowest) <= -FULL {
            canvas.fill(at, top + lane - 3..top + lane, BAD);
        }
    }
}

fn meter(canvas: &mut Canvas, (top, lane): (usize, usize), level: &AudioLevel) {
    canvas.fill(METER..METER + METER_COLUMNS, top..top + lane, LANE);
    let end = level.peak_hundredths.map_or(0, place);
    for (number, (from, colour)) in ZONES.iter().enumerate() {
        let next = ZONES.get(number + 1).map_or(0, |it| it.0);
        let (from, to) = (place(*from).min(end), place(next).min(end));
        canvas.fill(METER + from..METER + to, top + 2..top + lane - 2, *colour);
    }
    let mean = level.rms_hundredths.map_or(0, place);
    canvas.fill(METER..METER + mean, top + lane - 8..top + lane - 4, RMS);
    if let Some(peak) = level.true_peak_hundredths {
        let at = METER + place(peak).min(METER_COLUMNS - 2);
        let colour = if peak > 0 { BAD } else { TEXT };
        canvas.fill(at..at + 2, top..top + lane, colour);
    }
}

/// Columns of the meter up to a level.
fn place(hundredths: i32) -> usize {
    let above = usize::try_from(hundredths.clamp(LOWEST, 0) - LOWEST).unwrap_or(0);
    above * METER_COLUMNS / LOWEST.unsigned_abs() as usize
}

fn decibels(hundredths: i32) -> String {
    format!("{:.1}", f64::from(hundredths) / 100.0)
}

/// Red, green and blue.
pub(super) type Colour = [u8; 3];

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
