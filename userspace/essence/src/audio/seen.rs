//! What the packets of a stream show of its audio.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::AudioFormat;
use crate::essence::Seen;

/// Rate, and the samples of a packet. Coding and channels only as the bytes of both together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeenAudio {
    /// Samples a second of each channel: that of the usual rates which is nearest to the times of the packets.
    pub sample_rate: u32,
    /// Samples of each channel in a packet.
    pub packet_samples: u32,
    /// Bytes of a sample of all channels.
    pub sample_bytes: u32,
}

impl SeenAudio {
    /// Whether the packets show another format than `format`. The rate is a guess by the times of packets,
    /// and the session's timing says more of it.
    #[must_use]
    pub fn differs_from(&self, format: &AudioFormat) -> bool {
        self.packet_samples != format.packet_samples()
            || self.sample_bytes as usize != format.sample_bytes()
    }

    fn packet_time_us(&self) -> u64 {
        let us = u64::from(self.packet_samples) * 1_000_000;
        us.checked_div(self.sample_rate.into()).unwrap_or(0)
    }
}

impl Seen for SeenAudio {
    fn flags(&self) -> String {
        let (rate, us) = (self.sample_rate, self.packet_time_us());
        format!(" --audio CODING/{rate}/CHANNELS --packet-time {us}us")
    }
}

/// For people: `48000 Hz, 48 samples a packet, 6 bytes a sample of all channels`.
impl fmt::Display for SeenAudio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, samples, bytes) = (self.sample_rate, self.packet_samples, self.sample_bytes);
        write!(
            f,
            "{rate} Hz, {samples} samples a packet, {bytes} bytes a sample of all channels"
        )
    }
}
