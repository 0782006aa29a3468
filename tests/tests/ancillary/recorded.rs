//! Ancillary data that is recorded, and exported as lines of JSON.

use std::fs;

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_tests::recordings::recorded::{Recorder as _, exported};
use onair_tests::{Rig, wait_for};
use serde_json::{Value, json};

use super::{ancillary, into_b, out_of_a};

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
