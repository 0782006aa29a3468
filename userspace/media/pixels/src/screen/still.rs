//! One picture of a session's packets: the next complete frame, of interlaced video both fields of one; of audio the
//! waveform of the next second.

use onair_essence::Format;
use onair_essence::audio::waveform::{Waveform, WaveformFigures};
use onair_essence::receive::{Sink, UnitReport};
use onair_essence::video::assembly::Assembler;
use onair_essence::video::{Appearance, Colorimetry, Field, TransferCharacteristics, VideoFormat};

use super::rgb::rgb8;
use crate::weave::{are_of_one_frame, weave};
use crate::{FrameStream, NoFrames, Picture};

/// Frames in memory at a time: two in assembly, and a first field.
const FRAMES: usize = 3;

/// Why frames of a format are not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// It has none.
    #[error(transparent)]
    NoFrames(#[from] NoFrames),
    /// Packets of ancillary data are no picture.
    #[error("ancillary data has no picture: `onairctl session show` counts its packets by kind")]
    Data,
    /// The daemon has no decoder.
    #[error(
        "onaird does not decode JPEG XS: give the codestreams to a decoder (`onairsrc`, or a client)"
    )]
    Codestream,
    /// The samples are floating point numbers.
    #[error("floating point samples cannot be shown")]
    Float,
    /// The frame is too large.
    #[error("a frame has {bytes} bytes, more than the {most} of a snapshot")]
    Large {
        /// Bytes of a frame.
        bytes: usize,
        /// Most bytes.
        most: usize,
    },
}

/// A picture for the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Pixels in a line, and lines.
    pub size: (u32, u32),
    /// Red, green and blue of each pixel, 8 bits each, line by line.
    pub rgb: Vec<u8>,
    /// Appearance of the frame as the sender declares it.
    pub said: Appearance,
    /// The figures in a picture of audio.
    pub figures: Option<WaveformFigures>,
}

impl Shown {
    /// Pixels that a unit of length has across and down, if they are not square.
    #[must_use]
    pub fn pixels_a_unit(&self) -> Option<(u16, u16)> {
        let (width, height) = self.said.pixel_aspect?.ratio();
        (width != height).then_some((height, width))
    }

    /// Primaries and transfer characteristics as ITU-T H.273 numbers them; red, green and blue; full range. `None`:
    /// unknown, or BT.601 and BT.709, for which every viewer takes a picture.
    #[must_use]
    pub fn code_points(&self) -> Option<[u8; 4]> {
        let said = self.said.understood();
        let primaries = match said.colorimetry? {
            Colorimetry::Bt2020 | Colorimetry::Bt2100 => 9,
            _ => return None,
        };
        let transfer = match said.transfer? {
            TransferCharacteristics::Sdr => 14,
            TransferCharacteristics::Pq => 16,
            TransferCharacteristics::Hlg => 18,
            TransferCharacteristics::Linear => 8,
            _ => return None,
        };
        Some([primaries, transfer, 0, 1])
    }
}

/// Waits for what is shown.
#[derive(Debug)]
pub struct Still(Kind);

#[derive(Debug)]
enum Kind {
    Frame(Box<FrameStill>),
    Audio(Waveform),
}

impl Still {
    /// For packets of `stream`. A frame may have `most` bytes.
    ///
    /// # Errors
    /// [`NotShown`].
    pub fn new(stream: &FrameStream<'_>, most: usize) -> Result<Self, NotShown> {
        Ok(Self(match stream.format {
            Format::Video(_) => Kind::Frame(Box::new(FrameStill::new(stream, most)?)),
            Format::Audio(format) => Kind::Audio(Waveform::new(format, stream.payload_types)),
            Format::Ancillary(_) => return Err(NotShown::Data),
            Format::JpegXs(_) => return Err(NotShown::Codestream),
        }))
    }

    /// The event that it waits for, for people.
    #[must_use]
    pub const fn wanted(&self) -> &'static str {
        match self.0 {
            Kind::Frame(_) => "complete frame",
            Kind::Audio(_) => "whole second of audio",
        }
    }

    /// Takes an RTP packet, received at `now_ns`.
    pub fn packet(&mut self, now_ns: u64, rtp: &[u8]) {
        match &mut self.0 {
            Kind::Frame(frame) => frame.packet(now_ns, rtp),
            Kind::Audio(waveform) => waveform.packet(rtp),
        }
    }

    /// The picture of the first complete frame, or of the first second of audio.
    pub fn take(&mut self) -> Option<Shown> {
        match &mut self.0 {
            Kind::Frame(frame) => frame.take(),
            Kind::Audio(waveform) => {
                let picture = waveform.picture()?;
                let (columns, lines) = picture.size;
                Some(Shown {
                    size: (u32::try_from(columns).ok()?, u32::try_from(lines).ok()?),
                    rgb: picture.rgb,
                    said: Appearance::default(),
                    figures: Some(picture.figures),
                })
            }
        }
    }

    /// Frames, or fields, that were not complete.
    #[must_use]
    pub const fn incomplete(&self) -> u64 {
        match &self.0 {
            Kind::Frame(frame) => frame.frames.incomplete,
            Kind::Audio(_) => 0,
        }
    }
}

/// Waits for a frame.
#[derive(Debug)]
struct FrameStill {
    assembler: Assembler<usize>,
    said: Appearance,
    frames: Frames,
}

