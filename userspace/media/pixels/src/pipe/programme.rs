//! Pictures and sound as one stream.

use onair_essence::audio::{AudioFormat, wav};
use onair_essence::video::RTP_CLOCK_HZ;

use super::PipeFormat;
use crate::nut::{NutKind, NutStream, NutWriter};

const SECOND_NS: u128 = 1_000_000_000;

/// Makes what surrounds the frames of one picture and the blocks of some sounds in a stream of NUT. Its times count from the
/// first unit: of the picture in 1/90000 s, of a sound in samples.
#[derive(Debug)]
pub struct ProgrammeWriter {
    nut: NutWriter,
    /// The picture's, then those of the sounds.
    streams: Vec<Stream>,
    /// Time of the first unit.
    start_ns: Option<u64>,
}

#[derive(Debug)]
struct Stream {
    hz: u32,
    /// Bytes of a sample of all channels; 0: frames, each of which lasts one unit of its time.
    sample_bytes: u64,
    /// Where the last unit ended.
    end: Option<u64>,
}

impl ProgrammeWriter {
    /// Of a stream that begins now. More than 60 sounds are left out.
    #[must_use]
    pub fn new(picture: &PipeFormat, sounds: &[AudioFormat]) -> Self {
        let sounds = &sounds[..sounds.len().min(60)];
        let kinds = sounds.iter().map(|it| NutStream {
            kind: NutKind::Pcm {
                bits: if wav::bits(it.coding()) == 16 { 16 } else { 24 },
                rate: it.sample_rate(),
                channels: it.channels(),
            },
            base: (it.sample_rate(), 1),
        });
        let rate = picture.video.rate();
        let frames = NutStream {
            kind: NutKind::Video {
                video: picture.nut_video(),
                rate: (rate.numerator(), rate.denominator()),
                said: picture.said,
            },
            base: (RTP_CLOCK_HZ, 1),
        };
        let streams = sounds.iter().map(|it| Stream {
            hz: it.sample_rate(),
            sample_bytes: wav::sample_bytes(it),
            end: None,
        });
        let frame = Stream {
            hz: RTP_CLOCK_HZ,
            sample_bytes: 0,
            end: None,
        };
        Self {
            nut: NutWriter::of(std::iter::once(frames).chain(kinds).collect()),
            streams: std::iter::once(frame).chain(streams).collect(),
            start_ns: None,
        }
    }

    /// Bytes before the first unit.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        self.nut.header()
    }

    /// Bytes before a unit of so many bytes: of the picture if `stream` is 0, else of a sound, from 1. `ns`: its time
    /// on any clock, the same for all. `None`: the unit has no place, because it is earlier than the first one or the
    /// last one of its stream.
    ///
    /// # Panics
    /// There is no such stream.
    pub fn begin(&mut self, stream: u8, ns: u64, bytes: usize) -> Option<Vec<u8>> {
        let start = *self.start_ns.get_or_insert(ns);
        let own = &mut self.streams[usize::from(stream)];
        let ns = u128::from(ns.checked_sub(start)?);
        let at = (ns * u128::from(own.hz) + SECOND_NS / 2) / SECOND_NS;
        let mut at = u64::try_from(at).ok()?;
        let units = (bytes as u64).checked_div(own.sample_bytes).unwrap_or(1);
        if let Some(end) = own.end {
            // Samples follow without a gap, however their times are rounded.
            if own.sample_bytes > 0 && at.abs_diff(end) <= units / 2 {
                at = end;
            }
            if at < end {
                return None;
            }
        }
        own.end = Some(at + units);
        Some(self.nut.frame_of(stream, at, bytes))
    }

    #[cfg(test)]
    pub(super) fn end(&self, stream: u8) -> Option<u64> {
        self.streams[usize::from(stream)].end
    }
}
