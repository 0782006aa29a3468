//! Recordings, read with others' tools and compared with what the sender counted and a client saw.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{RecordingEnd, RecordingState, RecordingView, Says, Source};
use onair_stage::time_scale;
use onair_tests::recordings::recorded::{
    Recorder, capinfos, exported, ffmpeg, ffprobe, files, frames, frames_come, payload_hash,
    planar_frames, tshark,
};
use onair_tests::{
    Control, Deadline, Follower, Raster, Rig, Seen, Viewer, onairctl, send, wait_for,
};
use serde_json::{Value, json};

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
fn recording_pcapng_of_both_ends_then_other_tools_read_it() -> Result<()> {
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
    Ok(())
}

/// Records packets of `in`, exports their frames as Y4M and raw, and compares them with what a client saw.
fn frames_exported(raster: Raster) -> Result<()> {
    let rig = rig()?;
    let mut control = flow(&rig, raster)?;
    control.record(
        "in",
        "film",
        "pcapng",
        &json!({"split_size_bytes": 1_000_000}),
    )?;
    let mut viewer = Viewer::start(&rig, "in")?;
    go(&mut control, raster)?;
    viewer.wait(40, Deadline::seconds(40))?;
    let sent = settle(&mut control)?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    let film = control.stop_recording("film")?;
    let complete = control.show("in")?.counters.frames_complete;
    assert!(complete >= 40);
    assert_eq!(film.counts.arrived, sent, "{film:#?}");
    assert!(film.files.len() > 1, "{film:#?}");
    let (file, about) = exported(&film, "y4m")?;
    let (plain, _) = exported(&film, "raw")?;
    assert_eq!(about["frames"], complete, "{about:#}");
    assert_eq!(about["incomplete_frames"], 0, "{about:#}");
    let stream = ffprobe(&file)?;
    let format = if raster.depth == 8 {
        "yuv422p"
    } else {
        "yuv422p10le"
    };
    assert_eq!(stream["pix_fmt"], format, "{stream}");
    assert_eq!(stream["width"], raster.width, "{stream}");
    assert_eq!(stream["height"], raster.height, "{stream}");
    assert_eq!(stream["r_frame_rate"], format!("{}/1", raster.rate));
    assert_eq!(stream["nb_read_frames"], complete.to_string(), "{stream}");
    let shown = ffmpeg(&file, raster, &[])?;
    let expected: Vec<_> = (0..complete).map(Some).collect();
    assert_eq!(numbers(&shown), expected, "{raster:?}");
    let raw = planar_frames(&std::fs::read(plain)?, raster)?;
    assert!(raw == shown, "raw and y4m hold the same frames");
    // Each frame that the client saw, byte by byte: both count from 0.
    assert!(seen.len() >= 40);
    for frame in &seen {
        let at = usize::try_from(frame.number)?;
        let recorded = Seen::bytes(&shown[at]);
        assert_eq!(recorded.hash, frame.hash, "{raster:?}: {frame:?}");
    }
    Ok(())
}

#[test]
fn export_of_10_bits_then_the_frames_that_a_client_saw() -> Result<()> {
    frames_exported(Raster::new(320, 180, 50, 10))
}

#[test]
fn session_stopped_and_started_then_its_recording_has_both_runs() -> Result<()> {
    let rig = rig()?;
    let mut control = flow(&rig, Raster::SMALL)?;
    control.record("in", "long", "pcapng", &Value::Null)?;
    for round in 0..3 {
        go(&mut control, Raster::SMALL)?;
        frames_come(&mut control, 10)?;
        // A recording that is added while a poller has the session, and taken out again there.
        let name = format!("short{round}");
        control.record("in", &name, "pcapng", &json!({"snap_length": 96}))?;
        frames_come(&mut control, 5)?;
        let short = control.stop_recording(&name)?;
        assert!(short.counts.written > 0, "{short:#?}");
        assert_eq!(capinfos(&one_file(&short)?)?, short.counts.written);
        settle(&mut control)?;
        control.stop("in")?;
        assert_eq!(control.recording("long")?.state, RecordingState::Recording);
    }
    let packets = control.show("in")?.counters.packets;
    let long = control.stop_recording("long")?;
    assert_eq!(long.counts.arrived, packets, "{long:#?}");
    assert_eq!(capinfos(&one_file(&long)?)?, packets);
    assert!(control.show("out")?.counters.packets >= packets);
    Ok(())
}

