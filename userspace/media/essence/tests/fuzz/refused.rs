//! Packets that are refused, between those of a stream: counted, and nothing else.

use std::net::SocketAddr;

use onair_essence::legs::Leg;
use onair_essence::survey::{CapturedPacket, Survey};
use onair_essence::video::Scan;
use onair_essence::{Format, SeenFormat, SentPacket};

use super::stranger::{SSRC, Session, TIMEOUT_NS, a_second, forged, formats, large_formats, sent};

type Change = fn(&mut Vec<u8>);

/// An RTP payload instead of the packet's.
fn payload(packet: &mut Vec<u8>, bytes: &[u8]) {
    packet.truncate(12);
    packet.extend(bytes);
    packet.resize(60, 0x55);
}

/// What makes a packet of this format one that is refused, by name.
fn changes(format: &Format) -> Vec<(&'static str, Change)> {
    let mut all: Vec<(_, Change)> = vec![("truncated", |it| it.truncate(13))];
    match format {
        Format::Video(it) => all.extend::<[(_, Change); 5]>([
            match it.format.scan() {
                Scan::Progressive => ("of a second field", |it| {
                    payload(it, &[0, 0, 0, 40, 0x80, 0, 0, 0]);
                }),
                _ => ("of a line beyond the second field", |it| {
                    payload(it, &[0, 0, 0, 40, 0x84, 0, 0, 0]);
                }),
            },
            ("of a line beyond the raster", |it| {
                payload(it, &[0, 0, 0, 40, 4, 0, 0, 0]);
            }),
            ("of a part of a pgroup", |it| {
                payload(it, &[0, 0, 0, 41, 0, 1, 0, 0]);
            }),
            ("beyond a line", |it| {
                payload(it, &[0, 0, 0, 40, 0, 1, 0x10, 0]);
            }),
            ("shorter than it says", |it| {
                payload(it, &[0, 0, 2, 0, 0, 1, 0, 0]);
            }),
        ]),
        Format::JpegXs(_) => all.extend::<[(_, Change); 5]>([
            ("of field 01", |it| it[12] |= 8),
            ("of a field", |it| it[12] |= 0x10),
            ("of another mode", |it| it[12] ^= 0x40),
            ("without a header", |it| {
                let separator = if it[12] & 0x40 == 0 {
                    [0, 0]
                } else {
                    [0x3f, 0xf8]
                };
                it[12] &= !0x20;
                it[13] = it[13] & 0xc0 | separator[0];
                it[1] &= 0x7f;
                it.truncate(14);
                it.extend([
                    separator[1],
                    0,
                    0x12,
                    0x34,
                    0x56,
                    0x78,
                    0x9a,
                    0xbc,
                    0xde,
                    0xf0,
                ]);
            }),
            ("larger than a unit", |it| it.resize(100_000, 7)),
        ]),
        Format::Audio(_) => all.extend::<[(_, Change); 3]>([
            ("shorter", |it| it.truncate(it.len() - 6)),
            ("longer", |it| it.resize(it.len() + 60, 1)),
            ("of no whole sample", |it| it.resize(it.len() + 1, 1)),
        ]),
        Format::Ancillary(_) => all.extend::<[(_, Change); 3]>([
            ("of field 01", |it| it[17] |= 0x40),
            ("of another length", |it| {
                it[14..16].copy_from_slice(&[0xff, 0xfc])
            }),
            ("of too many packets", |it| it[16] = 200),
        ]),
    }
    all
}

/// Where a refused packet is, from the packet of the stream that comes next: numbers and ticks.
fn places(format: &Format) -> Vec<(i32, i32)> {
    let hz = i32::try_from(format.clock_hz()).unwrap();
    let period = i32::try_from(format.period_ns(1)).unwrap() / 1_000 * (hz / 1_000) / 1_000;
    let near = [0, 1, 2, 7, -1, -3].map(|numbers| (numbers, 0));
    let next = [0, 1, 5, 300].map(|numbers| (numbers, period));
    let far = [(0, -period), (0, hz), (1, hz), (20_000, 0), (-300, -hz)];
    near.into_iter().chain(next).chain(far).collect()
}

