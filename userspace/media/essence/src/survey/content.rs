//! Contents of the payloads of a stream of audio or ancillary data.

use super::format::StreamFormat;
use super::guess::Guess;
use crate::ancillary::{AncillaryContents, AncillaryCounter};
use crate::audio::{AudioLevel, AudioMeter};
use crate::rtp::RtpHeader;

/// Reads the payloads of a stream.
#[derive(Debug)]
pub enum Content {
    /// Levels of audio whose samples are known; of packets of so many bytes.
    Audio(AudioMeter, usize),
    /// ANC packets.
    Ancillary(Box<AncillaryCounter>),
    /// Nothing is read.
    Unread,
}

impl Content {
    /// The reader of a stream's content in this format.
    #[must_use]
    pub fn of(format: &StreamFormat) -> Self {
        match (format.essence, format.form, format.clock_hz, format.samples) {
            (Guess::Audio, Some(form), Some(rate), Some(samples)) => {
                let bytes = samples * form.channels * form.coding.bytes();
                let meter = AudioMeter::of(form.coding, rate, form.channels);
                Self::Audio(meter, bytes as usize)
            }
            (Guess::Ancillary, ..) => Self::Ancillary(Box::default()),
            _ => Self::Unread,
        }
    }

    /// Adds a packet. One that was cut, or of another size, has no level.
    pub fn packet(&mut self, rtp: &RtpHeader, payload: &[u8]) {
        match self {
            Self::Audio(meter, bytes) if payload.len() == *bytes => {
                meter.packet(rtp.timestamp, payload);
            }
            Self::Ancillary(counter) => counter.packet(rtp, payload),
            Self::Audio(..) | Self::Unread => {}
        }
    }

    /// Level of each channel of audio.
    #[must_use]
    pub fn levels(&self) -> Vec<AudioLevel> {
        match self {
            Self::Audio(meter, _) => meter.levels(),
            Self::Ancillary(_) | Self::Unread => Vec::new(),
        }
    }

    /// Counts of ancillary data.
    #[must_use]
    pub fn ancillary(&self) -> Option<AncillaryContents> {
        match self {
            Self::Ancillary(counter) => counter.contents(),
            Self::Audio(..) | Self::Unread => None,
        }
    }
}
