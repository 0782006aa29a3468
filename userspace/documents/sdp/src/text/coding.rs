//! Format of a medium: `a=rtpmap`, `a=fmtp` and the attributes that belong to them.

use onair_essence::audio::{AudioFormat, ChannelOrder};

use super::attributes::Attributes;
use crate::description::Essence;
use crate::error::{Notes, SdpError};
use crate::essence::ancillary::Ancillary;
use crate::essence::audio::{Aes3, Audio, PcmDepth, packet_time, parse_order, time_of};
use crate::essence::compressed::Compressed;
use crate::essence::video::DescribedVideo;
use crate::fmtp::Parameters;
use crate::rate::{DescribedRate, whole};

/// The essence of a medium of this kind, such as `video`.
pub(super) fn essence(
    kind: &str,
    all: &Attributes<'_>,
    payload_type: u8,
    notes: &mut Notes,
) -> Result<Essence, SdpError> {
    let Some((line, encodings)) = all.of_type("rtpmap", payload_type)? else {
        return Ok(Essence::Other {
            kind: kind.to_owned(),
            encoding: String::new(),
            parameters: String::new(),
        });
    };
    let (encoding, more) = encodings.split_once("; ").unwrap_or((&encodings, ""));
    if !more.is_empty() && more != encoding {
        notes.add(line, "rtpmap", Some(more), "given twice: the first is used");
    }
    if encoding.is_empty() {
        let wanted = "an encoding after the payload type, such as raw/90000";
        return Err(SdpError::invalid(line, "rtpmap", encoding, wanted));
    }
    let fmtp = all.of_type("fmtp", payload_type);
    let mut parts = encoding.split('/').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    let of_kind = |usual: &str, notes: &mut Notes| {
        if kind != usual {
            let reason = format!("{name} is of m={usual}: taken as that");
            notes.add(all.start, "m", Some(kind), &reason);
        }
    };
    let of_video = |notes: &mut Notes| {
        of_kind("video", notes);
        match parts.clone().next() {
            Some("90000") => Ok(()),
            _ => Err(SdpError::invalid(
                line,
                "rtpmap",
                encoding,
                "a clock of 90000",
            )),
        }
    };
    if is("raw") {
        of_video(notes)?;
        let (at, text) = fmtp?.unwrap_or((all.start, String::new()));
        let parameters = Parameters::parse(at, &text);
        let mut video = DescribedVideo::parse(&parameters, notes)?;
        parameters.finish(notes);
        video.rate = rate(video.rate, all, notes);
        return Ok(Essence::Video(video));
    }
    if is("jxsv") {
        of_video(notes)?;
        let (at, text) = fmtp?.unwrap_or((all.start, String::new()));
        let parameters = Parameters::parse(at, &text);
        let mut compressed = Compressed::parse(&parameters, notes)?;
        parameters.finish(notes);
        compressed.rate = rate(compressed.rate, all, notes);
        return Ok(Essence::Compressed(compressed));
    }
    // These can be without parameters.
    let (at, text) = match fmtp {
        Ok(fmtp) => fmtp.unwrap_or((all.start, String::new())),
        Err(error) => {
            notes.add(error.line, &error.parameter, None, &error.fault.to_string());
            (all.start, String::new())
        }
    };
    let parameters = Parameters::parse(at, &text);
    if is("smpte291") {
        of_video(notes)?;
        let mut ancillary = Ancillary::parse(&parameters, notes)?;
        parameters.finish(notes);
        ancillary.rate = rate(ancillary.rate, all, notes);
        return Ok(Essence::Ancillary(ancillary));
    }
    let depths = [
        ("L16", Some(PcmDepth::L16)),
        ("L24", Some(PcmDepth::L24)),
        ("AM824", None),
    ];
    if let Some((_, depth)) = depths.into_iter().find(|(known, _)| is(known)) {
        of_kind("audio", notes);
        let (sample_rate, channels) = rate_and_channels(line, encoding)?;
        let order = parse_order(&parameters, channels, notes);
        parameters.finish(notes);
        let packet_time_us = time_of_packet(all, sample_rate, notes);
        return Ok(audio(depth, (sample_rate, channels), packet_time_us, order));
    }
    Ok(Essence::Other {
        kind: kind.to_owned(),
        encoding: encoding.to_owned(),
        parameters: text,
    })
}

/// The rate of the format, or else that of `a=framerate` (FFmpeg, ST 2110-22).
fn rate(
    own: Option<DescribedRate>,
    all: &Attributes<'_>,
    notes: &mut Notes,
) -> Option<DescribedRate> {
    let wanted = "frames a second such as 25 or 59.94";
    let beside = all.may("framerate", DescribedRate::of_text, wanted, notes);
    let line = all.all("framerate").next();
    if let (Some(line), Some(beside)) = (line, beside) {
        match own {
            None => {
                let reason = format!("exactframerate is missing: {beside} is taken from here");
                notes.add(line.number, line.name, Some(line.value), &reason);
            }
            Some(own) if own != beside => {
                let reason = format!("not used: exactframerate is {own}");
                notes.add(line.number, line.name, Some(line.value), &reason);
            }
            Some(_) => {}
        }
    }
    own.or(beside)
}

/// Of `ENCODING/RATE/CHANNELS`.
fn rate_and_channels(line: usize, encoding: &str) -> Result<(u32, u16), SdpError> {
    let wanted = "ENCODING/RATE/CHANNELS, such as L24/48000/2";
    let invalid = || SdpError::invalid(line, "rtpmap", encoding, wanted);
    let mut parts = encoding.split('/').map(str::trim).skip(1);
    let rate = parts.next().and_then(whole).filter(|it| *it > 0);
    let channels = match parts.next() {
        Some(channels) => whole(channels).and_then(|it| u16::try_from(it).ok()),
        None => Some(1),
    };
    let channels = channels.filter(|it| *it > 0);
    match (rate, channels, parts.next()) {
        (Some(rate), Some(channels), None) => Ok((rate, channels)),
        _ => Err(invalid()),
    }
}

/// The value of `framecount`, which is exact, or else of `ptime` (AES67 §8.1).
fn time_of_packet(all: &Attributes<'_>, sample_rate: u32, notes: &mut Notes) -> Option<u32> {
    let wanted = "milliseconds such as 1 or 0.125";
    let time = all.may("ptime", packet_time, wanted, notes);
    let samples = |text: &str| time_of(whole(text)?, sample_rate);
    let counted = all.may("framecount", samples, "a number of samples", notes);
    let line = all.all("ptime").next();
    if let (Some(time), Some(counted), Some(line)) = (time, counted, line) {
        let of = |us: u32| AudioFormat::samples_in(sample_rate, us);
        // Both may be rounded: as `ptime` has it, then.
        if of(time) == of(counted) {
            return Some(time);
        }
        notes.add(
            line.number,
            line.name,
            Some(line.value),
            "not used: framecount says otherwise",
        );
    }
    counted.or(time)
}

fn audio(
    depth: Option<PcmDepth>,
    (sample_rate, channels): (u32, u16),
    packet_time_us: Option<u32>,
    order: Option<ChannelOrder>,
) -> Essence {
    match depth {
        Some(depth) => Essence::Audio(Audio {
            depth,
            sample_rate,
            channels,
            packet_time_us,
            order,
        }),
        None => Essence::Aes3(Aes3 {
            sample_rate,
            channels,
            packet_time_us,
            order,
        }),
    }
}
