//! One unit in assembly.

use onair_mutant::mutant;

use super::staged::{Staged, Waiting};
use super::{Malformed, contradiction};
use crate::ancillary::unit::Signalled;
use crate::jpeg_xs::codestream::{END, HEAD_BYTES, HeaderError, UnitHeader};
use crate::jpeg_xs::rfc9134::PayloadHeader;
use crate::jpeg_xs::{JpegXsStream, PacketMode, tag};
use crate::receive::{MissingRange, Sink, UnitReport};
use crate::units::Assembly;

/// Fewest bytes of a packet by which the packets of a unit are estimated.
const SMALL_PACKET: usize = 256;
/// Sequence numbers that may be missing between two units, at least and at most.
const GAPS: (u64, u64) = (1 << 10, 1 << 15);

/// A payload: its header and its part of the codestream.
type Part<'a> = (PayloadHeader, &'a [u8]);

/// The packets of a unit. They have no offsets: each goes behind the one before it, and waits for that.
#[derive(Debug)]
pub struct CodestreamAssembly {
    stream: JpegXsStream,
    field: Signalled,
    frame: u8,
    /// Place of the packet that comes next, and where its bytes go.
    next: u32,
    at: usize,
    /// The last bytes before it.
    tail: [u8; 2],
    /// Sequence number of the packet before it.
    last: u64,
    /// The start of the unit.
    head: Box<[u8; HEAD_BYTES]>,
    /// It agrees with the format.
    header: Option<UnitHeader>,
    staged: Staged,
    /// Bytes of a full packet.
    full: usize,
    /// Bytes of the last complete unit.
    usual: usize,
}

impl CodestreamAssembly {
    pub(super) fn new(stream: &JpegXsStream) -> Self {
        let bytes = stream.bytes as usize;
        Self {
            stream: stream.clone(),
            field: Signalled::Frame,
            frame: 0,
            next: 0,
            at: 0,
            tail: [0; 2],
            last: 0,
            head: Box::new([0; HEAD_BYTES]),
            header: None,
            staged: Staged::new(bytes, bytes / SMALL_PACKET + 64),
            full: 0,
            usual: 0,
        }
    }

    /// Bytes of the whole unit, if its header says it.
    fn wanted(&self) -> Option<usize> {
        self.header.as_ref().and_then(UnitHeader::unit_bytes)
    }

    /// Puts a packet behind the ones before it. `ends`: it is the last one of the codestream.
    fn append<S: Copy>(
        &mut self,
        data: &[u8],
        ends: bool,
        slot: S,
        sink: &mut impl Sink<Slot = S>,
    ) -> Result<(), Malformed> {
        let end = self.at + data.len();
        if end > self.stream.bytes as usize {
            return Err(Malformed::TooLarge);
        }
        let header = self.read_head(data, ends)?;
        let of = header.as_ref().or(self.header.as_ref());
        check_length(of, end, ends)?;
        self.header = header.or(self.header.take());
        sink.write(slot, self.at, data);
        self.at = end;
        self.tail = match data {
            [.., a, b] => [*a, *b],
            [a] => [self.tail[1], *a],
            [] => self.tail,
        };
        Ok(())
    }

    /// Reads the headers of the unit when they are there, and were not before.
    fn read_head(&mut self, data: &[u8], ends: bool) -> Result<Option<UnitHeader>, Malformed> {
        if self.header.is_some() || self.at >= HEAD_BYTES {
            return Ok(None);
        }
        let end = HEAD_BYTES.min(self.at + data.len());
        self.head[self.at..end].copy_from_slice(&data[..end - self.at]);
        self.check_head(&self.head[..end], self.field, ends)
    }

    /// The headers of a unit of this field that begins so, if they are all there.
    fn check_head(
        &self,
        head: &[u8],
        field: Signalled,
        ends: bool,
    ) -> Result<Option<UnitHeader>, Malformed> {
        match UnitHeader::parse(head) {
            Ok(header) => {
                if let Some(other) = contradiction(&self.stream, &header, field.field()) {
                    return Err(other);
                }
                let bytes = self.stream.bytes as usize;
                if header.unit_bytes().is_some_and(|it| it > bytes) {
                    return Err(Malformed::TooLarge);
                }
                Ok(Some(header))
            }
            Err(HeaderError::Short) if head.len() < HEAD_BYTES && !ends => Ok(None),
            Err(_) => Err(Malformed::BadHeader),
        }
    }