#[test]
fn session_ends_in_any_way_then_its_recording_ends_with_it() -> Result<()> {
    let rig = rig()?;
    for (end, name) in [("destroy", "a"), ("abort", "b"), ("quarantine", "c")] {
        let mut control = flow(&rig, Raster::SMALL)?;
        control.record("in", name, "pcapng", &Value::Null)?;
        let mut user = rig.user("in")?;
        go(&mut control, Raster::SMALL)?;
        frames_come(&mut control, 10)?;
        user.say("hold 1")?;
        // An eviction changes nothing for the recording.
        let number = control.show("in")?.attachments[0].attachment;
        control.evict("in", number)?;
        frames_come(&mut control, 5)?;
        assert_eq!(control.recording(name)?.state, RecordingState::Recording);
        let id = control.show("in")?.id;
        match end {
            "abort" => control.abort("in")?,
            "destroy" => control.stop("in").and_then(|_| control.destroy("in"))?,
            _ => control.stop("in").and_then(|_| control.quarantine("in"))?,
        };
        let view = control.recording_ends(name)?;
        assert_eq!(view.end, Some(RecordingEnd::SessionEnded), "{view:#?}");
        assert_eq!(view.state, RecordingState::Finished, "{view:#?}");
        let packets = control.certificate(id)?.frames.packets;
        assert_eq!(packets, view.counts.arrived, "{view:#?}");
        assert_eq!(capinfos(&one_file(&view)?)?, view.counts.written);
        drop(user);
        control.end("out")?;
    }
    Ok(())
}

#[test]
fn recording_until_its_time_or_size_then_it_ends_and_says_why() -> Result<()> {
    let rig = rig()?;
    let mut control = flow(&rig, Raster::SMALL)?;
    go(&mut control, Raster::SMALL)?;
    // On a slow machine the first packet takes longer to come.
    let span = Duration::from_millis(700) * time_scale();
    let timed = json!({"duration_ms": u64::try_from(span.as_millis())?});
    control.record("in", "timed", "pcapng", &timed)?;
    control.record("in", "sized", "pcapng", &json!({"size_bytes": 2_000_000}))?;
    let split = json!({"size_bytes": 4_000_000, "split_size_bytes": 1_000_000});
    control.record("in", "split", "pcapng", &split)?;
    let timed = control.recording_ends("timed")?;
    assert_eq!(timed.end, Some(RecordingEnd::DurationReached), "{timed:#?}");
    let packets = tshark(&one_file(&timed)?)?;
    let (first, last) = (
        packets.first().context("one")?,
        packets.last().context("one")?,
    );
    assert!(last.at_ns - first.at_ns <= span.as_nanos(), "{timed:#?}");
    let sized = control.recording_ends("sized")?;
    assert_eq!(sized.end, Some(RecordingEnd::SizeReached), "{sized:#?}");
    // What was accepted then is still written: a ring full at the most.
    assert!(
        (2_000_000..18_000_000).contains(&sized.files[0].bytes),
        "{sized:#?}"
    );
    let split = control.recording_ends("split")?;
    assert!(split.files.len() >= 4, "{split:#?}");
    let mut joined = Vec::new();
    for file in files(&split) {
        assert!(file.metadata()?.len() <= 1_000_000, "{split:#?}");
        joined.extend(tshark(&file)?);
    }
    assert_eq!(joined.len() as u64, split.counts.written);
    // Sequence numbers go on from one part to the next.
    let number = |it: &onair_tests::recordings::recorded::Captured| {
        u16::from_be_bytes([it.payload[2], it.payload[3]])
    };
    for pair in joined.windows(2) {
        assert_eq!(number(&pair[1]), number(&pair[0]).wrapping_add(1));
    }
    // The session goes on.
    frames_come(&mut control, 5)?;
    Ok(())
}

