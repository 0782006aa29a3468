//! Codestreams that are not what the session has: counted by name, and never passed as right.

use onair_essence::jpeg_xs::Malformed;
use onair_essence::receive::Depacketise as _;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::rig::{Receiving, Source, stream};

fn both(profile: &str) -> Value {
    json!({"profile": profile, "level": "2k-1", "sublevel": "Sublev3bpp"})
}

/// Three units of a source, at a session with other fields.
fn received(sent: &Value, session: &Value) -> Receiving {
    let mut source = Source::new(&stream(sent), 0);
    let mut receiving = Receiving::new(&stream(session));
    for _ in 0..3 {
        receiving.push(&source.unit());
    }
    receiving.close();
    receiving
}

#[test]
fn headers_that_contradict_then_named_and_incomplete() {
    let main = both("Main422.10");
    for (sent, session, reason) in [
        (json!({}), json!({"width": 1280}), Malformed::OtherRaster),
        (
            json!({"scan": "interlaced", "height": 720}),
            json!({"scan": "interlaced"}),
            Malformed::OtherRaster,
        ),
        (json!({"depth": 12}), json!({}), Malformed::OtherSamples),
        (
            json!({"sampling": "RGB"}),
            json!({}),
            Malformed::OtherSamples,
        ),
        (main.clone(), both("High444.12"), Malformed::OtherProfile),
        (
            main.clone(),
            json!({"level": "4k-1"}),
            Malformed::OtherLevel,
        ),
        (
            main,
            json!({"sublevel": "Sublev6bpp"}),
            Malformed::OtherLevel,
        ),
    ] {
        let receiving = received(&sent, &session);
        let stats = receiving.receiver.stats();
        // One packet of each unit.
        assert_eq!(
            (stats.malformed.get(reason), stats.malformed.total()),
            (3, 3),
            "{sent} {session}"
        );
        assert_eq!(
            (stats.units_complete, stats.units_wrong_format),
            (0, 2),
            "{sent} {session}"
        );
        let done = &receiving.units.done;
        // The source of the very first packet is not known yet.
        assert!(
            done[1..]
                .iter()
                .all(|(it, _)| !it.complete && it.wrong_format),
            "{sent} {session}"
        );
    }
}

#[test]
fn boxes_with_another_rate_then_units_are_whole() {
    // The first is what an asynchronous source measures, the last what some senders always write.
    for (sent, session) in [
        ("25", "24995/1000"),
        ("24995/1000", "24995/1000"),
        ("60", "50"),
    ] {
        let receiving = received(
            &json!({"frame_rate": sent}),
            &json!({"frame_rate": session}),
        );
        let stats = receiving.receiver.stats();
        assert_eq!(
            (stats.units_complete, stats.malformed.total()),
            (3, 0),
            "{sent} {session}"
        );
    }
}

#[test]
fn modes_that_contradict_the_session_then_no_packet_is_taken() {
    for (sent, session, reason) in [
        (
            json!({"packet_mode": "slice"}),
            json!({}),
            Malformed::OtherMode,
        ),
        (
            json!({}),
            json!({"packet_mode": "slice"}),
            Malformed::OtherMode,
        ),
        (
            json!({"packet_mode": "slice"}),
            json!({"packet_mode": "slice", "out_of_order": true}),
            Malformed::OtherMode,
        ),
        (
            json!({"scan": "interlaced"}),
            json!({"height": 540}),
            Malformed::OtherScan,
        ),
    ] {
        let receiving = received(&sent, &session);
        let stats = receiving.receiver.stats();
        assert_eq!(
            stats.malformed.get(reason),
            stats.packets,
            "{sent} {session}"
        );
        assert!(receiving.units.done.is_empty());
    }
}

#[test]
fn codestream_of_another_length_than_its_header_then_refused() {
    let stream = stream(&json!({}));
    let length = {
        let unit = Source::new(&stream, 0).pattern(0);
        // The length is behind the marker of the picture header and its own.
        unit.windows(4)
            .position(|it| *it == [0xff, 0x12, 0, 26])
            .unwrap()
            + 4
    };
    let session = crate::rig::stream(&json!({"bytes": 30_000}));
    for (change, reason) in [
        (-1i32, Malformed::BadLength),
        (1, Malformed::BadLength),
        (-5_000, Malformed::BadLength),
        (1 << 30, Malformed::TooLarge),
    ] {
        let (mut source, mut receiving) = (Source::new(&stream, 0), Receiving::new(&session));
        let mut unit = source.pattern(0);
        let place: &mut [u8; 4] = unit[length..].first_chunk_mut().unwrap();
        *place = u32::from_be_bytes(*place)
            .wrapping_add_signed(change)
            .to_be_bytes();
        receiving.push(&source.bytes_of(&unit));
        receiving.push(&source.unit());
        receiving.close();
        let stats = receiving.receiver.stats();
        assert!(stats.malformed.get(reason) > 0, "{change}: {stats:?}");
        let complete: Vec<_> = receiving.done().iter().map(|it| it.1).collect();
        assert_eq!(complete, [false, true], "{change}");
    }
}

#[test]
fn unit_without_a_header_then_refused() {
    let stream = stream(&json!({}));
    for begin in [
        &b"\xff\x11"[..],
        b"\0\0\0\x07jpvs",
        b"\xff\xff\xff\xffjpvs",
        b"\xff\x10\xff\x12",
        b"",
    ] {
        let (mut source, mut receiving) = (Source::new(&stream, 0), Receiving::new(&stream));
        let mut unit = vec![0; 20_000];
        unit[..begin.len()].copy_from_slice(begin);
        receiving.push(&source.bytes_of(&unit));
        receiving.close();
        let stats = receiving.receiver.stats();
        assert_eq!(stats.malformed.get(Malformed::BadHeader), 1, "{begin:?}");
        assert_eq!(receiving.done(), [(None, false)]);
    }
}

proptest! {
    #[test]
    fn unit_damaged_in_its_headers_then_no_panic_and_bounds_kept(
        damage in prop::collection::vec((0usize..300, any::<u8>()), 1..6),
    ) {
        let stream = stream(&json!({}));
        let (mut source, mut receiving) = (Source::new(&stream, 0), Receiving::new(&stream));
        let mut unit = source.pattern(0);
        for (at, byte) in damage {
            unit[at] = byte;
        }
        receiving.push(&source.bytes_of(&unit));
        receiving.close();
        let (report, came) = receiving.last();
        prop_assert!(came.len() <= 20_000);
        if report.complete {
            prop_assert_eq!(came, &unit);
        }
        let stats = receiving.receiver.stats();
        prop_assert_eq!(stats.accepted + stats.malformed.total(), stats.packets);
    }
}
