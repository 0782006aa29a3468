//! The raster, as the headers of ST 2110-20 payloads show it.

use crate::measure::Kinds;
use crate::video::st2110_20::{SrdHeader, SrdHeaders};

/// Units with so many rows are of a picture, however many are missing.
const MOST_LINES: u64 = 16;

/// The raster as far as its packets show it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Raster {
    /// Packets whose headers are valid.
    pub valid: u64,
    /// Packets whose headers are not.
    pub invalid: u64,
    /// Of the valid ones, packets with bytes of a row.
    pub(super) filled: u64,
    /// Of these, packets without further bytes.
    pub(super) exact: u64,
    /// Packets of second fields or segments.
    pub second_field: u64,
    /// Rows, or parts of them.
    rows: u64,
    /// Packets with more than one row.
    pub continued: u64,
    /// Of first fields or frames, and of second fields or segments: a frame of an odd height has a line less there. Of the
    /// unit that comes, and of those before.
    highest_line: [Option<u16>; 2],
    highest_lines: [Kinds<u16>; 2],
    /// Pixels and bytes between two rows of the same line, in lowest terms.
    pgroups: Kinds<(u16, u16)>,
    /// The largest sum of a row's offset, in pixels, and its bytes: of the unit that comes, and of those before.
    widest: (u16, u16),
    widths: Kinds<(u16, u16)>,
    last: Option<SrdHeader>,
    /// Timestamp and field bit of the packet before.
    before: Option<(u32, bool)>,
    /// How often the field bit changed within a timestamp, and with it.
    changes: [u64; 2],
    /// Bytes of each row; 0: it does not begin a line.
    whole: Kinds<u16>,
}

impl Raster {
    /// Adds a payload; `payload_bytes` are its bytes on the wire. `is_next`: none is missing before it.
    pub fn add(&mut self, (payload, payload_bytes): (&[u8], usize), timestamp: u32, is_next: bool) {
        self.last = self.last.filter(|_| is_next);
        if self.before.is_some_and(|it| it.0 != timestamp) {
            self.end_unit();
        }
        let parsed = SrdHeaders::parse(payload, payload_bytes, |row| {
            if row.length > 0 {
                self.row(*row);
            }
            Ok(())
        });
        let Ok(headers) = parsed else {
            self.invalid += 1;
            return;
        };
        self.valid += 1;
        self.filled += u64::from(headers.announced > 0);
        let is_exact = headers.announced > 0 && headers.end() == payload_bytes;
        self.exact += u64::from(is_exact);
        self.continued += u64::from(headers.count > 1);
        let field = headers.first.field;
        self.second_field += u64::from(field);
        if let Some((before, last)) = self.before.replace((timestamp, field))
            && last != field
        {
            self.changes[usize::from(before != timestamp)] += 1;
        }
    }

    fn end_unit(&mut self) {
        for (highest, all) in self.highest_line.iter_mut().zip(&mut self.highest_lines) {
            highest.take().into_iter().for_each(|line| all.add(line));
        }
        self.widths.add(std::mem::take(&mut self.widest));
    }

    fn row(&mut self, row: SrdHeader) {
        let highest = &mut self.highest_line[usize::from(row.field)];
        *highest = (*highest).max(Some(row.line));
        self.rows += 1;
        self.whole.add(if row.pixel == 0 { row.length } else { 0 });
        if (row.pixel, row.length) > self.widest {
            self.widest = (row.pixel, row.length);
        }
        if let Some(last) = self.last
            && (last.line, last.field) == (row.line, row.field)
            && row.pixel > last.pixel
        {
            let pixels = row.pixel - last.pixel;
            let common = gcd(pixels, last.length);
            self.pgroups.add((pixels / common, last.length / common));
        }
        self.last = Some(row);
    }

    /// Whether the second fields have the timestamps of the first ones: they are segments.
    pub(super) const fn is_segmented(&self) -> bool {
        let [within, between] = self.changes;
        within > 0 && 2 * within >= between
    }

    /// Whether `units` frames or fields can have come, with a part of each of their lines at least: half of them, as
    /// packets may be lost. Payloads of other formats seem to be a row of a high number.
    pub(super) fn can_be_of(&self, units: u64) -> bool {
        let fields = if self.interlaced() { 2 } else { 1 };
        let lines = u64::from(self.height()) / fields;
        let lines = lines.min(MOST_LINES);
        // The first unit, and the last one, may be parts.
        let whole = units.saturating_sub(1);
        self.rows * 2 >= lines * whole
    }

    /// Whether the stream has fields or segments.
    #[must_use]
    pub const fn interlaced(&self) -> bool {
        8 * self.second_field > self.valid
    }

    /// Lines of a frame, of both fields together.
    #[must_use]
    pub fn height(&self) -> u32 {
        let [first, second] = [0, 1].map(|field| {
            let usual = self.highest_lines[field].usual().map(|it| *it.0);
            let line = usual.or(self.highest_line[field])?;
            Some(u32::from(line) + 1)
        });
        match [first, second.filter(|_| self.interlaced())] {
            [Some(first), Some(second)] => first + second,
            // The other fields have as many.
            [None, Some(second)] => 2 * second,
            [first, None] => first.unwrap_or(1),
        }
    }

    /// Pixels and bytes of the smallest group in whole numbers.
    #[must_use]
    pub fn pgroup(&self) -> Option<(u16, u16)> {
        self.pgroups.usual().map(|it| *it.0)
    }

    /// Bytes of a line, where each row is a whole one.
    #[must_use]
    pub fn line_bytes(&self) -> Option<u32> {
        let whole = self.whole.nearly_all().map(|it| u32::from(*it));
        whole.filter(|it| *it > 0)
    }

    /// Pixels of a line.
    #[must_use]
    pub fn width(&self) -> Option<u32> {
        let (pixels, bytes) = self.pgroup()?;
        let (start, length) = self.widths.usual().map_or(self.widest, |it| *it.0);
        let tail = u32::from(length) * u32::from(pixels) / u32::from(bytes.max(1));
        Some(u32::from(start) + tail)
    }
}

const fn gcd(a: u16, b: u16) -> u16 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    if a == 0 { 1 } else { a }
}
