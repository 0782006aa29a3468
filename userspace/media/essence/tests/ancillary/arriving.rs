//! What arrives in ways that a sender does not send it.

use onair_essence::ancillary::unit::{Place, Unit};
use onair_essence::ancillary::{AncillaryMonitor, Malformed};
use onair_essence::measure::Measure as _;
use onair_essence::receive::Depacketise as _;
use onair_essence::rtp::RtpHeader;

use crate::rig::{Anc, Receiving, Source};

const CAPTION: (u8, u8) = (0x61, 0x02);

fn anc(data: &[u8]) -> Anc {
    Anc {
        place: Place::default(),
        kind: CAPTION,
        data: data.to_owned(),
    }
}

/// Each unit complete or not, with its ANC packets and how many are wrong.
fn units(receiving: &Receiving) -> Vec<(bool, u32, u32)> {
    let units = receiving.units.done.iter().map(|(report, buffer)| {
        let unit = Unit::parse(buffer).unwrap();
        (report.complete, unit.packets(), unit.wrong())
    });
    units.collect()
}

/// Changes a bit of word `word` of the first ANC packet of an RTP packet.
fn flip(packet: &mut [u8], word: usize, bit: usize) {
    let at = (12 + 8 + 4) * 8 + word * 10 + (9 - bit);
    packet[at / 8] ^= 0x80 >> (at % 8);
}

#[test]
fn wrong_parity_or_checksum_then_kept_flagged_and_counted() {
    let (mut source, mut receiving) = (Source::new(false, 0), Receiving::new(false));
    receiving.push(&source.unit(&[]));
    // User data, the parity of the DID, and the checksum.
    for (word, bit, parity, checksum) in
        [(4, 0, true, true), (0, 9, true, false), (6, 3, false, true)]
    {
        let mut packets = source.unit(&[anc(&[1, 2, 3]), anc(&[4])]);
        flip(&mut packets[0], word, bit);
        receiving.push(&packets);
        let (report, buffer) = receiving.units.done.last().unwrap();
        let unit = Unit::parse(buffer).unwrap();
        assert_eq!(
            (report.complete, unit.packets(), unit.wrong()),
            (true, 2, 1)
        );
        let [first, second] = unit.iter().collect::<Vec<_>>().try_into().unwrap();
        let found = (first.record.is_parity_wrong, first.record.is_checksum_wrong);
        assert_eq!(found, (parity, checksum), "word {word}");
        assert!(!second.record.is_wrong());
        let (rtp, payload) = RtpHeader::parse(&packets[0]).unwrap();
        let mut monitor = AncillaryMonitor::default();
        monitor.packet(5, None, &rtp, payload);
        let counts = monitor.document(5).unwrap();
        let counted = (counts.wrong_parity, counts.wrong_checksum);
        assert_eq!(counted, (parity.into(), checksum.into()));
        assert_eq!(counts.anc_packets, 2);
    }
    assert_eq!(receiving.receiver.stats().malformed.total(), 0);
}

#[test]
fn lengths_that_lie_then_refused_and_the_unit_is_incomplete() {
    // Place in the RTP packet, what is there, and why it is refused.
    for (at, byte, reason) in [
        (15, 1, Malformed::BadCount),
        (14, 0xff, Malformed::BadLength),
        (16, 9, Malformed::BadCount),
        (16, 1, Malformed::BadLength),
    ] {
        let (mut source, mut receiving) = (Source::new(false, 0), Receiving::new(false));
        receiving.push(&source.unit(&[]));
        let unit = [1, 255, 255, 255, 255, 255].map(|words| anc(&vec![9; words]));
        let mut packets = source.unit(&unit);
        assert_eq!(packets.len(), 2);
        packets[0][at] = byte;
        receiving.push(&packets);
        receiving.push(&source.unit(&[anc(&[2])]));
        let stats = receiving.receiver.stats();
        assert_eq!(
            (stats.malformed.get(reason), stats.malformed.total()),
            (1, 1),
            "{at}"
        );
        assert_eq!(stats.lost, 0, "{at}");
        let done = units(&receiving);
        assert_eq!(
            (done.len(), done[1].0, done[2]),
            (3, false, (true, 1, 0)),
            "{at}"
        );
    }
    let mut receiving = Receiving::new(false);
    let packet = Source::new(false, 0).unit(&[]).remove(0);
    receiving.push(&[packet[..19].to_vec()]);
    assert_eq!(
        receiving
            .receiver
            .stats()
            .malformed
            .get(Malformed::Truncated),
        1
    );
}

#[test]
fn empty_packet_with_the_marker_then_ends_the_unit() {
    let (mut source, mut receiving) = (Source::new(true, 65_534), Receiving::new(true));
    receiving.push(&source.unit(&[]));
    let timestamp = source.timestamp();
    let mut data = source.unit(&[anc(&[1])]).remove(0);
    data[1] &= 0x7f;
    receiving.push(&[data]);
    assert_eq!(units(&receiving).len(), 1);
    source.skip(0);
    let mut end = source.unit(&[]).remove(0);
    end[4..8].copy_from_slice(&timestamp.to_be_bytes());
    receiving.push(&[end]);
    assert_eq!(units(&receiving)[1..], [(true, 1, 0)]);
}