impl FrameStill {
    fn new(stream: &FrameStream<'_>, most: usize) -> Result<Self, NotShown> {
        let assembler = stream.assembler()?;
        let format = assembler.config().format;
        if format.depth().is_float() {
            return Err(NotShown::Float);
        }
        let bytes = whole(&format).bytes();
        if bytes > most {
            return Err(NotShown::Large { bytes, most });
        }
        Ok(Self {
            assembler,
            said: stream.appearance(),
            frames: Frames::new(format),
        })
    }

    fn packet(&mut self, now_ns: u64, rtp: &[u8]) {
        if self.frames.whole.is_none() {
            self.assembler.packet(rtp, now_ns, &mut self.frames);
        }
    }

    fn take(&mut self) -> Option<Shown> {
        let pgroups = self.frames.whole.take()?;
        let format = &self.frames.format;
        Some(Shown {
            size: (format.width(), format.height()),
            rgb: rgb8(&whole(format), self.said, &pgroups)?,
            said: self.said,
            figures: None,
        })
    }
}

/// The picture of a whole frame, of both fields together.
fn whole(format: &VideoFormat) -> Picture {
    Picture::of(format, format.height()).expect("a frame has whole pixel groups")
}

/// Memory of frames, and the first whole one.
#[derive(Debug)]
struct Frames {
    format: VideoFormat,
    slots: Vec<Vec<u8>>,
    free: Vec<usize>,
    /// Interlaced: the last complete first field, with its RTP timestamp.
    first: Option<(u32, usize)>,
    whole: Option<Vec<u8>>,
    incomplete: u64,
}

impl Frames {
    fn new(format: VideoFormat) -> Self {
        Self {
            format,
            slots: Vec::new(),
            free: Vec::new(),
            first: None,
            whole: None,
            incomplete: 0,
        }
    }

    fn are_of_one_frame(&self, first: u32, second: u32) -> bool {
        are_of_one_frame(self.format.rate(), first, second)
    }

    fn complete(&mut self, slot: usize, report: &UnitReport) {
        match (Field::of_tag(report.tag), self.first.take()) {
            (None, _) => self.whole = Some(std::mem::take(&mut self.slots[slot])),
            (Some(Field::First), before) => {
                self.free.extend(before.map(|(_, slot)| slot));
                self.first = Some((report.rtp_timestamp, slot));
            }
            (Some(Field::Second), Some((at, first)))
                if self.are_of_one_frame(at, report.rtp_timestamp) =>
            {
                let picture = whole(&self.format);
                let mut frame = vec![0; picture.bytes()];
                let woven = weave(&picture, &self.slots[first], &self.slots[slot], &mut frame);
                self.whole = woven.is_ok().then_some(frame);
                self.free.extend([first, slot]);
            }
            (Some(Field::Second), before) => {
                self.free.extend(before.map(|(_, slot)| slot));
                self.free.push(slot);
            }
        }
    }
}

impl Sink for Frames {
    type Slot = usize;

    fn open(&mut self, _: u32) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        if self.slots.len() == FRAMES {
            return None;
        }
        self.slots.push(vec![0; self.format.frame_bytes()]);
        Some(self.slots.len() - 1)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        // The memory of a whole frame was taken out.
        if let Some(place) = self.slots[slot].get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        if self.whole.is_some() {
            return;
        }
        if report.complete {
            self.complete(slot, report);
        } else {
            self.incomplete += 1;
            self.free.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use onair_essence::receive::{LISTED_RANGES, MissingRange};
    use onair_essence::video::{Depth, FrameRate, Sampling, Scan};

    use super::*;

    #[test]
    fn fields_of_different_frames_then_no_frame_until_a_pair() {
        let rate = FrameRate::new(25, 1).unwrap();
        let samples = (Sampling::YCbCr422, Depth::Eight);
        let format = VideoFormat::of((2, 4), samples, Scan::Interlaced, rate).unwrap();
        let mut frames = Frames::new(format);
        let mut finish = |ticks: u32, second_field, byte| {
            let slot = frames.open(ticks).expect("memory for each field");
            frames.write(slot, 0, &[byte; 8]);
            frames.finish(slot, &report(ticks, second_field));
            frames.whole.clone()
        };
        assert_eq!(finish(0, true, 1), None);
        assert_eq!(finish(1_800, false, 2), None);
        // The second field of that frame was lost, and the next first one.
        assert_eq!(finish(1_800 + 3 * 1_800, true, 3), None);
        assert_eq!(finish(20_000, false, 4), None);
        assert_eq!(finish(23_600, false, 5), None);
        let lines = [[5; 4], [6; 4], [5; 4], [6; 4]].concat();
        assert_eq!(finish(25_400, true, 6), Some(lines));
    }

    fn report(rtp_timestamp: u32, second_field: bool) -> UnitReport {
        UnitReport {
            rtp_timestamp,
            complete: true,
            bytes_missing: 0,
            listed: [MissingRange::default(); LISTED_RANGES],
            listed_count: 0,
            packets_received: 1,
            packets_lost: 0,
            duplicates: 0,
            first_packet_ns: 0,
            last_packet_ns: 0,
            marker_seen: true,
            wrong_format: false,
            tag: Field::tag(Some(if second_field {
                Field::Second
            } else {
                Field::First
            })),
        }
    }
}
