//! A recording in many parts, as long as one likes: `cargo xtask test --slow` records for ten minutes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::RecordingEnd;
use onair_stage::output;
use onair_tests::recordings::recorded::{Recorder, capinfos, files};
use onair_tests::{Deadline, Rig, until};
use serde_json::json;

/// Of one part.
const BYTES: u64 = 2_000_000;
/// Enough for the headers that are looked at.
const SNAP: u64 = 96;
const PORT: u16 = 5004;

#[test]
fn recording_long_and_split_then_its_parts_join_without_a_gap() -> Result<()> {
    let wanted = std::env::var("ONAIR_LONG_SECONDS").ok();
    let seconds: u64 = wanted.map_or(Ok(4), |it| it.parse())?;
    let rig = Rig::rings_with(|config| config.more = "[recorder]\nmin_free_mb = 1\n".into())?;
    let mut control = rig.control()?;
    control.receiver("in", PORT)?;
    let split =
        json!({"snap_length": SNAP, "split_size_bytes": BYTES, "duration_ms": seconds * 1000});
    control.record("in", "long", "pcapng", &split)?;
    control.pattern("out", PORT)?;
    let limit = Deadline::after(Duration::from_secs(seconds + 30));
    until("the recording to end", limit, || {
        let view = control.recording("long")?;
        Ok(view.state.is_over().then_some(()))
    })?;
    let view = control.recording_ends("long")?;
    assert_eq!(view.end, Some(RecordingEnd::DurationReached), "{view:#?}");
    // What came while it ended itself; nothing else is missing.
    let late = view.counts.dropped.get("not_accepting").copied();
    let missing = view.counts.arrived - view.counts.written;
    assert_eq!(missing, late.unwrap_or(0), "{view:#?}");
    assert!(view.files.len() > 1, "{view:#?}");

    let (mut events, mut expected) = (0, None);
    for file in files(&view) {
        assert!(file.metadata()?.len() <= BYTES);
        events += capinfos(&file)?;
        let path = file.to_str().context("a path in UTF-8")?;
        let port = format!("udp.port=={PORT},rtp");
        let line = [
            "-n", "-r", path, "-d", &port, "-T", "fields", "-e", "rtp.seq",
        ];
        for number in output("tshark", &line)?.lines() {
            let number: u16 = number.parse().with_context(|| number.to_owned())?;
            ensure!(
                expected.is_none_or(|it| it == number),
                "{path} goes on with {number}, not {expected:?}"
            );
            expected = Some(number.wrapping_add(1));
        }
    }
    assert_eq!(events, view.counts.written, "{view:#?}");
    Ok(())
}
