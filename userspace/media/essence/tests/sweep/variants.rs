//! What the senders of others do to packets: the receiver takes it, and a survey names what the receiver takes.

use std::net::SocketAddr;

use onair_essence::receive::{Depacketise as _, ReceiveStats, Run};
use onair_essence::send::{PacketPlan as _, Packetise as _, StreamHeader, TestSignal as _};
use onair_essence::survey::{CapturedPacket, Guess, Survey};
use onair_essence::{EssenceKind, Format, FormatDocument};
use serde_json::json;

use super::{PAYLOAD_TYPE, SLOT, Units};

const TIME_NS: u64 = 1_000_000_000_000;

fn formats() -> Vec<Format> {
    let all = [
        json!({"video": {"width": 320, "height": 240, "frame_rate": "50", "depth": 10}}),
        json!({"video": {"width": 320, "height": 240, "frame_rate": "25", "depth": 10, "scan": "interlaced"}}),
        json!({"audio": {"coding": "L24", "channels": 2, "sample_rate": 48_000}}),
        json!({"ancillary": {"frame_rate": "25"}}),
        json!({"ancillary": {"frame_rate": "25", "fields": true}}),
        json!({"jpeg_xs": {"width": 1920, "height": 1080, "frame_rate": "50", "depth": 10, "bytes": 20_000}}),
    ];
    let documents = all.map(|it| serde_json::from_value::<FormatDocument>(it).unwrap());
    documents.map(|it| Format::try_from(it).unwrap()).into()
}

/// The packets of half a second of the test signal, each with its time.
pub(super) fn packets(format: &Format) -> Vec<(u64, Vec<u8>)> {
    let mut packetiser = format.packetiser(1300).unwrap();
    let mut signal = format.signal().unwrap();
    let units = format.units_in_1000_s() / 2_000;
    let mut all = Vec::new();
    for number in 0..units {
        let slot = SLOT + number;
        let tag = packetiser.tag_of_slot(slot);
        signal.start();
        packetiser.begin(tag, |at, out| signal.read(at, out));
        let header = StreamHeader {
            payload_type: PAYLOAD_TYPE,
            timestamp: packetiser.timestamp(slot),
            ssrc: 7,
        };
        let count = packetiser.packets(tag);
        for index in 0..count {
            let packet = packetiser.packet(tag, index).unwrap();
            let mut bytes = vec![0; packet.bytes()];
            let sequence = u32::try_from(all.len()).unwrap();
            let start = packet.write_headers(&header, sequence, &mut bytes);
            signal.fill(&packet, &mut bytes[start..]);
            let parts = number * u64::from(count) + u64::from(index);
            let at_ns = parts * 1_000_000_000_000 / (format.units_in_1000_s() * u64::from(count));
            all.push((TIME_NS + at_ns, bytes));
        }
        signal.finish();
    }
    all
}

/// What a receiver and a survey find.
pub(super) fn found(format: &Format, packets: &[(u64, Vec<u8>)]) -> (ReceiveStats, Survey) {
    let address = SocketAddr::from(([127, 0, 0, 1], 5004));
    let mut receiver = format.depacketiser(PAYLOAD_TYPE, 100_000_000);
    let mut units = Units {
        bytes: format.unit_bytes(),
        slots: Vec::new(),
        done: Vec::new(),
        incomplete: 0,
    };
    let mut survey = Survey::default();
    for (now_ns, packet) in packets {
        let run = Run {
            packets: &[packet],
            now_ns: *now_ns,
        };
        receiver.push(&run, &mut units);
        let captured = CapturedPacket::of_datagram(address, address, packet).unwrap();
        survey.packet(*now_ns, &captured);
    }
    receiver.close(&mut units);
    (*receiver.stats(), survey)
}

type Change = fn(&mut Vec<u8>);

fn pad(packet: &mut Vec<u8>) {
    packet[0] |= 0x20;
    packet.extend([0, 0, 0, 4]);
}

fn extend(packet: &mut Vec<u8>) {
    packet[0] |= 0x10;
    packet.splice(12..12, [0xbe, 0xde, 0, 1, 0x10, 7, 0, 0]);
}

fn contribute(packet: &mut Vec<u8>) {
    packet[0] |= 2;
    packet.splice(12..12, [9; 8]);
}

#[test]
fn packets_with_what_rtp_allows_then_taken_and_named() {
    let changes: [(&str, Change); 5] = [
        ("as they are", |_| {}),
        ("padding", pad),
        ("extension", extend),
        ("sources", contribute),
        ("all", |packet| {
            extend(packet);
            contribute(packet);
            pad(packet);
        }),
    ];
    for format in formats() {
        for (what, change) in changes {
            let mut packets = packets(&format);
            packets.iter_mut().for_each(|it| change(&mut it.1));
            let (stats, survey) = found(&format, &packets);
            // The receiver may have begun amid the first one.
            assert!(stats.units_incomplete <= 1, "{format}, {what}: {stats:?}");
            assert_eq!(stats.malformed.total(), 0, "{format}, {what}");
            let kind = format.kind().name();
            assert_eq!(Guess::of(&survey).name(), kind, "{format}, {what}");
            let seen = survey.seen();
            assert!(!format.differs_from(&seen), "{format}, {what}: {seen:?}");
        }
    }
}

#[test]
fn bytes_behind_a_length_then_not_read() {
    for format in formats() {
        if !matches!(format.kind(), EssenceKind::Video | EssenceKind::Ancillary) {
            continue;
        }
        for behind in [&[0; 4][..], &[0; 64], &[0xff, 1, 2]] {
            let mut packets = packets(&format);
            packets.iter_mut().for_each(|it| it.1.extend(behind));
            let (stats, survey) = found(&format, &packets);
            assert!(stats.units_incomplete <= 1, "{format}: {stats:?}");
            assert_eq!(stats.malformed.total(), 0, "{format}");
            assert_eq!(Guess::of(&survey).name(), format.kind().name(), "{format}");
            assert!(!format.differs_from(&survey.seen()), "{format}");
        }
    }
}

#[test]
fn marker_missing_then_counted_and_the_stream_named() {
    for format in formats() {
        if format.kind() == EssenceKind::Audio {
            continue;
        }
        let mut packets = packets(&format);
        packets.iter_mut().for_each(|it| it.1[1] &= 0x7f);
        let (stats, survey) = found(&format, &packets);
        let units = format.units_in_1000_s() / 2_000;
        // L of JPEG XS says the same.
        let unmarked = match format.kind() {
            EssenceKind::JpegXs => stats.units_complete,
            _ => stats.units_without_marker,
        };
        assert!(unmarked + 1 >= units, "{format}: {stats:?}");
        assert_eq!(stats.units_past_marker, 0, "{format}");
        assert_eq!(stats.malformed.total(), 0, "{format}");
        assert_eq!(Guess::of(&survey).name(), format.kind().name(), "{format}");
    }
}
