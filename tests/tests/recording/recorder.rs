//! Recordings, read with others' tools and compared with what the sender counted and a client saw.

use anyhow::{Context as _, Result, ensure};
use onair_api::{RecordingEnd, RecordingState, RecordingView, Says, Source};
use onair_tests::recordings::recorded::{
    Recorder, capinfos, files, frames, frames_come, payload_hash, tshark,
};
use onair_tests::{Control, Follower, Raster, Rig, Seen, onairctl, send, wait_for};
use serde_json::Value;

/// A daemon with two ports wired to each other, which records wherever there is a little space.
fn rig() -> Result<Rig> {
    rig_with("")
}

fn rig_with(more: &str) -> Result<Rig> {
    Rig::rings_and(format!("[recorder]\nmin_free_mb = 1\nring_mb = 16\n{more}"))
}

/// The session `in`, to which no sender sends yet.
fn flow(rig: &Rig, raster: Raster) -> Result<Control> {
    let mut control = rig.control()?;
    control.ample("in", raster, 5004)?;
    Ok(control)
}

/// Has the pattern sent to `in` by `out`.
fn go(control: &mut Control, raster: Raster) -> Result<()> {
    control.start("in")?;
    if control.show("out").is_ok() {
        control.start("out")?;
    } else {
        control.create(&send("out", raster, 5004, Source::Pattern))?;
    }
    Ok(())
}

/// Stops `out`, and waits until `in` has received all that it sent. How many packets that were.
fn settle(control: &mut Control) -> Result<u64> {
    control.stop("out")?;
    // A sender that was stopped finishes its frame first.
    wait_for("the poller to be done with it", 20, || {
        let verdict = control.verdict("out")?;
        let pollers = verdict.readings.iter().find(|it| it.name == "pollers");
        let pollers = pollers.context("one reading is of the pollers")?;
        Ok(pollers.says == Says::Zero)
    })?;
    let sent = control.show("out")?.counters.packets;
    wait_for("what was sent to be received", 20, || {
        let received = control.show("in")?.counters.packets;
        Ok(received == sent)
    })?;
    Ok(sent)
}

fn numbers(frames: &[Vec<u8>]) -> Vec<Option<u64>> {
    let seen = frames.iter().map(|frame| Seen::bytes(frame));
    seen.map(|it| it.pattern_number()).collect()
}

fn one_file(view: &RecordingView) -> Result<std::path::PathBuf> {
    ensure!(view.files.len() == 1, "{view:#?}");
    Ok(files(view).remove(0))
}

#[test]
fn recordings_of_both_ends_then_tools_read_them_and_all_agree() -> Result<()> {
    let rig = rig()?;
    let raster = Raster::SMALL;
    let mut control = flow(&rig, raster)?;
    let before = control.record("in", "into", "pcapng", &Value::Null)?;
    assert_eq!(before.state, RecordingState::Recording);
    go(&mut control, raster)?;
    // A session runs from its creation: what it sent until it was stopped is not in its recording.
    let earlier = settle(&mut control)?;
    control.record("out", "out", "pcapng", &Value::Null)?;
    go(&mut control, raster)?;
    frames_come(&mut control, 60)?;
    let running = control.recording("into")?;
    assert!(running.counts.arrived > 0, "{running:#?}");
    let sent = settle(&mut control)?;
    let into = control.stop_recording("into")?;
    let out = control.stop_recording("out")?;
    for (view, packets) in [(&into, sent), (&out, sent - earlier)] {
        assert_eq!(view.end, Some(RecordingEnd::Stopped));
        assert_eq!(view.counts.arrived, packets, "{view:#?}");
        assert_eq!(view.counts.written, packets, "{view:#?}");
        assert_eq!(view.producers.len(), 1);
        assert!(view.producers[0].name.contains("onair-p0"), "{view:#?}");
        assert_eq!(capinfos(&one_file(view)?)?, packets);
    }
    let (into, out) = (tshark(&one_file(&into)?)?, tshark(&one_file(&out)?)?);
    assert_eq!(into.len() as u64, sent);
    let both = &into[usize::try_from(earlier)?..];
    assert_eq!(payload_hash(both), payload_hash(&out));
    assert!(into.is_sorted_by_key(|it| it.at_ns), "times go forward");
    // What the sender counted as bytes of RTP, and each frame with its number and checksum.
    let bytes: usize = into.iter().map(|it| it.payload.len()).sum();
    assert_eq!(bytes as u64, control.show("out")?.counters.bytes);
    let lengths = into.iter().all(|it| it.length == it.payload.len() + 42);
    assert!(lengths, "each is there from its Ethernet header on");
    let numbers = numbers(&frames(&into, raster)?);
    let expected: Vec<_> = (0..numbers.len() as u64).map(Some).collect();
    assert_eq!(numbers, expected);
    by_onairctl(&rig, &mut control)
}

/// Two more recordings of `in`, after the two that have ended: all outputs agree.
fn by_onairctl(rig: &Rig, control: &mut Control) -> Result<()> {
    go(control, Raster::SMALL)?;
    let run = |arguments: &str| -> Result<String> {
        let ran = onairctl(rig, arguments)?;
        ensure!(ran.code == 0, "{arguments}: {ran:?}");
        Ok(ran.out)
    };
    let begun = run("record start in --format pcapng --name take1")?;
    assert!(
        begun.contains("take1") && begun.contains("recording"),
        "{begun}"
    );
    frames_come(control, 5)?;
    let list = run("record list --session in")?;
    assert!(list.contains("take1") && list.contains("pcapng"), "{list}");
    let text = rig.scrape()?;
    assert!(
        text.contains("onair_recordings{state=\"recording\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("onair_recording_packets_arrived_total{"),
        "{text}"
    );
    let stopped: RecordingView = serde_json::from_str(&run("--json record stop take1")?)?;
    assert_eq!(stopped.state, RecordingState::Finished);
    assert_eq!(capinfos(&one_file(&stopped)?)?, stopped.counts.written);
    let shown = run("record show take1")?;
    let sum = stopped.files[0].sha256.clone().context("a checksum")?;
    assert!(
        shown.contains(&sum) && shown.contains("b (onair-p0)"),
        "{shown}"
    );
    let waited =
        run("--json record start in --format pcapng --name take2 --duration 500ms --wait")?;
    let waited: RecordingView = serde_json::from_str(&waited)?;
    assert_eq!(waited.end, Some(RecordingEnd::DurationReached));
    assert_eq!(onairctl(rig, "record show nix")?.code, 5);
    let text = rig.scrape()?;
    assert!(text.contains("onair_recordings_ended_total 4"), "{text}");
    let events = Follower::so_far(rig)?;
    let count = |key: &str, is: &str| events.iter().filter(|it| it[key] == is).count();
    assert_eq!(count("kind", "recording_started"), 4, "{events:?}");
    assert_eq!(count("kind", "recording_ended"), 4, "{events:?}");
    assert!(count("recording_name", "take1") > 0, "{events:?}");
    Ok(())
}
