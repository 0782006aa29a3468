//! Audio on the command line: its flags, and the fields of documents that they stand for.

use clap::Args;
use onair_essence::audio::{AudioDocument, AudioPatch, Coding, SeenAudio};

use super::essence::{instead_of, of_others};
use super::parse::duration;

/// The flag that says that a session carries this essence.
pub(super) const FIRST: &str = "audio";

/// Fields of a session, each with its flag.
pub(super) const FLAGS: &[(&str, &str)] = &[
    ("audio.coding", "--audio"),
    ("audio.sample_rate", "--audio"),
    ("audio.channels", "--audio"),
    ("audio.packet_time_us", "--packet-time"),
    ("audio.channel_order", "--channel-order"),
    ("audio.block_samples", "--block-samples"),
];

/// Flags of the format: a description has it, and packets show it.
pub(super) const OF_FORMAT: &[&str] = &["audio", "channel_order"];
/// Flags of how packets are put together.
pub(super) const OF_PACKETS: &[&str] = &["block_samples"];
/// Flags of the packets' timing.
pub(super) const OF_TIMING: &[&str] = &["packet_time"];

/// Examples of `session create` by flags.
pub(super) const EXAMPLES: &str = "  onairctl session create mic1 --direction receive --port b --audio L24/48000/2 \\
      --packet-time 125us --destination 239.1.1.2:5004";
/// Examples of converted sessions: there are none.
pub(super) const CONVERTED_EXAMPLES: &str = "";

/// Flags of `session create`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct Flags {
    /// Audio instead of video: coding (L16, L24, AM824), samples a second, and channels
    #[arg(long, value_name = "CODING/RATE/CHANNELS", value_parser = audio, allow_hyphen_values = true,
        required_unless_present_any = instead_of("audio"), conflicts_with_all = of_others("audio"))]
    audio: Option<AudioDocument>,

    /// Time of an audio packet, 60us to 10ms [default: 1ms]
    #[arg(long, value_name = "DURATION", value_parser = micros)]
    packet_time: Option<u32>,

    /// Assignment of the channels, as in SDP: SMPTE2110.(51,ST)
    #[arg(long, value_name = "ORDER")]
    channel_order: Option<String>,

    /// Samples of each channel in a buffer, whole packets [default: those of about 10 ms]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    block_samples: Option<u32>,
}

impl Flags {
    /// The frame rate by the flags: there is none.
    pub(super) const fn rate(&self) -> Option<&str> {
        None
    }

    /// Whether the flags say how large packets are.
    pub(super) const fn says_packets(&self) -> bool {
        false
    }

    /// The format by the flags, if they say one.
    pub(super) fn format(&self) -> Option<AudioDocument> {
        let mut audio = self.audio.clone()?;
        audio.channel_order = self.channel_order.clone().or(audio.channel_order.take());
        Some(audio)
    }

    /// Puts what the flags say of the packets over `format`.
    pub(super) fn put_packets(&self, audio: &mut AudioDocument) {
        audio.packet_time_us = self.packet_time.or(audio.packet_time_us);
        audio.block_samples = self.block_samples.or(audio.block_samples);
    }
}

/// Flags of `session retarget`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct TimingFlags {
    /// Time of an audio packet, 60us to 10ms
    #[arg(long, value_name = "DURATION", value_parser = micros)]
    packet_time: Option<u32>,
}

impl TimingFlags {
    /// Puts the timing by the flags over `audio`.
    pub(super) fn put(&self, audio: &mut AudioPatch) {
        audio.packet_time_us = self.packet_time.map(Some).or(audio.packet_time_us);
    }
}

/// The largest datagram.
pub(super) const fn max_udp(_: &mut AudioDocument) -> Option<&mut Option<u32>> {
    None
}

/// Whether each unit is a field.
pub(super) const fn has_fields(_: &AudioDocument) -> bool {
    false
}