/// A unit of three packets, each with an ANC packet of this data, and whether each has the marker.
fn three(source: &mut Source, data: u8, markers: [bool; 3]) -> Vec<Vec<u8>> {
    let timestamp = source.timestamp();
    let packets = markers.map(|marker| {
        let mut packet = source.unit(&[anc(&[data])]).remove(0);
        packet[1] = packet[1] & 0x7f | u8::from(marker) << 7;
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet
    });
    packets.into()
}

#[test]
fn marker_on_an_earlier_packet_too_then_no_half_unit_complete() {
    for markers in [
        [false, true, true],
        [true, true, true],
        [true, false, true],
        [false, true, false],
    ] {
        // In bursts, and one by one.
        for together in [true, false] {
            let (mut source, mut receiving) = (Source::new(false, 65_530), Receiving::new(false));
            for data in 0..20 {
                let packets = three(&mut source, data, markers);
                match together {
                    true => receiving.push(&packets),
                    false => packets.iter().for_each(|it| receiving.push([it])),
                }
            }
            receiving.push(&three(&mut source, 20, [false, false, true]));
            receiving.push(&three(&mut source, 21, [false, false, true]));
            let units = units(&receiving);
            let halves = units.iter().filter(|it| it.0 && it.1 != 3).count();
            let whole = units.iter().filter(|it| it.0).count();
            assert_eq!(halves, 0, "{markers:?} {together}: {units:?}");
            assert!(whole >= 18, "{markers:?} {together}: {units:?}");
            let stats = receiving.receiver.stats();
            assert_eq!((stats.lost, stats.units_without_marker), (0, 0));
            assert_eq!(stats.units_past_marker, 20, "{markers:?} {together}");
        }
    }
}

#[test]
fn marker_too_early_once_then_the_next_unit_is_whole() {
    let (mut source, mut receiving) = (Source::new(false, 0), Receiving::new(false));
    for data in 0..3 {
        receiving.push(&three(&mut source, data, [false, false, true]));
    }
    for packet in three(&mut source, 3, [false, true, true]) {
        receiving.push([&packet]);
    }
    for data in 4..8 {
        receiving.push(&three(&mut source, data, [false, false, true]));
    }
    let units = units(&receiving);
    assert_eq!(units[4..], [(true, 3, 0); 3], "{units:?}");
    let stats = receiving.receiver.stats();
    assert_eq!((stats.units_past_marker, stats.late, stats.lost), (1, 1, 0));
}

#[test]
fn packets_of_an_invalid_field_then_the_rest_is_whole() {
    // Which packets of a unit have F=01.
    for invalid in [vec![0], vec![1], vec![2], vec![0, 1, 2]] {
        let (mut source, mut receiving) = (Source::new(false, 0), Receiving::new(false));
        for data in 0..9 {
            let mut packets = three(&mut source, data, [false, false, true]);
            if data % 3 == 1 {
                invalid.iter().for_each(|at| packets[*at][17] |= 0x40);
            }
            packets.iter().for_each(|it| receiving.push([it]));
        }
        let all = units(&receiving);
        let packets = [3, 3 - u32::try_from(invalid.len()).unwrap(), 3];
        let expected = packets.into_iter().cycle().take(9).skip(1);
        // Without a packet there is no unit.
        let expected: Vec<_> = expected
            .filter(|it| *it > 0)
            .map(|it| (true, it, 0))
            .collect();
        assert_eq!(all[1..], expected, "{invalid:?}");
        let stats = receiving.receiver.stats();
        let refused = stats.malformed.get(Malformed::BadField);
        assert_eq!(refused, 3 * invalid.len() as u64, "{invalid:?}");
        assert_eq!(
            (stats.lost, stats.units_without_marker),
            (0, 0),
            "{invalid:?}"
        );
    }
}

#[test]
fn ignored_packet_with_the_number_of_another_then_both_count() {
    let (mut source, mut receiving) = (Source::new(false, 0), Receiving::new(false));
    for data in 0..9 {
        for packet in three(&mut source, data, [false, false, true]) {
            let mut forged = packet.clone();
            forged[17] |= 0x40;
            receiving.push([&forged]);
            receiving.push([&packet]);
        }
    }
    assert_eq!(units(&receiving)[1..], [(true, 3, 0); 8]);
    assert_eq!(receiving.receiver.stats().duplicate, 0);
}

