//! Small pictures of captured frames, one JPEG after the other (Motion JPEG). Of two fields, the first one.
//!
//! Each has the time of its first packet in an APP15 segment: `onair` and nanoseconds since 1970, in decimal digits.

use jpeg_encoder::{ColorType, Encoder, EncodingError};
use onair_essence::receive::{Depacketise as _, Sink, UnitReport};
use onair_essence::survey::Link;
use onair_essence::video::assembly::Assembler;
use onair_essence::video::{Appearance, tag};
use onair_pixels::export::{Destinations, FrameCounts, PacketCounts, Packets};
use onair_pixels::{FrameStream, Picture, rgb8_small};

use crate::document::export::Exported;
use crate::failure::export::ExportError;

/// Of 100: more is not visible in a small picture.
const QUALITY: u8 = 72;
/// Number of the APP segment.
const SEGMENT: u8 = 15;

/// Makes pictures of the frames of one stream.
pub(super) struct Pictures {
    facts: Vec<(&'static str, String)>,
    assembler: Assembler<usize>,
    frames: Frames,
    packets: Packets,
}

/// Buffers in assembly, and the pictures of those that are finished.
struct Frames {
    picture: Picture,
    said: Appearance,
    size: (u16, u16),
    slots: Vec<Box<[u8]>>,
    free: Vec<usize>,
    jpegs: Vec<u8>,
    counts: FrameCounts,
    /// Why there was a picture that could not be made.
    failed: Option<EncodingError>,
}

impl Sink for Frames {
    type Slot = usize;

    fn open(&mut self, _: u32) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let bytes = vec![0; self.picture.bytes()];
        self.slots.push(bytes.into_boxed_slice());
        Some(self.slots.len() - 1)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.slots[slot][offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        self.free.push(slot);
        if report.tag == tag::SECOND_FIELD {
            return;
        }
        if !report.complete {
            self.counts.incomplete += 1;
            return;
        }
        match self.encode(slot, report) {
            Ok(()) => self.counts.written += 1,
            Err(error) => self.failed = Some(error),
        }
    }
}

impl Frames {
    fn encode(&mut self, slot: usize, report: &UnitReport) -> Result<(), EncodingError> {
        let (width, height) = self.size;
        let rows = match report.tag {
            tag::FIRST_FIELD => self.picture.lines().div_ceil(2) * self.picture.row_bytes(),
            _ => self.picture.bytes(),
        };
        let size = (width.into(), height.into());
        let Some(rgb) = rgb8_small(&self.picture, self.said, &self.slots[slot][..rows], size)
        else {
            return Ok(());
        };
        let mut encoder = Encoder::new(&mut self.jpegs, QUALITY);
        let time = format!("onair{}", report.first_packet_ns);
        encoder.add_app_segment(SEGMENT, time.into_bytes())?;
        encoder.encode(&rgb, width, height, ColorType::Rgb)
    }
}

impl Pictures {
    /// Of pictures with so many pixels in a line, or those of a frame if that has fewer.
    pub(super) fn new(
        stream: &FrameStream<'_>,
        to: Destinations,
        width: u16,
    ) -> Result<Self, ExportError> {
        let assembler = stream.assembler().map_err(ExportError::NoPictures)?;
        let format = assembler.config().format;
        let picture = Picture::of(&format, format.height());
        let picture = picture.filter(|_| !format.depth().is_float());
        let picture = picture.ok_or(ExportError::Float)?;
        let said = stream.appearance();
        let (across, down) = said.pixel_aspect.map_or((1, 1), |it| it.ratio());
        let width = u16::try_from(format.width()).map_or(width, |it| it.min(width));
        let lines = u64::from(width) * u64::from(format.height()) * u64::from(down);
        let lines = lines / (u64::from(format.width()) * u64::from(across)).max(1);
        let height = u16::try_from(lines.clamp(2, 2 * u64::from(width))).unwrap_or(width);
        Ok(Self {
            facts: vec![
                ("width", width.to_string()),
                ("height", height.to_string()),
                ("frame_rate", format.rate().to_string()),
            ],
            assembler,
            frames: Frames {
                picture,
                said,
                size: (width, height),
                slots: Vec::new(),
                free: Vec::new(),
                jpegs: Vec::new(),
                counts: FrameCounts::default(),
                failed: None,
            },
            packets: Packets::new(stream, to),
        })
    }

    pub(super) fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }

    pub(super) fn packets(&self) -> PacketCounts {
        self.packets.counts().with(self.assembler.stats())
    }

    pub(super) fn packet(
        &mut self,
        at_ns: u64,
        link: Link,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ExportError> {
        self.packets
            .take(at_ns, (link, bytes), &mut self.assembler, &mut self.frames);
        self.take(out)
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        self.packets.end(&mut self.assembler, &mut self.frames);
        self.assembler.close(&mut self.frames);
        self.take(out)
    }

    fn take(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        out.append(&mut self.frames.jpegs);
        let failed = self.frames.failed.take();
        failed.map_or(Ok(()), |error| Err(ExportError::Picture(error)))
    }

    pub(super) fn count(&self, exported: &mut Exported) {
        exported.count_frames(&self.frames.counts);
    }
}
