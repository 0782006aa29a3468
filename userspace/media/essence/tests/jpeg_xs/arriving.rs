//! What arrives in ways that a sender does not send it.

use std::net::SocketAddr;

use onair_essence::jpeg_xs::Malformed;
use onair_essence::receive::{Depacketise as _, MissingRange};
use onair_essence::survey::{CapturedPacket, Survey};
use onair_essence::video::Field;
use onair_essence::{Format, Seen as _, SeenFormat};
use serde_json::{Value, json};

use crate::rig::{Receiving, Source, stream};

/// Bytes of a packet's part of the codestream.
const PART: usize = 1452 - 16;

fn malformed(receiving: &Receiving, reason: Malformed) -> (u64, u64) {
    let counts = receiving.receiver.stats().malformed;
    (counts.get(reason), counts.total())
}

#[test]
fn packet_lost_then_its_range_is_listed_and_the_rest_in_place() {
    let stream = stream(&json!({}));
    let (mut source, mut receiving) = (Source::new(&stream, 65_530), Receiving::new(&stream));
    for number in 0..3 {
        let mut packets = source.unit();
        if number == 1 {
            packets.drain(4..6);
        }
        receiving.push(&packets);
    }
    assert_eq!(
        receiving.done(),
        [(None, true), (None, false), (None, true)]
    );
    let (report, unit) = &receiving.units.done[1];
    let gap = MissingRange {
        offset: 4 * PART,
        len: 2 * PART,
    };
    assert_eq!(
        (report.missing(), report.bytes_missing),
        (&[gap][..], 2 * PART)
    );
    assert_eq!((report.packets_lost, report.marker_seen), (2, true));
    let whole = source.pattern(1);
    assert_eq!(unit.len(), whole.len());
    assert_eq!(unit[..4 * PART], whole[..4 * PART]);
    assert_eq!(unit[6 * PART..], whole[6 * PART..]);
    assert_eq!(receiving.receiver.stats().lost, 2);
}

#[test]
fn first_or_last_packet_lost_then_the_length_is_known() {
    let stream = stream(&json!({}));
    let packets = Source::new(&stream, 0).unit().len();
    for lost in [0, packets - 1] {
        let (mut source, mut receiving) = (Source::new(&stream, 0), Receiving::new(&stream));
        receiving.push(&source.unit());
        let mut packets = source.unit();
        packets.remove(lost);
        receiving.push(&packets);
        receiving.push(&source.unit());
        assert_eq!(
            receiving.done(),
            [(None, true), (None, false), (None, true)]
        );
        let (report, unit) = &receiving.units.done[1];
        let [range] = report.missing() else {
            panic!("{report:?}");
        };
        let len = PART.min(20_000 - lost * PART);
        assert_eq!((range.offset, range.len), (lost * PART, len));
        assert_eq!(unit.len().max(range.offset + range.len), 20_000);
    }
}

#[test]
fn slices_out_of_order_then_put_in_order() {
    let ordered = stream(&json!({"packet_mode": "slice"}));
    let any_order = stream(&json!({"packet_mode": "slice", "out_of_order": true}));
    let (mut source, mut receiving) = (Source::new(&ordered, 9), Receiving::new(&any_order));
    for number in 0..4usize {
        let mut packets = source.unit();
        // Whole slices, one packet each, in another order; numbers and marker in that of sending.
        let headers: Vec<_> = packets.iter().map(|it| it[..12].to_vec()).collect();
        let count = packets.len();
        packets.rotate_left(count / 3 * number.min(2));
        if number == 3 {
            packets.reverse();
        }
        for (packet, header) in packets.iter_mut().zip(headers) {
            packet[..12].copy_from_slice(&header);
            packet[12] &= 0x7f;
        }
        // The marker's packet ends its slice.
        packets[count - 1][12] |= 0x20;
        receiving.push(&packets);
        let (report, unit) = receiving.last();
        assert!(report.complete, "{number}: {report:?}");
        assert_eq!(*unit, source.pattern(number as u64));
    }
    assert_eq!(receiving.receiver.stats().malformed.total(), 0);
}