/// The format of what arrives.
///
/// # Errors
/// The facts that the packets do not show, for people.
pub(super) fn arriving(it: &SeenAudio) -> Result<AudioDocument, String> {
    let us = it.packet_time_us();
    let forms: Vec<_> = it.forms().collect();
    match forms[..] {
        [(coding, channels)] => Ok(AudioDocument {
            packet_time_us: u32::try_from(us).ok(),
            ..document(coding, it.sample_rate, channels)
        }),
        [] => Err(format!("audio arrives ({it}), which no samples have")),
        _ => {
            let flags = forms
                .iter()
                .map(|form| format!("`--audio {}`", it.flag_of(*form)));
            Err(format!(
                "audio arrives ({it}), which several formats have: instead of --like-what-arrives give \
                 `--packet-time {us}us` and {}",
                flags.collect::<Vec<_>>().join(" or ")
            ))
        }
    }
}

/// Why a flag is invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidFlag {
    #[error("{0:?} is no format of audio: write it as L24/48000/2")]
    Audio(String),
    #[error("{0:?} is no time of whole microseconds: write it as 1ms or 125us")]
    Time(String),
}

/// Coding, samples a second, channels.
fn audio(text: &str) -> Result<AudioDocument, InvalidFlag> {
    let parts: Vec<_> = text.split('/').collect();
    let read = |[coding, rate, channels]: [&str; 3]| {
        let coding = Coding::of_word(coding)?;
        Some(document(coding, rate.parse().ok()?, channels.parse().ok()?))
    };
    let parts = <[&str; 3]>::try_from(parts).ok();
    let wrong = || InvalidFlag::Audio(text.to_owned());
    parts.and_then(read).ok_or_else(wrong)
}

/// A format of which nothing else is said.
fn document(coding: Coding, sample_rate: u32, channels: u32) -> AudioDocument {
    AudioDocument {
        coding,
        sample_rate,
        channels,
        ..AudioDocument::default()
    }
}

fn micros(text: &str) -> Result<u32, InvalidFlag> {
    let wrong = || InvalidFlag::Time(text.to_owned());
    let time = duration(text).map_err(|_| wrong())?;
    let us = u32::try_from(time.as_micros()).map_err(|_| wrong())?;
    let is_whole = time.subsec_nanos().is_multiple_of(1000);
    is_whole.then_some(us).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_forms_then_only_three_parts() {
        let expected = document(Coding::L24, 48_000, 2);
        assert_eq!(audio("L24/48000/2").unwrap(), expected);
        for text in [
            "",
            "L24",
            "L24/48000",
            "L24/x/2",
            "L24/48000/2/3",
            "L25/48000/2",
        ] {
            assert!(audio(text).is_err(), "{text}");
        }
    }

    #[test]
    fn audio_that_arrives_then_its_format_or_the_flags_that_fit() {
        let seen = |sample_bytes| SeenAudio {
            sample_rate: 48_000,
            packet_samples: 6,
            sample_bytes,
        };
        let mono = arriving(&seen(3)).unwrap();
        let expected = AudioDocument {
            packet_time_us: Some(125),
            ..document(Coding::L24, 48_000, 1)
        };
        assert_eq!(mono, expected);
        assert_eq!(arriving(&seen(4)).unwrap().coding, Coding::L16);
        let error = arriving(&seen(6)).unwrap_err();
        let flags = "`--packet-time 125us` and `--audio L24/48000/2` or `--audio L16/48000/3`";
        assert!(error.contains(flags), "{error}");
        assert!(arriving(&seen(130)).is_err());
    }

    #[test]
    fn packet_time_forms_then_whole_microseconds() {
        assert_eq!(micros("1ms").unwrap(), 1_000);
        assert_eq!(micros("125us").unwrap(), 125);
        for text in ["1", "100ns", "-1ms", ""] {
            assert!(micros(text).is_err(), "{text}");
        }
    }
}
