//! Codestreams from a sender to a receiver.

mod carried;
pub(crate) mod hostile;

use onair::{Client, Field, JpegXsSession, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::FormatDocument;
use onair_essence::jpeg_xs::{CodestreamPattern, JpegXsDocument, JpegXsStream};
use onair_tests::{Config, Raster, Rig, receive, send};
use serde_json::{Value, json};

/// A format with these fields changed.
pub(crate) fn jpeg_xs(fields: &Value) -> JpegXsDocument {
    let mut document = json!({
        "width": 1280, "height": 720, "frame_rate": "25", "depth": 10, "bytes": 60_000,
        "profile": "Main422.10", "level": "2k-1", "sublevel": "Sublev3bpp",
    });
    let changed = fields.as_object().expect("an object").clone();
    let all = document.as_object_mut().expect("an object");
    all.extend(changed);
    serde_json::from_value(document).expect("a format")
}

fn stream(document: &JpegXsDocument) -> JpegXsStream {
    JpegXsStream::try_from(document).expect("a valid format")
}

pub(crate) fn pattern(document: &JpegXsDocument) -> CodestreamPattern {
    CodestreamPattern::new(&stream(document)).expect("the pattern fits")
}

/// The session, with fields of JPEG XS.
pub(crate) fn of(spec: SpecDocument) -> SpecDocument {
    SpecDocument {
        format: FormatDocument::JpegXs(jpeg_xs(&json!({"scan": "interlaced"}))),
        ..spec
    }
}

/// A session that receives at UDP port `udp` of port `b`.
pub(crate) fn into_b(document: &JpegXsDocument, udp: u16) -> SpecDocument {
    SpecDocument {
        format: FormatDocument::JpegXs(document.clone()),
        quota: Some(16),
        ..receive("in", Raster::SMALL, udp)
    }
}

/// A session that sends to it from port `a`.
pub(crate) fn out_of_a(document: &JpegXsDocument, udp: u16, source: Source) -> SpecDocument {
    SpecDocument {
        format: FormatDocument::JpegXs(document.clone()),
        ..send("out", Raster::SMALL, udp, source)
    }
}

pub(crate) fn attach(rig: &Rig, session: &str) -> anyhow::Result<JpegXsSession> {
    let client = Client::at(Config::attach_socket(rig.stage()));
    Ok(client.attach_jpeg_xs(session)?)
}

/// A unit that came.
#[derive(Debug)]
pub(crate) struct Came {
    timestamp: u32,
    time_ns: Option<u64>,
    pub(crate) complete: bool,
    field: Option<Field>,
    missing: u32,
    pub(crate) bytes: Vec<u8>,
}

/// The next unit.
pub(crate) fn next(session: &JpegXsSession) -> anyhow::Result<Came> {
    let buffer = session.buffer_get(Timeout::millis(20_000))?;
    let status = buffer.status();
    Ok(Came {
        timestamp: buffer.rtp_timestamp(),
        time_ns: buffer.media_time_ns(),
        complete: status.is_complete(),
        field: buffer.codestream().field(),
        missing: match &status {
            onair::Status::Complete => 0,
            onair::Status::Incomplete(it) => it.bytes_missing,
        },
        bytes: buffer.codestream().bytes().to_vec(),
    })
}