#[test]
fn flags_that_contradict_then_refused_by_reason() {
    // Byte of the packet, what it is changed by, and why it is refused.
    for (at, change, reason) in [
        (12, 0x08, Malformed::BadField),
        (12, 0x10, Malformed::OtherScan),
        (12, 0x40, Malformed::OtherMode),
        (12, 0x80, Malformed::OtherMode),
        (12, 0x04, Malformed::BadCounter),
        (15, 0x01, Malformed::BadCounter),
        (0, 0xc0, Malformed::BadVersion),
        (1, 0x01, Malformed::BadPayloadType),
    ] {
        let stream = stream(&json!({}));
        let (mut source, mut receiving) = (Source::new(&stream, 0), Receiving::new(&stream));
        receiving.push(&source.unit());
        let mut packets = source.unit();
        packets[5][at] ^= change;
        receiving.push(&packets);
        receiving.push(&source.unit());
        receiving.close();
        assert_eq!(malformed(&receiving, reason), (1, 1), "{at} {change:x}");
        let complete: Vec<_> = receiving.done().iter().map(|it| it.1).collect();
        assert_eq!(complete, [true, false, true], "{at} {change:x}");
        let (report, _) = &receiving.units.done[1];
        assert!(
            report.bytes_missing > 0 || report.wrong_format,
            "{at} {change:x}"
        );
    }
    let stream = stream(&json!({}));
    let mut receiving = Receiving::new(&stream);
    let packet = Source::new(&stream, 0).unit().remove(0);
    receiving.push([&packet[..16].to_vec(), &packet[..14].to_vec()]);
    assert_eq!(malformed(&receiving, Malformed::Truncated), (2, 2));
}

#[test]
fn marker_missing_or_early_then_the_header_says_the_end() {
    let stream = stream(&json!({}));
    // The packet whose marker is changed, and what is counted: units without marker, past it, and refused packets.
    for (at, counts) in [(13, (0, 0, 0)), (5, (0, 1, 0))] {
        let (mut source, mut receiving) = (Source::new(&stream, 0), Receiving::new(&stream));
        for number in 0..6 {
            let mut packets = source.unit();
            assert_eq!(packets.len(), 14);
            if number == 2 {
                packets[at][1] ^= 0x80;
            }
            packets.iter().for_each(|it| receiving.push([it]));
        }
        receiving.close();
        let stats = receiving.receiver.stats();
        let found = (stats.units_without_marker, stats.units_past_marker);
        assert_eq!((found.0, found.1, stats.malformed.total()), counts, "{at}");
        let complete: Vec<_> = receiving.done().iter().map(|it| it.1).collect();
        assert_eq!(complete, [true; 6], "{at}");
        assert_eq!(stats.lost, 0);
    }
}

#[test]
fn marker_of_an_earlier_slice_then_no_half_a_unit_is_complete() {
    let stream = stream(&json!({"packet_mode": "slice"}));
    let (mut source, mut receiving) = (Source::new(&stream, 0), Receiving::new(&stream));
    for number in 0..6 {
        let mut packets = source.unit();
        // The picture header does not say how long the codestream is.
        let place = packets[0]
            .windows(2)
            .position(|it| it == [0xff, 0x12])
            .unwrap()
            + 4;
        packets[0][place..place + 4].fill(0);
        if number % 2 == 1 {
            let middle = packets.len() / 2;
            let slice = packets[middle..].iter_mut().find(|it| it[12] & 0x20 != 0);
            slice.unwrap()[1] |= 0x80;
        }
        packets.iter().for_each(|it| receiving.push([it]));
    }
    let complete: Vec<_> = receiving.done().iter().map(|it| it.1).collect();
    assert_eq!(complete, [true, false, true, false, true, false]);
    assert_eq!(receiving.receiver.stats().units_past_marker, 3);
}

#[test]
fn fields_then_each_is_a_unit_and_a_frame_has_one_number() {
    let stream = stream(&json!({"scan": "interlaced"}));
    let (mut source, mut receiving) = (Source::new(&stream, 0), Receiving::new(&stream));
    let mut frames = Vec::new();
    for _ in 0..66 {
        let packets = source.unit();
        let number = (packets[0][12] & 7) << 2 | packets[0][13] >> 6;
        frames.push(usize::from(number));
        receiving.push(&packets);
    }
    let (first, second) = (Some(Field::First), Some(Field::Second));
    let fields: Vec<_> = receiving.done();
    assert!(
        fields
            .chunks(2)
            .all(|it| *it == [(first, true), (second, true)])
    );
    assert!(
        frames
            .iter()
            .enumerate()
            .all(|(at, frame)| *frame == at / 2 % 32)
    );
}

