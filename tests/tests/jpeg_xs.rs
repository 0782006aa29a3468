//! Codestreams from a sender to a receiver.

use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair::{Client, Field, JpegXsSession, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::jpeg_xs::{CodestreamPattern, JpegXsDocument, JpegXsStream};
use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader};
use onair_essence::{Essence as _, FormatDocument, TimingDocument};
use onair_tests::{Config, Raster, Rig, receive, resolve, send};
use serde_json::{Value, json};

/// Units that are compared.
const UNITS: u64 = 20;

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

pub(crate) fn attach(rig: &Rig, session: &str) -> Result<JpegXsSession> {
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
    pub(crate) bytes: Vec<u8>,
}

/// The next unit.
pub(crate) fn next(session: &JpegXsSession) -> Result<Came> {
    let buffer = session.buffer_get(Timeout::millis(20_000))?;
    Ok(Came {
        timestamp: buffer.rtp_timestamp(),
        time_ns: buffer.media_time_ns(),
        complete: buffer.status().is_complete(),
        field: buffer.codestream().field(),
        bytes: buffer.codestream().bytes().to_vec(),
    })
}

/// RTP packets of so many units.
pub(crate) fn packets(document: &JpegXsDocument, units: u32) -> Result<Vec<Vec<Vec<u8>>>> {
    let mut packetiser = stream(document).send(1452)?;
    let pattern = pattern(document);
    let mut unit = vec![0; document.bytes as usize];
    let (mut all, mut sequence) = (Vec::new(), 65_500);
    for number in 0..units {
        pattern.unit(number.into(), 0, &mut unit);
        packetiser.begin(0, |at, out| out.copy_from_slice(&unit[at..at + out.len()]));
        let mut of_unit = Vec::new();
        for index in 0..packetiser.packets(0) {
            let packet = packetiser.packet(0, index).context("below the count")?;
            let header = StreamHeader {
                payload_type: 96,
                timestamp: number * 3600,
                ssrc: 7,
            };
            let mut bytes = vec![0; packet.bytes()];
            let start = packet.write_headers(&header, sequence, &mut bytes);
            packet.for_each_range(|range| bytes[start..].copy_from_slice(&unit[range]));
            sequence += 1;
            of_unit.push(bytes);
        }
        all.push(of_unit);
    }
    Ok(all)
}

/// Sends to UDP port 5004 of port `b`.
pub(crate) fn socket(rig: &Rig) -> Result<UdpSocket> {
    resolve(rig.stage(), "10.77.0.2")?;
    let socket = rig.stage().inside(|| Ok(UdpSocket::bind("10.77.0.9:0")?))?;
    socket.connect("10.77.0.2:5004")?;
    Ok(socket)
}

#[test]
fn pattern_of_each_format_then_each_byte_arrives() -> Result<()> {
    let rig = Rig::pair()?;
    for fields in [
        json!({}),
        json!({"scan": "interlaced", "height": 1080, "width": 1920, "frame_rate": "30000/1001"}),
        json!({"packet_mode": "slice", "sender_type": "narrow_linear"}),
        json!({"sampling": "RGB", "depth": 12, "profile": "Main444.12", "bytes": 200_000}),
    ] {
        let document = jpeg_xs(&fields);
        let (stream, pattern) = (stream(&document), pattern(&document));
        let mut control = rig.control()?;
        control.create(&into_b(&document, 5004))?;
        let session = attach(&rig, "in")?;
        control.create(&out_of_a(&document, 5004, Source::Pattern))?;
        let mut last = None;
        for _ in 0..UNITS {
            let unit = next(&session)?;
            assert!(unit.complete, "{fields}: {unit:?}");
            let number = pattern.number_of(&unit.bytes).context("a number")?;
            let mut sent = vec![0; document.bytes as usize];
            pattern.unit(number, 0, &mut sent);
            assert!(unit.bytes == sent, "{fields}: unit {number} differs");
            assert_eq!(unit.field, stream.field_of(number), "{fields}");
            let time_ns = unit.time_ns.context("both follow one clock")?;
            let tick = (u128::from(time_ns) * 90_000).div_ceil(1_000_000_000);
            assert_eq!(tick % (1 << 32), unit.timestamp.into());
            if let Some(last) = last {
                assert_eq!(number, last + 1, "{fields}");
            }
            last = Some(number);
        }
        drop(session);
        control.end("out")?;
        let view = control.show("in")?;
        let counters = &view.counters;
        assert!(counters.packets_malformed.is_empty(), "{counters:?}");
        assert_eq!(
            (counters.packets_lost, counters.frames_incomplete),
            (0, 0),
            "{counters:?}"
        );
        let Some(TimingDocument::JpegXs(timing)) = view.timing else {
            panic!("{fields}: {:?}", view.timing);
        };
        assert!(timing.is_constant(), "{timing:?}");
        assert_eq!(timing.unit_bytes, u64::from(document.bytes));
        control.end("in")?;
    }
    Ok(())
}
