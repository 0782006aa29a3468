//! ANC packets from a sender to a receiver.

mod others;

use std::fs;

use anyhow::{Context as _, Result};
use onair::anc_content::{CEA_608, TIMECODE, Timecode};
use onair::{AncillarySession, Client, Place, Signalled, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::FormatDocument;
use onair_essence::ancillary::AncillaryDocument;
use onair_tests::recordings::recorded::{Recorder as _, exported};
use onair_tests::{Config, Raster, Rig, receive, send, wait_for};
use serde_json::{Value, json};

/// Units that are compared.
const UNITS: u32 = 20;

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

pub(crate) fn attach(rig: &Rig, session: &str) -> Result<AncillarySession> {
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
    fields: Vec<Signalled>,
    pub(crate) packets: Vec<Anc>,
}

/// The next unit.
pub(crate) fn next(session: &AncillarySession) -> Result<Came> {
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

#[test]
fn pattern_of_each_rate_then_timecode_and_captions_count_on() -> Result<()> {
    let rig = Rig::pair()?;
    for (rate, interlaced, ticks) in [
        ("60000/1001", false, 1501),
        ("25", true, 1800),
        ("30000/1001", true, 1501),
        ("24000/1001", false, 3753),
    ] {
        let ancillary = ancillary(rate, interlaced);
        let mut control = rig.control()?;
        control.create(&into_b(&ancillary, 5004))?;
        let session = attach(&rig, "in")?;
        control.create(&out_of_a(&ancillary, 5004, Source::Pattern))?;
        let (mut numbers, mut last) = (Vec::new(), None);
        for _ in 0..UNITS {
            let unit = next(&session)?;
            let kinds: Vec<_> = unit.packets.iter().map(|it| it.kind).collect();
            // A slot of another unit keeps the stream alive.
            if kinds.is_empty() {
                continue;
            }
            assert_eq!((&kinds[..], unit.wrong), (&[TIMECODE, CEA_608][..], 0));
            assert!(unit.complete || numbers.is_empty(), "{unit:?}");
            let timecode = Timecode::of_data(unit.packets[0].data.iter().copied());
            let number = timecode.context("a timecode")?.user;
            let field = match (interlaced, number % 2) {
                (false, _) => Signalled::Frame,
                (true, 0) => Signalled::First,
                (true, _) => Signalled::Second,
            };
            assert_eq!(unit.fields, [field; 2]);
            let time_ns = unit.time_ns.context("both follow one clock")?;
            let tick = (u128::from(time_ns) * 90_000).div_ceil(1_000_000_000);
            assert_eq!(tick % (1 << 32), unit.timestamp.into());
            if let Some((before, timestamp)) = last
                && number == before + 1
            {
                let step = unit.timestamp.wrapping_sub(timestamp);
                assert!((step / ticks) >= 1, "{step}");
            }
            last = Some((number, unit.timestamp));
            numbers.push(number);
        }
        assert!(
            numbers.windows(2).all(|it| it[1] == it[0] + 1),
            "{numbers:?}"
        );
        assert!(numbers.len() > 10, "{numbers:?}");
        control.end("out")?;
        let view = control.show("in")?;
        assert!(view.counters.packets_malformed.is_empty(), "{view:?}");
        drop(session);
        control.end("in")?;
    }
    Ok(())
}

/// The ANC packets of the unit with this number: none, few, and more than a datagram has.
fn given(number: u32) -> Vec<Anc> {
    let count = [1, 0, 3, 12][number as usize % 4];
    let packets = (0..count).map(|at| Anc {
        place: Place {
            is_chroma: at % 2 == 1,
            line: 9 + at,
            offset: 100 * at,
            stream: (at % 3 == 0).then_some(5),
        },
        kind: (0x40 + at.to_le_bytes()[0], 7),
        data: (0..=254).take(usize::from(at) * 23).collect(),
    });
    let number = Anc {
        place: Place::default(),
        kind: (0x50, 1),
        data: number.to_le_bytes().to_vec(),
    };
    std::iter::once(number).chain(packets).collect()
}

#[test]
fn ancillary_recorded_then_its_lines_have_each_packet() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    let ancillary = ancillary("25", true);
    control.create(&into_b(&ancillary, 5004))?;
    control.record("in", "data", "pcapng", &json!({}))?;
    control.create(&out_of_a(&ancillary, 5004, Source::Pattern))?;
    control.await_view("in", "30 units", |it| it.counters.frames_complete >= 30)?;
    let out = control.end("out")?.frames;
    wait_for("what was sent to be received", 20, || {
        Ok(control.show("in")?.counters.packets >= out.packets)
    })?;
    let recorded = control.stop_recording("data")?;
    assert_eq!(recorded.counts.arrived, out.packets);
    let (file, about) = exported(&recorded, "jsonl")?;
    assert_eq!(about["frames"], out.packets, "{about:#}");
    let text = fs::read_to_string(&file)?;
    let lines = text.lines().map(serde_json::from_str);
    let lines = lines.collect::<Result<Vec<Value>, _>>()?;
    assert_eq!(lines.len() as u64, out.packets);
    let mut units = 0;
    let mut last = None;
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["complete"], json!(at > 0), "{line}");
        let timestamp = line["rtp_timestamp"].as_u64().context("a timestamp")?;
        if let Some(last) = last.replace(timestamp) {
            // Fields of 20 ms.
            let ticks = (timestamp + (1 << 32) - last) % (1 << 32);
            assert_eq!(ticks % 1_800, 0, "{line}");
        }
        let packets = line["packets"].as_array().context("a list")?;
        let [timecode, caption] = &packets[..] else {
            assert!(packets.is_empty(), "{line}");
            continue;
        };
        let text = format!("00:00:{:02}:{:02}", units / 50, units / 2 % 25);
        assert_eq!(timecode["timecode"], text, "{line}");
        assert_eq!(timecode["name"], "timecode (ST 12-2)");
        assert_eq!(timecode["field"], units % 2 + 1);
        assert_eq!(caption["did_sdid"], "61/02");
        assert_eq!(
            (&caption["line"], &caption["offset"]),
            (&json!(9), &json!(0))
        );
        for packet in packets {
            assert_eq!(
                (&packet["parity_ok"], &packet["checksum_ok"]),
                (&json!(true), &json!(true))
            );
        }
        units += 1;
    }
    assert_eq!(units, out.frames_sent);
    control.end("in")?;
    Ok(())
}
