//! Lines of JSON of captured ancillary data.

use onair_essence::ancillary::unit::{UNIT_BYTES, Unit};
use onair_essence::ancillary::{AncillaryLine, AncillaryReceiver};
use onair_essence::media_time::RtpClock;
use onair_essence::receive::{Depacketise as _, Sink, UnitReport};
use onair_essence::survey::Link;
use onair_pixels::FrameStream;
use onair_pixels::export::{Destinations, PacketCounts, Packets};

use crate::document::export::Exported;
use crate::failure::export::ExportError;

/// Seconds by which TAI is ahead of UTC, since 2017.
const TAI_AHEAD_NS: u64 = 37_000_000_000;
/// A timestamp further away from the capture is of another clock.
const SAME_CLOCK_NS: u64 = 10_000_000_000;

/// Makes lines of the units of one stream, incomplete ones included.
pub(super) struct Lines {
    facts: Vec<(&'static str, String)>,
    receiver: AncillaryReceiver<usize>,
    units: Units,
    packets: Packets,
}

/// Units in assembly: two at most. The others are lines.
struct Units {
    clock: RtpClock,
    slots: Vec<(bool, Vec<u8>)>,
    lines: Vec<u8>,
    units: u64,
}

impl Sink for Units {
    type Slot = usize;

    fn open(&mut self, _: u32) -> Option<usize> {
        let free = self.slots.iter().position(|(is_used, _)| !is_used);
        let slot = free.unwrap_or_else(|| {
            self.slots.push((true, vec![0; UNIT_BYTES]));
            self.slots.len() - 1
        });
        self.slots[slot].0 = true;
        Some(slot)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.slots[slot].1[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        let (is_used, bytes) = &mut self.slots[slot];
        *is_used = false;
        let unit = Unit::parse(bytes).expect("the receiver writes units");
        let tai_ns = report.first_packet_ns.saturating_add(TAI_AHEAD_NS);
        let time_ns = self.clock.nearest_ns(report.rtp_timestamp, tai_ns);
        let time_ns = Some(time_ns).filter(|it| it.abs_diff(tai_ns) <= SAME_CLOCK_NS);
        let line = AncillaryLine::new(&unit, report.rtp_timestamp, time_ns, report.complete);
        serde_json::to_writer(&mut self.lines, &line).expect("numbers and text are JSON");
        self.lines.push(b'\n');
        self.units += 1;
    }
}

impl Lines {
    pub(super) fn new(stream: &FrameStream<'_>, to: Destinations) -> Result<Self, ExportError> {
        let kind = stream.format.kind();
        let format = stream.format.ancillary();
        let format = format.ok_or_else(|| ExportError::NoAncillary(kind.standard()))?;
        let (rate, types) = (format.unit_rate(), stream.payload_types);
        let mut receiver = AncillaryReceiver::new(rate, types.first, stream.timeout_ns);
        receiver.set_payload_types(types);
        Ok(Self {
            facts: vec![("ancillary", format.to_string())],
            receiver,
            units: Units {
                clock: stream.clock,
                slots: Vec::new(),
                lines: Vec::new(),
                units: 0,
            },
            packets: Packets::new(stream, to),
        })
    }

    pub(super) fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }

    pub(super) fn packets(&self) -> PacketCounts {
        self.packets.counts().with(self.receiver.stats())
    }

    pub(super) fn packet(&mut self, at_ns: u64, link: Link, bytes: &[u8], out: &mut Vec<u8>) {
        self.packets
            .take(at_ns, (link, bytes), &mut self.receiver, &mut self.units);
        out.append(&mut self.units.lines);
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.packets.end(&mut self.receiver, &mut self.units);
        self.receiver.close(&mut self.units);
        out.append(&mut self.units.lines);
    }

    pub(super) const fn count(&self, exported: &mut Exported) {
        exported.frames = self.units.units;
    }
}