#[test]
fn field_with_the_number_of_a_frame_of_its_own_then_taken() {
    // As some equipment counts.
    let stream = stream(&json!({"scan": "interlaced"}));
    let (mut source, mut receiving) = (Source::new(&stream, 0), Receiving::new(&stream));
    for number in 0..8u8 {
        let mut packets = source.unit();
        for packet in &mut packets {
            packet[12] = packet[12] & !7 | number >> 2;
            packet[13] = packet[13] & 0x3f | number << 6;
        }
        receiving.push(&packets);
    }
    assert!(receiving.done().iter().all(|it| it.1));
}

#[test]
fn unit_larger_than_the_session_then_refused_and_named() {
    let large = stream(&json!({"bytes": 30_000}));
    let small = stream(&json!({}));
    let (mut source, mut receiving) = (Source::new(&large, 0), Receiving::new(&small));
    for _ in 0..3 {
        receiving.push(&source.unit());
    }
    receiving.close();
    let (of_reason, total) = malformed(&receiving, Malformed::TooLarge);
    assert!(
        of_reason > 0 && of_reason == total,
        "{of_reason} of {total}"
    );
    assert!(
        receiving
            .units
            .done
            .iter()
            .all(|(it, _)| !it.complete && it.wrong_format)
    );
    assert_eq!(receiving.receiver.stats().units_wrong_format, 3);
}

#[test]
fn source_restarts_or_another_comes_then_followed_after_silence() {
    let stream = stream(&json!({}));
    let mut receiving = Receiving::new(&stream);
    let mut first = Source::new(&stream, 100);
    for _ in 0..5 {
        receiving.push(&first.unit());
    }
    let mut other = Source::new(&stream, 5);
    other.ssrc = 8;
    receiving.push(&other.unit());
    let stats = receiving.receiver.stats();
    assert_eq!(stats.other_ssrc_packets, u64::from(other.sequence - 5));
    receiving.now_ns += 200_000_000;
    receiving.push(&other.unit());
    assert_eq!(receiving.receiver.stats().ssrc_changes, 1);
    assert_eq!(receiving.done(), [(None, true); 6]);
    assert_eq!(receiving.last().1, other.pattern(1));
}

fn surveyed(fields: &Value) -> SeenFormat {
    let address = SocketAddr::from(([127, 0, 0, 1], 5004));
    let mut source = Source::new(&stream(fields), 0);
    let mut survey = Survey::default();
    for unit in 0..20u64 {
        for packet in source.unit() {
            let parsed = CapturedPacket::of_datagram(address, address, &packet).unwrap();
            survey.packet(unit * 16_683_333, &parsed);
        }
    }
    survey.seen()
}

#[test]
fn stream_of_each_format_then_seen_as_it_is() {
    let cases = [
        json!({}),
        json!({"scan": "interlaced"}),
        json!({"packet_mode": "slice", "depth": 12, "frame_rate": "50"}),
        json!({"width": 1280, "height": 720, "sampling": "YCbCr-4:4:4"}),
    ];
    for sent in &cases {
        let seen = surveyed(sent);
        for other in &cases {
            let format = Format::from(stream(other));
            assert_eq!(
                format.differs_from(&seen),
                sent != other,
                "{sent} {other} {seen:?}"
            );
        }
    }
    let seen = surveyed(&cases[2]);
    let text = "JPEG XS 1920x1080 50 fps YCbCr-4:2:2 12 bit";
    assert_eq!(seen.to_string(), text);
    let flags = " --jpeg-xs 1920x1080@50 --codestream-bytes 20000 --samples YCbCr-4:2:2/12 --packet-mode slice";
    assert_eq!(seen.flags(), flags);
    // With a rate of two terms its fields are those of a picture, too.
    for fields in [&cases[0], &cases[2]] {
        let seen = surveyed(fields);
        let read = SeenFormat::of_document("jpeg_xs", json!(seen)).unwrap();
        assert_eq!(read, seen);
    }
}
