//! Audio on the command line: its flags, and the fields of documents that they stand for.

use std::fmt;

use clap::Args;
use onair_essence::audio::{AudioDocument, AudioFormat, AudioPatch, SeenAudio};
use serde_json::{Value, json};

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
    audio: Option<(String, u32, u32)>,

    /// Time of an audio packet, 60us to 10ms [default: 1ms]
    #[arg(long, value_name = "DURATION", value_parser = micros)]
    packet_time: Option<u64>,

    /// What the channels are, as in SDP: SMPTE2110.(51,ST)
    #[arg(long, value_name = "ORDER")]
    channel_order: Option<String>,

    /// Samples of each channel in a buffer, whole packets [default: those of about 10 ms]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    block_samples: Option<u32>,
}

impl Flags {
    /// Whether the session carries audio.
    pub(super) const fn is_given(&self) -> bool {
        self.audio.is_some()
    }

    /// The format by the flags.
    pub(super) fn format(&self) -> Value {
        let (coding, rate, channels) = self.audio.clone().unwrap_or_default();
        let mut audio = json!({"coding": coding, "sample_rate": rate, "channels": channels});
        if let Some(order) = &self.channel_order {
            audio["channel_order"] = json!(order);
        }
        audio
    }

    /// Puts what the flags say of the packets over `format`.
    pub(super) fn put_packets(&self, audio: &mut Value) {
        if let Some(us) = self.packet_time {
            audio["packet_time_us"] = json!(us);
        }
        if let Some(samples) = self.block_samples {
            audio["block_samples"] = json!(samples);
        }
    }
}

/// Flags of `session retarget`.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct TimingFlags {
    /// Time of an audio packet, 60us to 10ms
    #[arg(long, value_name = "DURATION", value_parser = micros)]
    packet_time: Option<u64>,
}

impl TimingFlags {
    /// The timing by the flags.
    pub(super) fn fields(&self) -> Value {
        let fields = self.packet_time.map(|us| json!({"packet_time_us": us}));
        fields.unwrap_or_else(|| json!({}))
    }
}

/// The timing that a description says, for a session that has the same format.
///
/// # Errors
/// What is wrong with the description, named `shown`: another format among it.
pub(super) fn described_timing(
    shown: &str,
    described: &Value,
    own: &Value,
) -> Result<Value, String> {
    let of_file = |error: &dyn fmt::Display| format!("{shown}: {error}");
    let its = serde_json::from_value::<AudioDocument>(described.clone());
    let its = its.map_err(|error| of_file(&error))?;
    let own = serde_json::from_value::<AudioDocument>(own.clone());
    let own = own.map_err(|error| error.to_string())?;
    let samples = |it: &AudioDocument| (it.coding, it.sample_rate, it.channels);
    if samples(&its) != samples(&own) {
        return Err(format!(
            "{shown} describes {its}, but the session has {own}: create another session for it"
        ));
    }
    let its = AudioFormat::try_from(&its).map_err(|error| of_file(&error))?;
    Ok(json!(AudioPatch {
        packet_time_us: Some(Some(its.packet_time_us())),
    }))
}

/// The format of what arrives.
///
/// # Errors
/// What the packets do not show.
pub(super) fn arriving(it: &SeenAudio) -> Result<Value, String> {
    let us = it.packet_time_us();
    let forms: Vec<_> = it.forms().collect();
    match forms[..] {
        [(coding, channels)] => Ok(json!({
            "coding": coding,
            "sample_rate": it.sample_rate,
            "channels": channels,
            "packet_time_us": us,
        })),
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
fn audio(text: &str) -> Result<(String, u32, u32), InvalidFlag> {
    let parts: Vec<_> = text.split('/').collect();
    let numbers = match parts[..] {
        [coding, rate, channels] => rate
            .parse()
            .ok()
            .zip(channels.parse().ok())
            .zip(Some(coding)),
        _ => None,
    };
    let ((rate, channels), coding) = numbers.ok_or_else(|| InvalidFlag::Audio(text.to_owned()))?;
    Ok((coding.to_owned(), rate, channels))
}

fn micros(text: &str) -> Result<u64, InvalidFlag> {
    let wrong = || InvalidFlag::Time(text.to_owned());
    let time = duration(text).map_err(|_| wrong())?;
    let us = u64::try_from(time.as_micros()).map_err(|_| wrong())?;
    let is_whole = time.subsec_nanos().is_multiple_of(1000);
    is_whole.then_some(us).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_forms_then_only_three_parts() {
        let expected = ("L24".to_owned(), 48_000, 2);
        assert_eq!(audio("L24/48000/2").unwrap(), expected);
        for text in ["", "L24", "L24/48000", "L24/x/2", "L24/48000/2/3"] {
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
        let expected =
            json!({"coding": "L24", "sample_rate": 48_000, "channels": 1, "packet_time_us": 125});
        assert_eq!(mono, expected);
        assert_eq!(arriving(&seen(4)).unwrap()["coding"], "L16");
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