    /// Appends the packets that waited for the last one. One that does not fit is not of the unit: if none has its place, those
    /// behind it go on to wait.
    fn append_waiting<S: Copy>(&mut self, slot: S, sink: &mut impl Sink<Slot = S>) {
        let next_number = |it: &Self| it.last + u64::from(it.stream.in_order);
        // Each turn takes one of those that wait.
        while let Some(waiting) = self.staged.take(self.next, next_number(self)) {
            if waiting.place < self.next {
                continue;
            }
            // Its bytes stay where they are until the next unit.
            let staged = std::mem::replace(&mut self.staged, Staged::new(0, 0));
            let appended = self.append(staged.bytes(waiting), false, slot, sink);
            self.staged = staged;
            if appended.is_ok() {
                (self.next, self.last) = (waiting.next, waiting.number);
            }
        }
    }

    /// Packets that are probably missing before one that waits.
    fn lost_before(&self, waiting: Waiting) -> u64 {
        let lost = match (self.stream.in_order, self.stream.mode) {
            _ if waiting.place == self.next => return 0,
            (true, _) if self.at > 0 => waiting.number.saturating_sub(self.last + 1),
            (true, PacketMode::Codestream) => waiting.place.into(),
            _ => 1,
        };
        lost.max(1)
    }

    /// Notes bytes that did not arrive.
    fn miss(&self, report: &mut UnitReport, len: usize) {
        if len == 0 {
            return;
        }
        report.bytes_missing += len;
        if let Some(place) = report.listed.get_mut(report.listed_count) {
            *place = MissingRange {
                offset: self.at,
                len,
            };
            report.listed_count += 1;
        }
    }

    /// Puts the packets that still wait behind gaps as long as the lost packets probably were.
    fn append_behind_gaps<S: Copy>(
        &mut self,
        report: &mut UnitReport,
        slot: S,
        sink: &mut impl Sink<Slot = S>,
    ) {
        let most = self.wanted().unwrap_or(self.stream.bytes as usize);
        // Each turn takes one of those that wait.
        while let Some(waiting) = self.staged.take(u32::MAX, 0) {
            if waiting.place < self.next {
                continue;
            }
            let gap = usize::try_from(self.lost_before(waiting)).unwrap_or(usize::MAX);
            let gap = gap.saturating_mul(self.full.max(1));
            let data = self.staged.bytes(waiting);
            let at = self.at.saturating_add(gap);
            if at.saturating_add(data.len()) > most {
                return;
            }
            sink.write(slot, at, data);
            let end = at + data.len();
            self.miss(report, gap);
            self.at = end;
            (self.next, self.last) = (waiting.next, waiting.number);
        }
    }
}

/// Whether so many bytes of a unit, which ends with them or not, can be all that came.
fn check_length(header: Option<&UnitHeader>, bytes: usize, ends: bool) -> Result<(), Malformed> {
    match header.and_then(UnitHeader::unit_bytes) {
        // The end of a codestream, and not only a marker that comes early.
        Some(wanted) if bytes > wanted || ends && bytes < wanted => Err(Malformed::BadLength),
        _ => Ok(()),
    }
}

impl Assembly for CodestreamAssembly {
    type Part<'a> = Part<'a>;
    type Malformed = Malformed;

    /// The last packet says that it is the last one.
    const ENDS_BY_MARKER: bool = false;

    fn gap(&self) -> u64 {
        let packets = u64::from(self.stream.bytes) / SMALL_PACKET as u64;
        (4 * packets).clamp(GAPS.0, GAPS.1)
    }

