//! A format of audio as JSON. Only its shape is checked; [`AudioFormat`] exists only if every field is valid.

mod check;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::format::named_time;
use super::{AudioFormat, Coding};
use crate::document::changes::changes;
use crate::essence::{Document, Listed};
use crate::rows::Row;

/// Packet time of most senders in microseconds (AES67 §7.2.1).
const USUAL_PACKET_US: u32 = 1_000;

crate::document! {
    /// Coding, rate and channels of the samples, and how many a packet and a buffer have.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
    #[serde(deny_unknown_fields)]
    #[cfg_attr(feature = "openapi", schema(as = AudioFormat))]
    pub struct AudioDocument {
        /// How a sample is written: `L16`, `L24` (ST 2110-30) or `AM824` (ST 2110-31).
        pub coding: Coding,
        /// Samples a second of each channel: 44100, 48000 or 96000.
        #[cfg_attr(feature = "openapi", schema(minimum = 44_100, maximum = 96_000, examples(48_000)))]
        pub sample_rate: u32,
        /// Channels: 1 to 64, even with AM824.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 64, examples(2)))]
        pub channels: u32,
        /// Time of a packet in microseconds, from which its samples follow, rounded: 60 to 10000; 1000 when
        /// absent. At 44100 Hz the times of 48000 Hz mean as many samples as there. The samples of a packet have at most 1440 bytes.
        #[cfg_attr(feature = "openapi", schema(minimum = 60, maximum = 10_000))]
        pub packet_time_us: Option<u32>,
        /// Samples of each channel in a buffer: whole packets, of 1 ms to 1 s together; about 10 ms when absent.
        #[cfg_attr(feature = "openapi", schema(minimum = 44, maximum = 96_000))]
        pub block_samples: Option<u32>,
        /// Assignment of the channels, as in SDP (ST 2110-30 §6.2.2): `SMPTE2110.(51,ST)`.
        pub channel_order: Option<String>,
    }
}

/// Samples of the packets of about 10 ms.
fn usual_block(sample_rate: u32, packet_samples: u32) -> u32 {
    let packets = (sample_rate / 100 + packet_samples / 2) / packet_samples;
    packets.max(1) * packet_samples
}

impl Document for AudioDocument {
    fn packet_rows(&self, _sends: bool) -> Vec<Row> {
        let Ok(format) = AudioFormat::try_from(self) else {
            return Vec::new();
        };
        let packet = format!(
            "{} µs: {} samples, {} bytes",
            format.packet_time_us(),
            format.packet_samples(),
            format.packet_bytes()
        );
        let ms = format.nanos(format.block_samples().into()) / 1_000_000;
        let buffer = format!("{} samples, {ms} ms", format.block_samples());
        let mut rows = vec![Row::new("packet", packet), Row::new("buffer", buffer)];
        rows.extend(format.level().map(|it| Row::new("level", it)));
        rows.extend(
            format
                .order()
                .map(|it| Row::new("channels", it.to_string())),
        );
        rows
    }

    /// The size of a buffer depends on that of a packet.
    fn hold_units(&mut self) {
        if let Ok(format) = AudioFormat::try_from(&*self) {
            self.block_samples = Some(format.block_samples());
        }
    }
}

/// For people: `L24 48000 Hz 2 channels`.
impl fmt::Display for AudioDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.channels == 1 { "" } else { "s" };
        let (coding, rate, channels) = (self.coding, self.sample_rate, self.channels);
        write!(f, "{coding} {rate} Hz {channels} channel{s}")
    }
}

/// Default values stay out.
impl From<AudioFormat> for AudioDocument {
    fn from(it: AudioFormat) -> Self {
        let usual = usual_block(it.sample_rate, it.packet_samples());
        Self {
            coding: it.coding,
            sample_rate: it.sample_rate,
            channels: it.channels,
            packet_time_us: Some(it.packet_time_us)
                .filter(|us| *us != named_time(it.sample_rate, USUAL_PACKET_US)),
            block_samples: Some(it.block_samples).filter(|samples| *samples != usual),
            channel_order: it.order.map(|order| order.to_string()),
        }
    }
}

changes! {
    /// Changed packets; each field as in the session's specification.
    AudioPatch of AudioDocument {
        /// Time of a packet in microseconds; `null`: 1000. A buffer keeps its samples.
        packet_time_us: u32
            ["crate::whole::present_number" value_type = Option<u32>, minimum = 60, maximum = 10_000],
    }
}

/// Format and rate of the buffers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListedAudio {
    /// Coding, rate and channels, for people: `L24 48000 Hz 2 channels`.
    pub audio: String,
    /// Buffers a second as an exact ratio.
    pub block_rate: String,
}

impl From<AudioDocument> for ListedAudio {
    fn from(document: AudioDocument) -> Self {
        let rate = document.sample_rate;
        let block = AudioFormat::try_from(&document).map_or(rate, |it| it.block_samples);
        let (mut common, mut rest) = (rate, block);
        while rest != 0 {
            (common, rest) = (rest, common % rest);
        }
        let common = common.max(1);
        Self {
            audio: document.to_string(),
            block_rate: format!("{}/{}", rate / common, block / common),
        }
    }
}

impl Listed for ListedAudio {
    fn format(&self) -> &str {
        &self.audio
    }

    fn rate(&self) -> &str {
        &self.block_rate
    }

    fn units_a_period(&self) -> u64 {
        1
    }
}
