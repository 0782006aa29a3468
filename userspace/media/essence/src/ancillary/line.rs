//! A unit of ancillary data as a line of JSON.

use serde::Serialize;

use super::content::{Kind, TIMECODE, Timecode};
use super::unit::{AncPacket, Place, Signalled, Unit};

/// The ANC packets of a frame or field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AncillaryLine {
    /// RTP timestamp, in ticks of 90 kHz.
    pub rtp_timestamp: u32,
    /// The time that it names, in ns since the SMPTE Epoch (TAI); absent if the sender follows another clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_ns: Option<u64>,
    /// Whether every RTP packet arrived.
    pub complete: bool,
    /// The ANC packets, in order; none: the packets only kept the stream alive.
    pub packets: Vec<PacketLine>,
}

/// An ANC packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PacketLine {
    /// 1 or 2; absent if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<u8>,
    /// Line of the interface; absent if not specified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u16>,
    /// Horizontal offset in samples; absent if not specified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u16>,
    /// It is in the colour difference channel.
    pub chroma: bool,
    /// Stream of a multi-stream interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<u8>,
    /// DID and SDID (or DBN) in hexadecimal digits: `61/02`.
    pub did_sdid: String,
    /// Its name by SMPTE, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    /// Whether the parity of each word is right.
    pub parity_ok: bool,
    /// Whether the checksum is right.
    pub checksum_ok: bool,
    /// The checksum as it came, 10 bits.
    pub checksum: u16,
    /// The words of user data as they came, 10 bits each.
    pub words: Vec<u16>,
    /// A right timecode as text (ST 12-2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timecode: Option<String>,
}

impl AncillaryLine {
    /// The line of one unit.
    #[must_use]
    pub fn new(unit: &Unit<'_>, rtp_timestamp: u32, time_ns: Option<u64>, complete: bool) -> Self {
        Self {
            rtp_timestamp,
            time_ns,
            complete,
            packets: unit.iter().map(|it| PacketLine::new(&it)).collect(),
        }
    }
}

impl PacketLine {
    fn new(packet: &AncPacket<'_>) -> Self {
        let record = &packet.record;
        let Place {
            is_chroma,
            line,
            offset,
            stream,
        } = record.place;
        let (did, sdid) = packet.kind();
        let timecode = || Timecode::of_data(packet.data()).map(|it| it.to_string());
        Self {
            field: match record.field {
                Signalled::Frame => None,
                Signalled::First => Some(1),
                Signalled::Second => Some(2),
            },
            line: Some(line).filter(|it| *it != Place::ANY_LINE),
            offset: Some(offset).filter(|it| *it != Place::ANY_OFFSET),
            chroma: is_chroma,
            stream,
            did_sdid: format!("{did:02x}/{sdid:02x}"),
            name: Kind::of(packet.kind()).name(),
            parity_ok: !record.is_parity_wrong,
            checksum_ok: !record.is_checksum_wrong,
            checksum: record.checksum,
            words: packet.words().collect(),
            timecode: (packet.kind() == TIMECODE && !record.is_wrong())
                .then(timecode)
                .flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ancillary::content::{CEA_608, TimecodeSource};
    use crate::ancillary::unit::{UNIT_BYTES, UnitWriter};

    #[test]
    fn unit_as_json_then_each_packet_with_its_place_and_verdict() {
        let mut buffer = vec![0; UNIT_BYTES];
        let mut unit = UnitWriter::new(&mut buffer).unwrap();
        let timecode = Timecode {
            hours: 10,
            minutes: 0,
            seconds: 1,
            frames: 2,
            drop_frame: true,
            source: TimecodeSource::Linear,
            user: 0,
        };
        let place = Place {
            line: 9,
            ..Place::default()
        };
        unit.push(place, TIMECODE, &timecode.to_data()).unwrap();
        unit.push(Place::default(), CEA_608, &[0x8c]).unwrap();
        let unit = Unit::parse(&buffer).unwrap();
        let line = json!(AncillaryLine::new(&unit, 7, None, true));
        assert_eq!(line["packets"][0]["timecode"], "10:00:01;02");
        assert_eq!(line["packets"][0]["line"], 9);
        let second = &line["packets"][1];
        assert_eq!(second["did_sdid"], "61/02");
        assert_eq!(
            (&second["line"], &second["words"]),
            (&json!(null), &json!([0x18c]))
        );
        assert_eq!(
            (&line["complete"], &line["rtp_timestamp"]),
            (&json!(true), &json!(7))
        );
    }
}