fn complete(
    format: &Format,
    has_legs: bool,
    packets: &[SentPacket],
    refused: impl Fn(usize) -> Option<Vec<u8>>,
) -> (Vec<u32>, String) {
    let (mut session, mut count) = (Session::new(format, has_legs), 0);
    for (at, (now_ns, packet)) in packets.iter().enumerate() {
        if let Some(refused) = refused(at) {
            session.turn(Leg::First, &[&refused], *now_ns);
            count += 1;
        }
        session.turn(Leg::First, &[packet], *now_ns);
        if has_legs {
            session.turn(Leg::Second, &[packet], *now_ns);
        }
    }
    let (stats, units) = session.end();
    let told = format!("{count} refused, {stats:?}");
    let is_odd =
        stats.restarts + stats.lost + stats.units_wrong_format + stats.units_past_marker > 0;
    assert!(!is_odd, "{told}");
    (units.complete, told)
}

#[test]
fn refused_packets_of_every_reason_then_units_as_without() {
    for format in formats().into_iter().chain(large_formats()) {
        let packets = sent(&format, a_second(&format).min(40));
        let (alone, _) = complete(&format, false, &packets, |_| None);
        for (name, change) in changes(&format) {
            for (numbers, ticks) in places(&format) {
                for every in [1, 7] {
                    let refused = |at: usize| {
                        let mut packet = forged(&packets[at].1, numbers, ticks, SSRC);
                        change(&mut packet);
                        (at.is_multiple_of(every) && at > 2).then_some(packet)
                    };
                    let (beside, told) = complete(&format, false, &packets, refused);
                    assert_eq!(
                        beside, alone,
                        "{format}, {name}, {numbers}, {ticks}, {every}: {told}"
                    );
                }
            }
        }
    }
}

/// Units that are complete on two legs, each of which lacks what the other one brings, the second one later. On a leg,
/// refused packets come before some of the stream.
fn complete_of_legs(
    format: &Format,
    packets: &[SentPacket],
    (leg, late_ns): (Leg, u64),
    refused: impl Fn(usize) -> Option<Vec<u8>>,
) -> (Vec<u32>, String) {
    let mut session = Session::new(format, true);
    let mut all = Vec::new();
    for (at, (now_ns, packet)) in packets.iter().enumerate() {
        for (of, at_ns, lost) in [(Leg::First, *now_ns, 5), (Leg::Second, now_ns + late_ns, 8)] {
            all.extend(refused(at).filter(|_| of == leg).map(|it| (at_ns, of, it)));
            if at < 20 || at % 11 != lost {
                all.push((at_ns, of, packet.clone()));
            }
        }
    }
    all.sort_by_key(|it| it.0);
    for (now_ns, leg, packet) in all {
        session.turn(leg, &[&packet], now_ns);
    }
    let lost = session.lost_of_legs();
    let (stats, units) = session.end();
    let told = format!("{lost:?}, {stats:?}");
    assert!(lost[2] + stats.restarts == 0, "{told}");
    (units.complete, told)
}

#[test]
fn refused_packets_on_either_leg_then_units_as_without() {
    for format in formats().into_iter().chain(large_formats()) {
        let packets = sent(&format, a_second(&format).min(24));
        for of in [(Leg::First, 3_000_000), (Leg::Second, 3_000_000)] {
            let (alone, _) = complete_of_legs(&format, &packets, of, |_| None);
            for (name, change) in changes(&format) {
                for place in places(&format) {
                    let refused = |at: usize| {
                        let mut packet = forged(&packets[at].1, place.0, place.1, SSRC);
                        change(&mut packet);
                        (at.is_multiple_of(7) && at > 2).then_some(packet)
                    };
                    let (beside, told) = complete_of_legs(&format, &packets, of, refused);
                    assert_eq!(beside, alone, "{format}, {of:?}, {name}, {place:?}: {told}");
                }
            }
        }
    }
}

