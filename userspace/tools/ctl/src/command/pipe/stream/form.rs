//! How buffers are written or read.

use std::time::{Duration, Instant};

use onair::{AncillaryView, AudioFormat, Contents, OwnedBuffer};
use onair_essence::ancillary::AncillaryLine;
use onair_essence::audio::{Between, Timeline, wav};

use crate::failure::pipe::PipeFailure;

/// How buffers are written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Ancillary data, as lines of JSON.
    Lines,
    /// Samples with the header of a WAV file.
    Wav,
    /// Samples alone: the lowest byte first, the channels in turn.
    Pcm,
}

impl Form {
    pub(crate) const ALL: [Self; 3] = [Self::Lines, Self::Wav, Self::Pcm];

    /// Its name on command lines.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Lines => "jsonl",
            Self::Wav => "wav",
            Self::Pcm => "pcm",
        }
    }

    /// Whether it is for what a session carries.
    pub(super) fn check(self, contents: &Contents) -> Result<(), PipeFailure> {
        let is_for = match self {
            Self::Lines => "ancillary",
            Self::Wav | Self::Pcm => "audio",
        };
        let carries = contents.essence();
        match is_for == carries {
            true => Ok(()),
            false => Err(PipeFailure::Essence {
                format: self.as_str(),
                is_for,
                carries,
            }),
        }
    }

    /// Bytes before the buffers.
    pub(super) fn header(self, contents: &Contents) -> Vec<u8> {
        match (self, contents) {
            (Self::Wav, Contents::Audio(format)) => wav::header(format, None, None),
            _ => Vec::new(),
        }
    }

    /// Appends a buffer.
    pub(super) fn write(
        buffer: &OwnedBuffer<Contents>,
        out: &mut Vec<u8>,
    ) -> Result<(), PipeFailure> {
        match buffer.layout() {
            Contents::Audio(format) => wav::append(format, buffer, out),
            _ => {
                let unit = AncillaryView::parse(buffer).map_err(PipeFailure::Unit)?;
                let (timestamp, time_ns) = (buffer.rtp_timestamp(), buffer.media_time_ns());
                let complete = buffer.status().is_complete();
                let line = AncillaryLine::new(&unit, timestamp, time_ns, complete);
                serde_json::to_writer(&mut *out, &line).expect("numbers and text are JSON");
                out.push(b'\n');
            }
        }
        Ok(())
    }
}

/// Bytes of a block's samples in a file.
pub(super) fn block_bytes(format: &AudioFormat) -> usize {
    let bytes = wav::sample_bytes(format) * u64::from(format.block_samples());
    usize::try_from(bytes).expect("a block is in memory")
}

/// How much longer than the time that has passed a gap between two blocks may be.
const SPARE: Duration = Duration::from_secs(1);

/// Where audio has gaps: what this process missed, and what did not arrive.
pub(super) struct Gaps {
    timeline: Timeline,
    at: Instant,
}

impl Gaps {
    pub(super) fn new() -> Self {
        Self {
            timeline: Timeline::default(),
            at: Instant::now(),
        }
    }

    /// Bytes of silence before a buffer. What is longer than the time since the one before it is another time, and not a
    /// gap.
    pub(super) fn before(&mut self, contents: &Contents, timestamp: u32, now: Instant) -> u64 {
        let passed = now.duration_since(self.at) + SPARE;
        self.at = now;
        let Contents::Audio(format) = contents else {
            return 0;
        };
        let longest = passed.as_micros() * u128::from(format.sample_rate()) / 1_000_000;
        let longest = u64::try_from(longest).unwrap_or(u64::MAX);
        match self
            .timeline
            .add(timestamp, format.block_samples(), longest)
        {
            Between::Samples(gap) => u64::from(gap) * wav::sample_bytes(format),
            Between::Nothing | Between::Jump => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use onair_essence::Essence as _;
    use onair_essence::audio::AudioDocument;

    use super::*;

    #[test]
    fn source_that_pauses_then_silence_of_the_time_that_passed() {
        let document = r#"{"coding": "L16", "channels": 2, "sample_rate": 48000}"#;
        let document: AudioDocument = serde_json::from_str(document).unwrap();
        let format = AudioFormat::check(&document).unwrap();
        let samples = format.block_samples();
        let contents = Contents::Audio(format);
        let (mut gaps, at) = (Gaps::new(), Instant::now());
        let seconds = |it| at + Duration::from_secs(it);
        assert_eq!(gaps.before(&contents, 7, seconds(1)), 0);
        assert_eq!(gaps.before(&contents, 7 + samples, seconds(1)), 0);
        let next = 7 + 2 * samples + 96_000;
        assert_eq!(gaps.before(&contents, next, seconds(3)), 96_000 * 4);
        // An hour ahead, in a second.
        let far = next + 3600 * 48_000;
        assert_eq!(gaps.before(&contents, far, seconds(4)), 0);
        assert_eq!(gaps.before(&contents, far + samples, seconds(4)), 0);
    }
}
