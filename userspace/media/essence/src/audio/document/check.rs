//! Checks of the audio format.

use super::{AudioDocument, USUAL_PACKET_US, usual_block};
use crate::audio::format::{named_time, packet_samples};
use crate::audio::{AudioError, AudioFormat, ChannelOrder, Coding, PAYLOAD_BYTES};
use crate::invalid::{OutOfRange, Problems, SpecErrors, within};

/// Why a value is invalid.
#[derive(Debug, thiserror::Error)]
enum Invalid {
    #[error(transparent)]
    Range(#[from] OutOfRange),
    #[error(transparent)]
    Audio(#[from] AudioError),
}

impl TryFrom<&AudioDocument> for AudioFormat {
    type Error = SpecErrors;

    fn try_from(audio: &AudioDocument) -> Result<Self, SpecErrors> {
        let mut problems = Problems::default();
        check_audio(audio, &mut problems).ok_or(problems.into())
    }
}

fn check_audio(audio: &AudioDocument, p: &mut Problems) -> Option<AudioFormat> {
    let rate = p.take("audio.sample_rate", check_rate(audio.sample_rate));
    let channels = check_channels(audio.channels, audio.coding);
    let channels = p.take("audio.channels", channels);
    let packet_time_us = audio.packet_time_us.unwrap_or(USUAL_PACKET_US);
    let times = AudioFormat::PACKET_TIMES_US;
    let packet_time = within(packet_time_us, times, " microseconds");
    let packet_time = p.take("audio.packet_time_us", packet_time);
    let order = channels.map(|channels| check_order(audio.channel_order.as_deref(), channels));
    let order = order.and_then(|it| p.take("audio.channel_order", it));
    let (sample_rate, channels, packet_time_us) = (rate?, channels?, packet_time?);
    let packet = check_packet(sample_rate, packet_time_us, channels, audio.coding);
    let packet = p.take("audio.packet_time_us", packet)?;
    let block = check_block(audio.block_samples, sample_rate, packet);
    Some(AudioFormat {
        coding: audio.coding,
        sample_rate,
        channels,
        packet_time_us: named_time(sample_rate, packet_time_us),
        block_samples: p.take("audio.block_samples", block)?,
        order: order?,
    })
}

fn check_rate(rate: u32) -> Result<u32, AudioError> {
    let is_known = AudioFormat::SAMPLE_RATES.contains(&rate);
    is_known.then_some(rate).ok_or(AudioError::SampleRate(rate))
}

fn check_channels(channels: u32, coding: Coding) -> Result<u32, Invalid> {
    let channels = within(channels, 1..=AudioFormat::MAX_CHANNELS, " channels")?;
    if coding == Coding::Am824 && channels % 2 == 1 {
        return Err(AudioError::OddChannels(channels).into());
    }
    Ok(channels)
}

fn check_order(text: Option<&str>, channels: u32) -> Result<Option<ChannelOrder>, AudioError> {
    let Some(text) = text else { return Ok(None) };
    let order = ChannelOrder::of(text).ok_or_else(|| AudioError::Order(text.to_owned()))?;
    match order.channels() {
        Some(groups) if u32::from(groups) != channels => Err(AudioError::Groups {
            groups: groups.into(),
            channels,
        }),
        _ => Ok(Some(order)),
    }
}

/// The samples of a packet.
fn check_packet(rate: u32, us: u32, channels: u32, coding: Coding) -> Result<u32, AudioError> {
    let samples = packet_samples(rate, us);
    let bytes = samples * channels * coding.bytes();
    if samples == 0 {
        Err(AudioError::NoSample(us))
    } else if bytes > PAYLOAD_BYTES {
        Err(AudioError::PacketBytes {
            channels,
            coding,
            bytes,
        })
    } else {
        Ok(samples)
    }
}

fn check_block(given: Option<u32>, rate: u32, packet: u32) -> Result<u32, Invalid> {
    let Some(block) = given else {
        return Ok(usual_block(rate, packet));
    };
    within(block, rate / 1000..=rate, " samples: 1 ms to 1 s")?;
    if !block.is_multiple_of(packet) {
        return Err(AudioError::PartOfPacket {
            block,
            packet,
            near: block.div_ceil(packet) * packet,
        }
        .into());
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Format;

    fn check(changed: &Value) -> Result<AudioFormat, Vec<String>> {
        let mut document = json!({"coding": "L24", "sample_rate": 48_000, "channels": 2});
        let changed = changed.as_object().unwrap().clone();
        document.as_object_mut().unwrap().extend(changed);
        let document: AudioDocument = serde_json::from_value(document).unwrap();
        let format = AudioFormat::try_from(&document);
        let fields =
            |errors: SpecErrors| errors.0.into_iter().map(|it| it.field).collect::<Vec<_>>();
        let format = format.map_err(fields)?;
        let whole = Format::Audio(format.clone());
        let text = serde_json::to_string(&whole).unwrap();
        assert!(text.starts_with(r#"{"audio":{"#), "{text}");
        assert_eq!(serde_json::from_str::<Format>(&text).unwrap(), whole);
        Ok(format)
    }

    #[test]
    fn audio_of_the_usual_formats_then_samples_and_levels() {
        for (audio, packet, block, level) in [
            (json!({}), 48, 480, Some("A")),
            (
                json!({"packet_time_us": 125, "channels": 64}),
                6,
                480,
                Some("C"),
            ),
            (
                json!({"packet_time_us": 120, "channels": 8}),
                6,
                480,
                Some("B"),
            ),
            (json!({"packet_time_us": 80}), 4, 480, None),
            (json!({"packet_time_us": 83}), 4, 480, None),
            (
                json!({"sample_rate": 96_000, "channels": 4}),
                96,
                960,
                Some("AX"),
            ),
            (
                json!({"sample_rate": 96_000, "packet_time_us": 125, "channels": 8}),
                12,
                960,
                Some("BX"),
            ),
            (
                json!({"sample_rate": 96_000, "packet_time_us": 125, "channels": 32}),
                12,
                960,
                Some("CX"),
            ),
            (json!({"sample_rate": 44_100}), 48, 432, None),
            (
                json!({"sample_rate": 44_100, "packet_time_us": 998}),
                44,
                440,
                None,
            ),
            (json!({"coding": "AM824"}), 48, 480, None),
            (json!({"packet_time_us": 4000}), 192, 576, None),
            (json!({"block_samples": 48_000}), 48, 48_000, Some("A")),
            (
                json!({"channels": 8, "channel_order": "SMPTE2110.(51,ST)"}),
                48,
                480,
                Some("A"),
            ),
        ] {
            let format = check(&audio).unwrap_or_else(|fields| panic!("{audio}: {fields:?}"));
            let found = (
                format.packet_samples(),
                format.block_samples(),
                format.level(),
            );
            assert_eq!(found, (packet, block, level), "{audio}");
        }
    }

    /// AES67 §7.2, ST 2110-31 §6.1, table 1.
    #[test]
    fn packet_times_at_44100_then_samples_as_at_48000() {
        for (given, samples, named) in [
            (1_000, 48, 1_090),
            (1_088, 48, 1_090),
            (1_090, 48, 1_090),
            (125, 6, 140),
            (120, 6, 140),
            (140, 6, 140),
            (80, 4, 90),
            (90, 4, 90),
            (250, 12, 270),
            (333, 16, 360),
            (4_000, 192, 4_350),
            (998, 44, 998),
            (2_000, 88, 2_000),
        ] {
            let format = check(&json!({"sample_rate": 44_100, "packet_time_us": given})).unwrap();
            let found = (format.packet_samples(), format.packet_time_us());
            assert_eq!(found, (samples, named), "{given}");
            let again = json!({"sample_rate": 44_100, "packet_time_us": named});
            assert_eq!(check(&again).unwrap(), format);
        }
        let other = |fields: Value| check(&fields).unwrap().other_packet_samples();
        assert_eq!(other(json!({"sample_rate": 44_100})), Some(44));
        assert_eq!(other(json!({})), None);
    }

    #[test]
    fn audio_not_allowed_then_its_field_is_refused() {
        for (audio, field) in [
            (json!({"sample_rate": 32_000}), "sample_rate"),
            (json!({"channels": 0}), "channels"),
            (json!({"channels": 65}), "channels"),
            (json!({"channels": 3, "coding": "AM824"}), "channels"),
            (json!({"channels": 11}), "packet_time_us"),
            (json!({"channels": 8, "coding": "AM824"}), "packet_time_us"),
            (json!({"packet_time_us": 59}), "packet_time_us"),
            (json!({"packet_time_us": 10_001}), "packet_time_us"),
            (json!({"block_samples": 47}), "block_samples"),
            (json!({"block_samples": 48_001}), "block_samples"),
            (json!({"block_samples": 481}), "block_samples"),
            (json!({"channel_order": "SMPTE2110.(51)"}), "channel_order"),
            (json!({"channel_order": "stereo"}), "channel_order"),
        ] {
            let field = format!("audio.{field}");
            assert_eq!(check(&audio).unwrap_err(), [field], "{audio}");
        }
    }
}
