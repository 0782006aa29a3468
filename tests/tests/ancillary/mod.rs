//! ANC packets from a sender to a receiver.

mod carried;
mod others;
mod recorded;

use onair::{AncillarySession, Client, Place, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::FormatDocument;
use onair_essence::ancillary::AncillaryDocument;
use onair_tests::{Config, Raster, Rig, receive, send};

pub(crate) fn ancillary(frame_rate: &str, interlaced: bool) -> AncillaryDocument {
    AncillaryDocument {
        frame_rate: frame_rate.to_owned(),
        fields: interlaced.then_some(true),
        did_sdid: vec!["50/01".to_owned(), "60/60".to_owned()],
        vpid: None,
        transmission: None,
        standard: None,
        tr_offset_us: None,
    }
}

/// A session that receives at UDP port `udp` of port `b`.
pub(crate) fn into_b(ancillary: &AncillaryDocument, udp: u16) -> SpecDocument {
    SpecDocument {
        format: FormatDocument::Ancillary(ancillary.clone()),
        quota: Some(64),
        ..receive("in", Raster::SMALL, udp)
    }
}

/// A session that sends to it from port `a`.
pub(crate) fn out_of_a(ancillary: &AncillaryDocument, udp: u16, source: Source) -> SpecDocument {
    SpecDocument {
        format: FormatDocument::Ancillary(ancillary.clone()),
        ..send("out", Raster::SMALL, udp, source)
    }
}

pub(crate) fn attach(rig: &Rig, session: &str) -> anyhow::Result<AncillarySession> {
    let client = Client::at(Config::attach_socket(rig.stage()));
    Ok(client.attach_ancillary(session)?)
}

/// An ANC packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Anc {
    pub(crate) place: Place,
    pub(crate) kind: (u8, u8),
    pub(crate) data: Vec<u8>,
}

/// A unit that came.
#[derive(Debug)]
pub(crate) struct Came {
    timestamp: u32,
    time_ns: Option<u64>,
    complete: bool,
    wrong: u32,
    fields: Vec<onair::Signalled>,
    pub(crate) packets: Vec<Anc>,
}

/// The next unit.
pub(crate) fn next(session: &AncillarySession) -> anyhow::Result<Came> {
    let buffer = session.buffer_get(Timeout::millis(20_000))?;
    let unit = buffer.ancillary()?;
    let packets = unit.iter().map(|it| Anc {
        place: it.record.place,
        kind: it.kind(),
        data: it.data().collect(),
    });
    Ok(Came {
        timestamp: buffer.rtp_timestamp(),
        time_ns: buffer.media_time_ns(),
        complete: buffer.status().is_complete(),
        wrong: unit.wrong(),
        fields: unit.iter().map(|it| it.record.field).collect(),
        packets: packets.collect(),
    })
}
