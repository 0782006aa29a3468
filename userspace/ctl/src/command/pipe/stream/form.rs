//! How buffers are written or read.

use onair::{AncillaryView, AudioFormat, Contents, OwnedBuffer};
use onair_essence::ancillary::AncillaryLine;
use onair_essence::audio::wav;

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

    /// What precedes the buffers.
    pub(super) fn header(self, contents: &Contents) -> Vec<u8> {
        match (self, contents) {
            (Self::Wav, Contents::Audio(format)) => wav::header(format, None, None),
            _ => Vec::new(),
        }
    }

    /// Appends a buffer, and before it silence for the buffers that were missed, at most a second.
    pub(super) fn write(
        buffer: &OwnedBuffer<Contents>,
        missed: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), PipeFailure> {
        match buffer.layout() {
            Contents::Audio(format) => {
                let bytes = usize::try_from(missed).unwrap_or(usize::MAX);
                let bytes = bytes
                    .saturating_mul(block_bytes(format))
                    .min(second_bytes(format));
                out.resize(out.len() + bytes, 0);
                wav::append(format, buffer, out);
            }
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

/// Bytes of the samples of a second.
fn second_bytes(format: &AudioFormat) -> usize {
    let blocks = format.sample_rate() / format.block_samples();
    block_bytes(format) * blocks.max(1) as usize
}