/// A packet of the old or of the new numbers, which is of neither: every sixteenth.
#[test]
fn source_restarts_while_one_in_16_is_forged_then_followed() {
    for format in formats() {
        let units = 3 * a_second(&format);
        let packets = sent(&format, units);
        let middle = packets.len() / 2;
        let mut session = Session::new(&format, false);
        for (at, (now_ns, packet)) in packets.iter().enumerate() {
            let (packet, now_ns) = match at < middle {
                true => (packet.clone(), *now_ns),
                false => (
                    forged(packet, 20_000, 1 << 30, SSRC),
                    now_ns + 3 * TIMEOUT_NS,
                ),
            };
            session.turn(Leg::First, &[&packet], now_ns);
            if at % 16 == 15 {
                let far = i32::try_from(at)
                    .unwrap()
                    .wrapping_mul(0x9e37_79b9_u32.cast_signed());
                let odd = forged(&packet, 3_000 + (far >> 20), -far.abs() / 2, SSRC);
                session.turn(Leg::First, &[&odd], now_ns);
            }
        }
        let (stats, done) = session.end();
        let agreed = 40 * units / packets.len() as u64 + 4;
        let complete = done.complete.len() as u64;
        assert!(
            complete + agreed >= units,
            "{format}: {complete} of {units}: {stats:?}"
        );
    }
}

/// The stream goes on behind a gap once two of its packets agree; a refused one comes between them.
#[test]
fn refused_packet_behind_a_gap_then_the_next_two_agree() {
    let audio = formats()
        .into_iter()
        .find(|it| matches!(it, Format::Audio(_)));
    let format = audio.unwrap();
    let packets = sent(&format, a_second(&format));
    let units = |is_refused: bool| {
        let mut session = Session::new(&format, false);
        // More is missing than can be lost in the time.
        let (before, after) = (packets.len() / 4, packets.len() / 2 + 3);
        for (at, (_, packet)) in packets
            .iter()
            .enumerate()
            .filter(|it| !(before..after).contains(&it.0))
        {
            let now_ns = packets[if at < before { at } else { at - after + before }].0;
            session.turn(Leg::First, &[packet], now_ns);
            if at == after && is_refused {
                session.turn(Leg::First, &[&forged(packet, 777, 1 << 20, SSRC)], now_ns);
            }
        }
        session.end().1.complete
    };
    assert_eq!(units(true), units(false));
}

/// A stream that is surveyed from its first packet on. A few packets are refused, or forged.
#[test]
fn refused_packets_among_what_is_surveyed_then_seen_as_without() {
    let address = SocketAddr::from(([127, 0, 0, 1], 5004));
    for format in formats().into_iter().chain(large_formats()) {
        let packets = sent(&format, a_second(&format) / 2 + 1);
        let seen = |odd: &dyn Fn(usize) -> Option<Vec<u8>>| {
            let mut survey = Survey::default();
            for (at, (now_ns, packet)) in packets.iter().enumerate() {
                for bytes in odd(at).iter().chain([packet]) {
                    let packet = CapturedPacket::of_datagram(address, address, bytes);
                    survey.packet(*now_ns, &packet.unwrap());
                }
            }
            (survey.payload_type(), survey.seen())
        };
        let alone = seen(&|_| None);
        assert_ne!(alone.1, SeenFormat::Nothing {}, "{format}");
        let others: [(_, Change); 2] = [("whole", |_| {}), ("of another type", |it| it[1] ^= 1)];
        for (name, change) in changes(&format).into_iter().chain(others) {
            for place in places(&format) {
                let odd = |at: usize| {
                    let mut packet = forged(&packets[at].1, place.0, place.1, SSRC);
                    change(&mut packet);
                    at.is_multiple_of(packets.len() / 2).then_some(packet)
                };
                assert_eq!(seen(&odd), alone, "{format}, {name}, {place:?}");
            }
        }
    }
}
