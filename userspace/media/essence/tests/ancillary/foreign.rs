//! Another maker's RFC 8331 (crate `st291`) reads what is sent, and what it writes is received.

use std::path::Path;

use broadcast_common::Serialize as _;
use onair_essence::ancillary::AncillaryMonitor;
use onair_essence::ancillary::rfc8331::Payload;
use onair_essence::ancillary::unit::{Signalled, Unit};
use onair_essence::measure::Measure as _;
use onair_essence::receive::Depacketise as _;
use onair_essence::rtp::RtpHeader;
use onair_essence::survey::{CapturedPacket, Link};
use proptest::prelude::*;
use st291::{AncContent, AncRtpPayload, FieldSense, RtpAncPacket};

use crate::rig::{Anc, Receiving, Source, anc};

/// File, RTP packets, ANC packets, units.
const FILES: [(&str, u64, u64, usize); 4] = [
    ("misc_anc_2110-40", 1799, 5397, 1799),
    ("ST2110-40_ancillary_data", 1000, 750, 251),
    ("anc_with_timecode+CC+AFD", 199, 149, 50),
    ("empty_data_but_valid", 50, 0, 50),
];

/// Theirs as ours.
fn ours(packet: &RtpAncPacket) -> Anc {
    let low = |word: u16| word.to_le_bytes()[0];
    let data = packet.content.user_data_words.iter();
    Anc {
        place: onair_essence::ancillary::unit::Place {
            is_chroma: packet.c,
            line: packet.line_number,
            offset: packet.horizontal_offset,
            stream: packet.s.then_some(packet.stream_num),
        },
        kind: (low(packet.content.did), low(packet.content.sdid)),
        data: data.copied().map(low).collect(),
    }
}

/// Ours as theirs.
fn theirs(anc: &Anc) -> RtpAncPacket {
    RtpAncPacket {
        c: anc.place.is_chroma,
        line_number: anc.place.line,
        horizontal_offset: anc.place.offset,
        s: anc.place.stream.is_some(),
        stream_num: anc.place.stream.unwrap_or(0),
        content: AncContent::build(anc.kind.0, anc.kind.1, &anc.data).unwrap(),
    }
}

proptest! {
    #[test]
    fn units_that_we_send_then_read_by_another_maker(
        unit in prop::collection::vec(anc(), 0..12), sequence: u32,
    ) {
        let packets = Source::new(true, sequence).unit(&unit);
        let mut read = Vec::new();
        for (at, packet) in packets.iter().enumerate() {
            let (rtp, payload) = AncRtpPayload::parse_rtp_packet(packet).unwrap();
            prop_assert_eq!(rtp.marker, at + 1 == packets.len());
            prop_assert_eq!(payload.field_sense, FieldSense::Field1);
            let number = sequence.wrapping_add(u32::try_from(at).unwrap());
            prop_assert_eq!(u32::from(payload.extended_sequence_number), number >> 16);
            for anc in &payload.anc_packets {
                prop_assert!(anc.content.validate().is_valid());
                prop_assert!(anc.content.verify_parity().is_ok());
            }
            read.extend(payload.anc_packets.iter().map(ours));
        }
        prop_assert_eq!(read, unit);
    }

    #[test]
    fn units_of_another_maker_then_received_as_they_were(
        unit in prop::collection::vec(anc(), 0..4), sequence: u16,
    ) {
        let payload = AncRtpPayload {
            extended_sequence_number: 3,
            field_sense: FieldSense::Field2,
            anc_packets: unit.iter().map(theirs).collect(),
        };
        let mut bytes = vec![0; payload.serialized_len()];
        payload.serialize_into(&mut bytes).unwrap();
        prop_assert!(Payload::parse(&bytes).is_ok());
        let rtp = RtpHeader {
            marker: true,
            payload_type: 100,
            sequence,
            timestamp: 9,
            ssrc: 1,
        };
        let mut receiving = Receiving::new(true);
        receiving.push(&[[&rtp.to_bytes()[..], &bytes].concat()]);
        let taken = receiving.taken().remove(0);
        prop_assert_eq!(Signalled::of_tag(taken.tag), Signalled::Second);
        prop_assert_eq!(taken.packets, unit);
    }
}

/// The frames of a pcap file with little endian headers.
fn frames(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = &file[24..];
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(header[8..12].try_into().unwrap());
        let (frame, next) = behind.split_at(length as usize);
        frames.push(frame);
        rest = next;
    }
    frames
}

#[test]
#[ignore = "ONAIR_CAPTURES names a folder of captures"]
fn ancillary_data_of_real_equipment_then_its_known_figures() {
    let folder = std::env::var_os("ONAIR_CAPTURES").expect("ONAIR_CAPTURES names a folder");
    for (name, packets, anc_packets, units) in FILES {
        let path = Path::new(&folder).join(format!("{name}.pcap"));
        let file = std::fs::read(&path).unwrap();
        let mut receiving = Receiving::new(false);
        let mut monitor = AncillaryMonitor::default();
        for frame in frames(&file) {
            let captured = CapturedPacket::parse(Link::of_number(1).unwrap(), frame).unwrap();
            let rtp = captured.rtp;
            monitor.packet(1, None, &rtp, captured.payload);
            receiving.push(&[[&rtp.to_bytes()[..], captured.payload].concat()]);
        }
        receiving.close();
        let counts = monitor.document(1).unwrap();
        eprintln!("{name}: {counts:?}");
        assert_eq!(counts.anc_packets, anc_packets, "{name}");
        assert_eq!(
            (counts.wrong_parity, counts.wrong_checksum),
            (0, 0),
            "{name}"
        );
        let stats = receiving.receiver.stats();
        assert_eq!(
            (stats.packets, stats.accepted, stats.lost),
            (packets, packets, 0),
            "{name}"
        );
        let done = &receiving.units.done;
        assert_eq!(done.len(), units, "{name}");
        let complete = done.iter().filter(|(report, _)| report.complete).count();
        assert!(complete + 2 >= units, "{name}: {complete} complete");
        let all = done
            .iter()
            .map(|(_, it)| u64::from(Unit::parse(it).unwrap().packets()));
        assert_eq!(all.sum::<u64>(), anc_packets, "{name}");
    }
}
