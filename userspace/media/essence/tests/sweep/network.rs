//! What a network does to packets, and senders to markers, is never another format; and what can be whole is.

use onair_essence::receive::ReceiveStats;
use onair_essence::survey::Guess;
use onair_essence::{EssenceKind, Format, FormatDocument};
use serde_json::{Value, json};

use super::Random;
use super::variants::{found, packets};

type Packets = Vec<(u64, Vec<u8>)>;

fn format(document: Value) -> Format {
    let document: FormatDocument = serde_json::from_value(document).unwrap();
    Format::try_from(document).unwrap()
}

fn video(rate: &str, scan: &str) -> Format {
    format(
        json!({"video": {"width": 320, "height": 240, "frame_rate": rate, "depth": 10, "scan": scan}}),
    )
}

fn sound(rate: u32, packet_us: u32) -> Format {
    format(
        json!({"audio": {"coding": "L16", "channels": 2, "sample_rate": rate, "packet_time_us": packet_us}}),
    )
}

fn data(rate: &str, fields: bool) -> Format {
    format(json!({"ancillary": {"frame_rate": rate, "fields": fields}}))
}

fn compressed(rate: &str, height: u32, scan: &str, mode: &str) -> Format {
    format(
        json!({"jpeg_xs": {"width": 1920, "height": height, "frame_rate": rate, "depth": 10, "bytes": 40_000,
        "scan": scan, "packet_mode": mode}}),
    )
}

fn formats() -> Vec<Format> {
    vec![
        video("50", "progressive"),
        video("50", "interlaced"),
        video("50", "psf"),
        sound(48_000, 1_000),
        sound(44_100, 1_000),
        data("50", false),
        data("30000/1001", true),
        compressed("50", 1080, "progressive", "codestream"),
        compressed("50", 1081, "interlaced", "codestream"),
        compressed("24995/1000", 1080, "progressive", "slice"),
    ]
}

fn timestamp(packet: &(u64, Vec<u8>)) -> u32 {
    u32::from_be_bytes(packet.1[4..8].try_into().unwrap())
}

/// Each packet with the number of its unit, its place in it, and how many the unit has.
fn placed(packets: &Packets) -> impl Iterator<Item = (usize, usize, usize)> {
    let units = packets.chunk_by(|a, b| timestamp(a) == timestamp(b));
    units
        .enumerate()
        .flat_map(|(unit, all)| (0..all.len()).map(move |at| (unit, at, all.len())))
}

fn units(packets: &Packets) -> u64 {
    packets
        .chunk_by(|a, b| timestamp(a) == timestamp(b))
        .count() as u64
}

fn keep(packets: &mut Packets, mut is_kept: impl FnMut((usize, usize, usize)) -> bool) {
    let kept: Vec<_> = placed(packets).map(&mut is_kept).collect();
    let mut kept = kept.into_iter();
    packets.retain(|_| kept.next().unwrap());
}

fn lose(packets: &mut Packets, percent: u64) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    keep(packets, |_| random.next() % 100 >= percent);
}

/// Puts each few packets in another order, at the times that the others had.
fn disorder(packets: &mut Packets, few: usize, mut order: impl FnMut(&mut [(u64, Vec<u8>)])) {
    let times: Vec<_> = packets.iter().map(|it| it.0).collect();
    packets.chunks_mut(few).for_each(&mut order);
    packets.iter_mut().zip(times).for_each(|(it, ns)| it.0 = ns);
}

