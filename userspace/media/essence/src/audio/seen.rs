//! Facts about a stream's audio that its packets show.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AudioFormat, Coding};
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
        let of_packets = [Some(format.packet_samples()), format.other_packet_samples()];
        !of_packets.contains(&Some(self.packet_samples))
            || self.sample_bytes as usize != format.sample_bytes()
    }

    /// Coding and channels that samples of so many bytes may have, the more usual coding first: AES3 has pairs.
    pub fn forms(&self) -> impl Iterator<Item = (Coding, u32)> {
        let bytes = self.sample_bytes;
        let units = [(Coding::L24, 3), (Coding::L16, 2), (Coding::Am824, 8)];
        let fitting = units
            .into_iter()
            .filter(move |it| bytes.is_multiple_of(it.1));
        let forms = fitting.map(move |(coding, _)| (coding, bytes / coding.bytes()));
        forms.filter(|it| (1..=AudioFormat::MAX_CHANNELS).contains(&it.1))
    }

    /// As a flag of `session create`: `L24/48000/2`.
    #[must_use]
    pub fn flag_of(&self, (coding, channels): (Coding, u32)) -> String {
        format!("{coding}/{}/{channels}", self.sample_rate)
    }

    /// The time of a packet in microseconds.
    #[must_use]
    pub fn packet_time_us(&self) -> u64 {
        let us = u64::from(self.packet_samples) * 1_000_000;
        us.checked_div(self.sample_rate.into()).unwrap_or(0)
    }
}

impl Seen for SeenAudio {
    fn flags(&self) -> String {
        let us = self.packet_time_us();
        let forms: Vec<_> = self.forms().collect();
        let format = match forms[..] {
            [only] => self.flag_of(only),
            _ => format!("CODING/{}/CHANNELS", self.sample_rate),
        };
        format!(" --audio {format} --packet-time {us}us")
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
