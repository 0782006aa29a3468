//! Audio: PCM of ST 2110-30 (AES67), and AES3 of ST 2110-31.

use onair_essence::audio::{AudioDocument, AudioFormat, ChannelOrder, Coding};

use crate::error::Notes;
use crate::fmtp::{Parameters, Written};

/// Bits of a PCM sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PcmDepth {
    /// 16 bits: `L16`.
    L16,
    /// 24 bits: `L24`.
    L24,
}

/// PCM audio.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audio {
    /// Bits of a sample.
    pub depth: PcmDepth,
    /// Samples per second of one channel.
    pub sample_rate: u32,
    /// Channels, 1 or more.
    pub channels: u16,
    /// Duration of a packet in µs.
    pub packet_time_us: Option<u32>,
    /// Assignment of the channels.
    pub order: Option<ChannelOrder>,
}

/// AES3 subframes (`AM824`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aes3 {
    /// Samples per second of one channel.
    pub sample_rate: u32,
    /// Channels: two for each AES3 signal.
    pub channels: u16,
    /// Duration of a packet in µs.
    pub packet_time_us: Option<u32>,
    /// Assignment of the channels.
    pub order: Option<ChannelOrder>,
}

/// The channel order of so many channels.
pub(crate) fn parse_order(
    all: &Parameters<'_>,
    channels: u16,
    notes: &mut Notes,
) -> Option<ChannelOrder> {
    let counted = |order: &ChannelOrder| order.channels().is_none_or(|it| it == channels);
    let wanted = format!("a channel order of {channels} channels such as SMPTE2110.(51,ST)");
    let read = |text: &str| ChannelOrder::of(text).filter(counted);
    all.may("channel-order", read, wanted, notes)
}

pub(crate) fn write_order(order: Option<&ChannelOrder>) -> String {
    let mut out = Written::default();
    out.maybe("channel-order", order);
    out.finish().trim_end_matches("; ").to_owned()
}

/// Milliseconds as `ptime` has them, in µs: `1`, `1.000`, `0.125`, `.125`. `0.12` is 125 µs, which
/// senders truncate.
pub(crate) fn packet_time(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let ms: u32 = match whole {
        "" => 0,
        whole => whole.parse().ok()?,
    };
    let micros: String = fraction.chars().chain("000".chars()).take(3).collect();
    let us = ms.checked_mul(1000)?.checked_add(micros.parse().ok()?)?;
    match us {
        0 => None,
        120 => Some(125),
        us => Some(us),
    }
}

/// The time of so many samples in µs, rounded.
pub(crate) fn time_of(samples: u32, sample_rate: u32) -> Option<u32> {
    let us = (u64::from(samples) * 1_000_000 + u64::from(sample_rate) / 2)
        / u64::from(sample_rate.max(1));
    u32::try_from(us).ok().filter(|it| *it > 0)
}

/// µs as `ptime` has them, in ms.
pub(crate) fn shown_time(us: u32) -> String {
    let text = format!("{}.{:03}", us / 1000, us % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The format as a session specification has it.
fn carried(
    coding: Coding,
    (sample_rate, channels): (u32, u16),
    packet_time_us: Option<u32>,
    order: Option<&ChannelOrder>,
) -> AudioDocument {
    AudioDocument {
        coding,
        sample_rate,
        channels: channels.into(),
        packet_time_us,
        block_samples: None,
        channel_order: order.map(ToString::to_string),
    }
}

impl Audio {
    /// The format as a session specification has it.
    #[must_use]
    pub fn carried(&self) -> AudioDocument {
        let coding = match self.depth {
            PcmDepth::L16 => Coding::L16,
            PcmDepth::L24 => Coding::L24,
        };
        let channels = (self.sample_rate, self.channels);
        carried(coding, channels, self.packet_time_us, self.order.as_ref())
    }
}

impl Aes3 {
    /// The format as a session specification has it.
    #[must_use]
    pub fn carried(&self) -> AudioDocument {
        let channels = (self.sample_rate, self.channels);
        carried(
            Coding::Am824,
            channels,
            self.packet_time_us,
            self.order.as_ref(),
        )
    }
}

/// The essence of a session, as one of both.
pub(crate) fn described<T>(
    format: &AudioFormat,
    pcm: impl FnOnce(Audio) -> T,
    aes3: impl FnOnce(Aes3) -> T,
) -> T {
    let (sample_rate, order) = (format.sample_rate(), format.order().cloned());
    let channels = u16::try_from(format.channels()).unwrap_or(u16::MAX);
    let packet_time_us = Some(format.packet_time_us());
    let depth = match format.coding() {
        Coding::L16 => PcmDepth::L16,
        Coding::L24 => PcmDepth::L24,
        Coding::Am824 => {
            return aes3(Aes3 {
                sample_rate,
                channels,
                packet_time_us,
                order,
            });
        }
    };
    pcm(Audio {
        depth,
        sample_rate,
        channels,
        packet_time_us,
        order,
    })
}