#[test]
fn one_packet_with_a_number_far_ahead_then_the_stream_goes_on() {
    let (mut source, mut receiving) = (Source::new(false, 65_500), Receiving::new(false));
    for at in 0..40 {
        let packets = source.unit(&[anc(&[1])]);
        receiving.push(&packets);
        if at % 10 == 5 {
            let mut forged = packets[0].clone();
            let sequence = u16::from_be_bytes([forged[2], forged[3]]);
            forged[2..4].copy_from_slice(&sequence.wrapping_add(900).to_be_bytes());
            let timestamp = source.timestamp().wrapping_sub(1_500);
            forged[4..8].copy_from_slice(&timestamp.to_be_bytes());
            receiving.push([&forged]);
        }
    }
    receiving.close();
    // Before the first unit, packets may have come.
    let complete = units(&receiving).iter().filter(|it| it.0).count();
    assert_eq!(complete, 39);
    assert_eq!(receiving.receiver.stats().restarts, 0);
}

#[test]
fn source_restarts_or_another_comes_then_followed_after_silence() {
    let mut receiving = Receiving::new(false);
    let mut first = Source::new(false, 100);
    for _ in 0..5 {
        receiving.push(&first.unit(&[]));
    }
    let mut other = Source::new(false, 5);
    other.ssrc = 8;
    receiving.push(&other.unit(&[]));
    assert_eq!(receiving.receiver.stats().other_ssrc_packets, 1);
    receiving.now_ns += 200_000_000;
    // One packet makes no source the current one; the second makes both count.
    for (changes, accepted) in [(0, 5), (1, 7)] {
        receiving.push(&other.unit(&[anc(&[1])]));
        let stats = receiving.receiver.stats();
        assert_eq!((stats.ssrc_changes, stats.accepted), (changes, accepted));
    }
    // The same source with other numbers and older timestamps.
    let mut again = Source::new(false, 40_000);
    again.ssrc = 8;
    for _ in 0..40 {
        receiving.now_ns += 20_000_000;
        receiving.push(&again.unit(&[anc(&[2])]));
    }
    receiving.close();
    let stats = *receiving.receiver.stats();
    assert_eq!((stats.restarts, stats.lost), (2, 0));
    let last = units(&receiving).pop().unwrap();
    assert_eq!(last, (true, 1, 0));
    assert_eq!(
        stats.accepted + stats.late + stats.other_ssrc_packets,
        stats.packets
    );
}

#[test]
fn unit_too_large_then_refused_and_the_rest_is_kept() {
    let (mut source, mut receiving) = (Source::new(false, 0), Receiving::new(false));
    receiving.push(&source.unit(&[]));
    let timestamp = source.timestamp();
    // More than a unit has: each RTP packet says that it is of the same frame.
    for _ in 0..80 {
        let mut packets = source.unit(&[anc(&[7; 255]), anc(&[8; 255])]);
        for packet in &mut packets {
            packet[1] &= 0x7f;
            packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        }
        receiving.push(&packets);
    }
    receiving.close();
    let stats = receiving.receiver.stats();
    assert!(stats.malformed.get(Malformed::TooLarge) > 10);
    assert_eq!(stats.malformed.total() + stats.accepted, stats.packets);
    let (complete, packets, wrong) = units(&receiving)[1];
    assert_eq!((complete, wrong), (false, 0));
    assert!(packets > 100);
}

#[test]
fn unit_without_further_packets_then_closed_in_time() {
    let (mut source, mut receiving) = (Source::new(false, 0), Receiving::new(false));
    let mut packet = source.unit(&[anc(&[1])]).remove(0);
    packet[1] &= 0x7f;
    receiving.push(&[packet]);
    let deadline = receiving.receiver.deadline().unwrap();
    assert_eq!(deadline, receiving.now_ns + 100_000_000);
    receiving
        .receiver
        .expire(deadline - 1, &mut receiving.units);
    assert_eq!(receiving.receiver.under_way(), 1);
    receiving.receiver.expire(deadline, &mut receiving.units);
    assert_eq!(receiving.receiver.under_way(), 0);
    assert_eq!(units(&receiving), [(false, 1, 0)]);
    let mut discarded = Vec::new();
    let mut packet = source.unit(&[anc(&[1])]).remove(0);
    packet[1] &= 0x7f;
    receiving.push(&[packet]);
    receiving.receiver.reset(|slot| discarded.push(slot));
    assert_eq!((discarded, receiving.receiver.ssrc()), (vec![1], None));
}

#[test]
fn marker_lost_then_only_its_own_unit_is_incomplete() {
    let (mut source, mut receiving) = (Source::new(false, 0), Receiving::new(false));
    receiving.push(&source.unit(&[]));
    let mut packets = source.unit(&[1, 255, 255, 255, 255, 255].map(|words| anc(&vec![9; words])));
    assert_eq!(packets.len(), 2);
    packets.pop();
    receiving.push(&packets);
    receiving.push(&source.unit(&[anc(&[2])]));
    receiving.push(&source.unit(&[anc(&[3])]));
    let complete: Vec<_> = units(&receiving).iter().map(|it| it.0).collect();
    assert_eq!(complete, [false, false, true, true]);
    assert_eq!(receiving.receiver.stats().lost, 1);
}