#[test]
fn recordings_too_many_or_of_used_names_then_refused_alone() -> Result<()> {
    let rig = rig_with("max_recordings = 2\n")?;
    let mut control = flow(&rig, Raster::SMALL)?;
    go(&mut control, Raster::SMALL)?;
    control.record("in", "one", "pcapng", &Value::Null)?;
    control.record("in", "two", "pcapng", &Value::Null)?;
    let refused = |control: &mut Control, session: &str, spec: Value| -> Result<(u16, String)> {
        let answer = control.try_record(session, &spec)?;
        Ok((answer.status, answer.code().to_owned()))
    };
    let spec = json!({"format": "pcapng"});
    assert_eq!(
        refused(&mut control, "in", spec.clone())?,
        (429, "limit_reached".into())
    );
    frames_come(&mut control, 10)?;
    control.stop_recording("two")?;
    for name in ["one", "two"] {
        let taken = json!({"format": "pcapng", "name": name});
        assert_eq!(
            refused(&mut control, "in", taken)?,
            (409, "name_taken".into()),
            "{name}"
        );
    }
    // Of no recording that is known, but there: nothing is written over.
    let folder = onair_tests::recordings::recorded::recordings_folder(&rig);
    std::fs::write(folder.join("mine.pcapng"), "mine")?;
    let taken = json!({"format": "pcapng", "name": "mine"});
    assert_eq!(
        refused(&mut control, "in", taken)?,
        (409, "name_taken".into())
    );
    assert_eq!(std::fs::read(folder.join("mine.pcapng"))?, b"mine");
    // Two by default names, one after the other in the same second perhaps.
    let mut named = Vec::new();
    for _ in 0..2 {
        let view: RecordingView = control.try_record("in", &spec)?.document()?;
        assert!(view.name.as_str().starts_with("in-20"), "{view:#?}");
        control.stop_recording(view.name.as_str())?;
        named.push(view.name);
    }
    assert_ne!(named[0], named[1]);
    let sent = settle(&mut control)?;
    let one = control.stop_recording("one")?;
    assert_eq!(one.counts.written, one.counts.arrived);
    assert!(one.counts.arrived <= sent);
    let states = control.recordings()?;
    assert_eq!(states.len(), 4, "{states:#?}");
    Ok(())
}

#[test]
fn onairctl_start_list_show_and_stop_then_all_outputs_agree() -> Result<()> {
    let rig = rig()?;
    let mut control = flow(&rig, Raster::SMALL)?;
    go(&mut control, Raster::SMALL)?;
    let run = |arguments: &str| -> Result<String> {
        let ran = onairctl(&rig, arguments)?;
        ensure!(ran.code == 0, "{arguments}: {ran:?}");
        Ok(ran.out)
    };
    let begun = run("record start in --format pcapng --name take1")?;
    assert!(
        begun.contains("take1") && begun.contains("recording"),
        "{begun}"
    );
    frames_come(&mut control, 5)?;
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
    assert_eq!(onairctl(&rig, "record show nix")?.code, 5);
    let text = rig.scrape()?;
    assert!(text.contains("onair_recordings_ended_total 2"), "{text}");
    let events = Follower::so_far(&rig)?;
    let count = |key: &str, is: &str| events.iter().filter(|it| it[key] == is).count();
    assert_eq!(count("kind", "recording_started"), 2, "{events:?}");
    assert_eq!(count("kind", "recording_ended"), 2, "{events:?}");
    assert!(count("recording_name", "take1") > 0, "{events:?}");
    Ok(())
}