    fn parse<'a>(&self, payload: &'a [u8], marker: bool) -> Result<Part<'a>, Malformed> {
        let (header, data) = PayloadHeader::parse(payload)?;
        if (header.mode, header.in_order) != (self.stream.mode, self.stream.in_order) {
            return Err(Malformed::OtherMode);
        }
        if (header.field != Signalled::Frame) != self.stream.interlaced {
            return Err(Malformed::OtherScan);
        }
        if data.len() > self.stream.bytes as usize {
            return Err(Malformed::TooLarge);
        }
        if header.place() == 0 {
            // Before it can open a unit.
            let head = &data[..data.len().min(HEAD_BYTES)];
            let is_last = header.ends(marker) && data.ends_with(&END);
            let ends = is_last && self.stream.in_order;
            let unit = self.check_head(head, header.field, ends)?;
            check_length(unit.as_ref(), data.len(), ends)?;
        }
        Ok((header, data))
    }

    fn begin(&mut self, (header, _): Part<'_>) {
        (self.field, self.frame) = (header.field, header.frame);
        (self.next, self.at, self.last) = (0, 0, 0);
        (self.header, self.tail) = (None, [0; 2]);
        self.staged.clear();
    }

    /// A whole codestream counts its packets from its start.
    fn first_number(&self, (header, _): Part<'_>, number: u64) -> Option<u64> {
        match header.mode {
            PacketMode::Codestream => number.checked_sub(header.place().into()),
            PacketMode::Slice => None,
        }
    }

    /// Of packets in order, numbers grow as places do: in a packetization unit by as much.
    fn check(&self, (header, _): Part<'_>, number: u64) -> Result<(), Malformed> {
        let (place, expected) = (header.place(), self.last + 1);
        let agrees = match header.counts_from(self.next) {
            // L does not say that the slice before is over.
            false if header.begins_after(self.next) => number >= expected,
            true => number + u64::from(self.next) == expected + u64::from(place),
            false if place > self.next => number > expected,
            false => number < expected,
        };
        let is_known = self.stream.in_order && self.at > 0;
        match agrees || !is_known || mutant!("jpeg xs: a number need not agree with its place") {
            true => Ok(()),
            false => Err(Malformed::BadCounter),
        }
    }

    fn ends(&self, (header, _): Part<'_>, marker: bool) -> bool {
        header.ends(marker)
    }

    fn is_all(&self) -> Option<bool> {
        self.wanted().map(|it| it == self.at)
    }

    fn take<S: Copy>(
        &mut self,
        (header, data): Part<'_>,
        (number, marker): (u64, bool),
        slot: S,
        sink: &mut impl Sink<Slot = S>,
    ) -> Result<(), Malformed> {
        let is_of_unit = (header.field, header.frame) == (self.field, self.frame);
        let (place, next) = (header.place(), header.next_place());
        if !is_of_unit || place < self.next {
            return Err(Malformed::BadCounter);
        }
        // The number says that nothing is missing before it.
        let is_next = self.stream.in_order && self.at > 0 && number == self.last + 1;
        if place > self.next && !is_next {
            if !self.staged.add((place, next), number, data) {
                // Small ones, which wait for what is lost.
                return Err(match self.staged.is_full() {
                    true => Malformed::BadCounter,
                    false => Malformed::TooLarge,
                });
            }
        } else {
            let is_last = header.ends(marker) && data.ends_with(&END);
            let ends = is_last && self.stream.in_order && self.staged.is_empty();
            self.append(data, ends, slot, sink)?;
            (self.next, self.last) = (next, number);
            self.append_waiting(slot, sink);
        }
        if !header.last {
            self.full = data.len();
        }
        Ok(())
    }

    fn stands(&self) -> usize {
        self.at
    }

    /// The bytes of the whole unit are not known yet.
    fn tag(&self) -> u32 {
        tag::of(self.field.field(), 0)
    }

    /// A unit is complete by itself: its packets count from its start.
    fn finish<S: Copy>(
        &mut self,
        report: &mut UnitReport,
        is_whole: bool,
        slot: S,
        sink: &mut impl Sink<Slot = S>,
    ) {
        let wanted = self.wanted();
        let is_length = wanted.map_or(self.tail == END, |it| it == self.at);
        let is_read = self.header.is_some() && self.staged.is_empty();
        report.complete = is_whole && is_read && is_length;
        if report.complete {
            self.usual = self.at;
        } else {
            self.append_behind_gaps(report, slot, sink);
            let usual = wanted.unwrap_or(self.usual);
            self.miss(report, usual.saturating_sub(self.at));
            if report.bytes_missing == 0 && !report.wrong_format {
                // At least: it is unknown how many.
                report.bytes_missing = self.full.max(1);
            }
        }
        report.tag = tag::of(self.field.field(), self.at);
    }
}
