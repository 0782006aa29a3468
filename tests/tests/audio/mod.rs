//! Blocks of audio from a sender to a receiver, ours and others'.

mod formats;
mod others;
mod piped;

use onair::{AudioFormat, AudioSession, Client, Coding, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::FormatDocument;
use onair_essence::audio::AudioDocument;
use onair_tests::{Config, Raster, Rig, receive, send};

/// A format of the usual packet time.
pub(crate) fn audio(coding: Coding, sample_rate: u32, channels: u32) -> AudioDocument {
    AudioDocument {
        coding,
        sample_rate,
        channels,
        packet_time_us: None,
        block_samples: None,
        channel_order: None,
    }
}

/// A session that receives at UDP port `udp` of port `b`.
pub(crate) fn into_b(audio: &AudioDocument, udp: u16) -> SpecDocument {
    SpecDocument {
        format: FormatDocument::Audio(audio.clone()),
        quota: Some(64),
        ..receive("in", Raster::SMALL, udp)
    }
}

/// A session that sends to it from port `a`.
pub(crate) fn out_of_a(audio: &AudioDocument, udp: u16, source: Source) -> SpecDocument {
    SpecDocument {
        format: FormatDocument::Audio(audio.clone()),
        ..send("out", Raster::SMALL, udp, source)
    }
}

pub(crate) fn attach(rig: &Rig, session: &str) -> anyhow::Result<AudioSession> {
    let client = Client::at(Config::attach_socket(rig.stage()));
    Ok(client.attach_audio(session)?)
}

/// A block that came.
#[derive(Debug)]
pub(crate) struct Block {
    number: u64,
    timestamp: u32,
    time_ns: Option<u64>,
    complete: bool,
    pub(crate) bytes: Vec<u8>,
}

/// The next block.
pub(crate) fn next(session: &AudioSession) -> anyhow::Result<Block> {
    let block = session.buffer_get(Timeout::millis(20_000))?;
    Ok(Block {
        number: block.number(),
        timestamp: block.rtp_timestamp(),
        time_ns: block.media_time_ns(),
        complete: block.status().is_complete(),
        bytes: block.to_vec(),
    })
}

pub(crate) fn format(audio: &AudioDocument) -> AudioFormat {
    AudioFormat::try_from(audio).expect("a valid format")
}