/// What a network or a sender does to packets.
type Harm = (&'static str, fn(&mut Packets));

const HARMS: [Harm; 11] = [
    ("1 % lost", |it| lose(it, 1)),
    ("22 % lost", |it| lose(it, 22)),
    ("60 % lost", |it| lose(it, 60)),
    ("each second unit lost", |it| {
        keep(it, |(unit, ..)| unit.is_multiple_of(2))
    }),
    ("four of five units lost", |it| {
        keep(it, |(unit, ..)| unit.is_multiple_of(5))
    }),
    ("ends lost", |it| {
        keep(it, |(_, at, count)| at + 3 < count || count == 1)
    }),
    ("starts lost", |it| {
        keep(it, |(_, at, count)| at > 2 || count < 4)
    }),
    ("each second packet lost", |it| {
        keep(it, |(unit, at, _)| (unit + at).is_multiple_of(2))
    }),
    ("each twice", |it| {
        *it = it
            .iter()
            .flat_map(|one| [one.clone(), one.clone()])
            .collect()
    }),
    ("two and two swapped", |it| disorder(it, 2, <[_]>::reverse)),
    ("shuffled", |it| {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        disorder(it, 7, |some| random.shuffle(some));
    }),
];

/// Nothing says another format.
fn is_own(format: &Format, what: &str, packets: &Packets) -> ReceiveStats {
    let (stats, survey) = found(format, packets);
    let (guess, seen) = (Guess::of(&survey).name(), survey.seen());
    let is_its = [format.kind().name(), Guess::Unknown.name()].contains(&guess);
    assert!(is_its, "{format}, {what}: {guess}");
    assert!(!format.differs_from(&seen), "{format}, {what}: {seen:?}");
    assert_eq!(stats.units_wrong_format, 0, "{format}, {what}");
    for (reason, count) in format.reasons().iter().zip(stats.malformed.iter()) {
        let is_other = format.of_other_formats().contains(reason) && count > 0;
        assert!(!is_other, "{format}, {what}: {count} {reason}");
    }
    stats
}

#[test]
fn packets_lost_doubled_and_out_of_order_then_no_other_format() {
    for format in formats() {
        for (what, harm) in HARMS {
            let mut packets = packets(&format);
            harm(&mut packets);
            is_own(&format, what, &packets);
        }
    }
}

/// Whether a packet has the marker: by the number of its unit, its place there, and how many that has.
type Marked = fn((usize, usize, usize)) -> bool;

const MARKERS: [(&str, Marked); 6] = [
    ("two", |(_, at, count)| at == count / 2 || at + 1 == count),
    ("each packet", |_| true),
    ("early", |(_, at, count)| at == count / 2),
    ("late", |(unit, at, _)| at == 0 && unit > 0),
    ("second field", |(unit, at, count)| {
        unit % 2 == 1 && at + 1 == count
    }),
    ("none", |_| false),
];

#[test]
fn markers_early_late_twice_or_never_then_units_flow() {
    for format in formats() {
        let is_compressed = format.kind() == EssenceKind::JpegXs;
        // Without a marker a unit of ancillary data lacks a packet, as far as is known.
        let flowing = match format.kind() {
            EssenceKind::Audio => 0,
            EssenceKind::Ancillary => 2,
            _ => MARKERS.len(),
        };
        for (index, (what, is_marked)) in MARKERS.into_iter().enumerate() {
            // L of JPEG XS as it is, and never.
            for has_last in [true, false]
                .into_iter()
                .take(1 + usize::from(is_compressed))
            {
                let mut packets = packets(&format);
                let marked: Vec<_> = placed(&packets).map(is_marked).collect();
                for ((_, packet), is_marked) in packets.iter_mut().zip(marked) {
                    packet[1] = packet[1] & 0x7f | u8::from(is_marked) << 7;
                    packet[12] &= if has_last { 0xff } else { !0x20 };
                }
                let stats = is_own(&format, what, &packets);
                let flows = index >= flowing || stats.units_complete + 2 >= units(&packets);
                assert!(flows, "{format}, {what} {has_last}: {stats:?}");
            }
        }
    }
}

#[test]
fn fields_of_ancillary_data_that_no_description_has_then_taken() {
    let session = data("30000/1001", false);
    // Fields that are named, and units at the rate of fields that are not; frames without data are left out.
    for (rate, fields) in [
        ("30000/1001", true),
        ("60000/1001", false),
        ("15000/1001", false),
    ] {
        let packets = packets(&data(rate, fields));
        let stats = is_own(&session, rate, &packets);
        assert_eq!(stats.units_complete + 1, units(&packets), "{rate} {fields}");
    }
    // Both fields with the timestamp of the first.
    let mut segments = packets(&data("30000/1001", true));
    for two in segments.chunks_exact_mut(2) {
        let first = two[0].1[4..8].to_vec();
        two[1].1[4..8].copy_from_slice(&first);
    }
    is_own(&session, "segments", &segments);
    for fields in [false, true] {
        let (_, survey) = found(&session, &packets(&data("25", fields)));
        assert!(session.differs_from(&survey.seen()), "{fields}");
    }
}

#[test]
fn rates_that_sources_measure_then_units_flow() {
    for rate in [
        "24995/1000",
        "59946/1000",
        "60003/1000",
        "119900/1000",
        "95/2",
    ] {
        let of = [
            video(rate, "progressive"),
            data(rate, false),
            compressed(rate, 1080, "progressive", "codestream"),
        ];
        for format in of {
            let packets = packets(&format);
            let stats = is_own(&format, rate, &packets);
            assert!(stats.units_complete + 1 >= units(&packets), "{format}");
        }
    }
}

#[test]
fn packets_at_44100_with_either_number_of_samples_then_sound() {
    let session = sound(44_100, 1_000);
    for (packet_us, samples) in [(1_000, 48), (998, 44)] {
        let packets = packets(&sound(44_100, packet_us));
        let stats = is_own(&session, "sound", &packets);
        // The first packet of the other number waits for the second, and the last block for its end.
        let blocks = (packets.len() as u64 - 2) * samples / 432;
        assert!(stats.units_complete + 1 >= blocks, "{samples}: {stats:?}");
        assert!(stats.malformed.total() <= 1, "{samples}: {stats:?}");
    }
}
