//! Recordings at the daemon's end, whatever ends it, and on disks that are slow, full or gone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_api::{
    HealthStatus, PartOutcome, RecordingEnd, RecordingState, RecordingSummary, RecordingView,
    SessionCounters, SessionProblemKind, ShutdownSummary, Source,
};
use onair_tests::recordings::recorded::{
    Recorder, capinfos, export, ffprobe, files, frames_come, recordings_folder, tshark,
};
use onair_tests::{
    Config, Control, Daemon, Deadline, Dice, Frozen, Raster, Rig, Viewer, send, until, wait_for,
};
use rustix::process::Signal;
use serde_json::Value;

fn configure(config: &mut Config, more: &str) {
    config.more = format!("[recorder]\nmin_free_mb = 1\nring_mb = 16\n{more}");
}

fn rig() -> Result<Rig> {
    Rig::rings_with(|config| configure(config, ""))
}

/// The session `in`, recorded from before its first packet on as each of `recordings` (name, format), and
/// the pattern sent to it.
fn recorded(rig: &Rig, raster: Raster, recordings: &[(&str, &str)]) -> Result<Control> {
    let mut control = rig.control()?;
    control.ample("in", raster, 5004)?;
    for (name, format) in recordings {
        control.record("in", name, format, &Value::Null)?;
    }
    control.create(&send("out", raster, 5004, Source::Pattern))?;
    Ok(control)
}

/// As [`recorded`], and a client that is there before the first frame.
fn recorded_and_seen(rig: &Rig, raster: Raster, name: &str) -> Result<(Control, Viewer)> {
    let mut control = rig.control()?;
    control.ample("in", raster, 5004)?;
    control.record("in", name, "pcapng", &Value::Null)?;
    let viewer = Viewer::start(rig, "in")?;
    control.create(&send("out", raster, 5004, Source::Pattern))?;
    Ok((control, viewer))
}

/// A recording of an earlier daemon, once the folder has been looked through.
fn listed(control: &mut Control, name: &str) -> Result<RecordingView> {
    until("it to be listed", Deadline::seconds(30), || {
        let answer = control.try_recording(name)?;
        let is_there = answer.status == 200;
        is_there.then(|| answer.document()).transpose()
    })
}

fn of<'a>(summary: &'a ShutdownSummary, name: &str) -> Result<&'a RecordingSummary> {
    let found = summary
        .recordings
        .iter()
        .find(|it| it.name.as_str() == name);
    found.with_context(|| format!("{name} in {summary:#?}"))
}

/// Of a recording that had its session from the first packet on: what arrived is what the session counted,
/// and accepted + dropped = arrived, in all and for each thread.
fn exact(summary: &ShutdownSummary, name: &str) -> Result<RecordingSummary> {
    let recording = of(summary, name)?;
    let session = summary
        .sessions
        .iter()
        .find(|it| it.id == recording.session);
    let session = session.context("its session")?;
    assert_eq!(recording.counts.arrived, session.packets, "{summary:#?}");
    assert!(recording.counts.balance(), "{recording:#?}");
    assert_eq!(recording.counts.pending, 0, "{recording:#?}");
    let sum = |of: fn(&onair_api::RecordingCounts) -> u64| -> u64 {
        recording.producers.iter().map(|it| of(&it.counts)).sum()
    };
    assert_eq!(sum(|it| it.arrived), recording.counts.arrived);
    assert_eq!(sum(|it| it.accepted), recording.counts.accepted);
    assert_eq!(
        sum(|it| it.dropped_in_all()),
        recording.counts.dropped_in_all()
    );
    assert_eq!(sum(|it| it.written_bytes), recording.counts.written_bytes);
    assert_eq!(recording.state, RecordingState::Finished, "{recording:#?}");
    let thread = summary
        .threads
        .iter()
        .find(|it| it.name == format!("record {name}"));
    let thread = thread.with_context(|| format!("{:#?}", summary.threads))?;
    assert!(thread.stopped, "{thread:?}");
    assert_eq!(thread.processed, recording.counts.written);
    Ok(recording.clone())
}

fn whole(rig: &Rig, recording: &RecordingSummary) -> PathBuf {
    let file = recordings_folder(rig).join(&recording.files[0].name);
    let part = format!("{}.part", file.display());
    assert!(!Path::new(&part).exists(), "{part} is left");
    file
}

/// Another's tool reads the frames that are exported of a recording.
fn assert_exported(manifest: &Path) -> Result<()> {
    let (film, about) = export(manifest, "y4m")?;
    let frames = ffprobe(&film)?["nb_read_frames"].clone();
    assert_eq!(frames, about["frames"].to_string(), "{about:#}");
    assert_ne!(frames, "0", "{about:#}");
    Ok(())
}

/// The session lost nothing to the disk.
fn assert_lossless(counters: &SessionCounters) {
    let lost = [
        counters.frames_incomplete,
        counters.frames_no_buffer,
        counters.packets_lost,
        counters.frames_dropped_slow,
    ];
    assert_eq!(lost, [0; 4]);
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn system__data_integrity__then_no_loss() -> Result<()> {
    let mut dice = Dice::new(0x00da_7a00);
    let mut rig = rig()?;
    for round in 0..3 {
        let names = ["one", "other"].map(|it| format!("{it}{round}"));
        let recordings = names.each_ref().map(|it| (&**it, "pcapng"));
        let mut control = recorded(&rig, Raster::SMALL, &recordings)?;
        frames_come(&mut control, 5)?;
        // Any moment will do: this is no waiting for something.
        std::thread::sleep(Duration::from_micros(dice.roll(300_000)));
        let (status, summary) = rig.terminated()?;
        assert_eq!(status, 0, "{summary:#?}");
        let mut films = Vec::new();
        for name in &names {
            let recording = exact(&summary, name)?;
            let counts = &recording.counts;
            let after_the_end = counts.dropped.get("not_accepting").copied();
            assert_eq!(counts.missing, 0, "{counts:#?}");
            assert_eq!(counts.lost_in_all(), 0, "{counts:#?}");
            let accepted = counts.arrived - after_the_end.unwrap_or(0);
            let packets = tshark(&whole(&rig, &recording))?;
            assert!(accepted > 0, "{counts:#?}");
            assert_eq!(packets.len() as u64, accepted, "{counts:#?}");
            films.push(packets);
        }
        // From the first packet on, each once and in order: RTP's own numbers, and the same bytes in both.
        for packets in &films {
            let numbers = packets.iter().map(|it| &it.payload[2..4]);
            let numbers: Vec<_> = numbers
                .map(|it| u16::from_be_bytes([it[0], it[1]]))
                .collect();
            let is_next = |it: &[u16]| it[1] == it[0].wrapping_add(1);
            assert!(
                numbers.windows(2).all(is_next),
                "round {round}: {numbers:?}"
            );
        }
        let same = films[0].iter().zip(&films[1]);
        assert!(
            same.into_iter()
                .all(|(one, other)| one.payload == other.payload)
        );
        rig.start_daemon()?;
    }
    Ok(())
}

#[test]
fn daemon_killed_while_it_records_then_repaired_for_others() -> Result<()> {
    let mut dice = Dice::new(0x04b1_11ed);
    let mut rig = rig()?;
    let rounds = 2;
    for round in 0..rounds {
        let (packets, film) = (format!("packets{round}"), format!("film{round}"));
        let recordings = [(&*packets, "pcapng"), (&*film, "pcapng")];
        let mut control = recorded(&rig, Raster::SMALL, &recordings)?;
        // The file on disk has something, and the manifest counts.
        wait_for("something to be written", 30, || {
            let views = [control.recording(&packets)?, control.recording(&film)?];
            Ok(views.iter().all(|it| it.counts.written > 0))
        })?;
        frames_come(&mut control, 90)?;
        // Any moment will do: this is no waiting for something.
        std::thread::sleep(Duration::from_micros(dice.roll(300_000)));
        let garbage = recordings_folder(&rig).join("garbage.json.part");
        std::fs::write(&garbage, "{\"version\": nonsense")?;
        rig.kill_daemon()?;
        rig.start_daemon()?;
        let mut control = rig.control()?;
        for name in [&packets, &film] {
            let view = listed(&mut control, name)?;
            assert_eq!(view.state, RecordingState::Repaired, "{view:#?}");
            assert_eq!(view.end, Some(RecordingEnd::Killed), "{view:#?}");
            let repair = view.repair.as_ref().context("it was repaired")?;
            assert!(!repair.says.is_empty(), "{view:#?}");
            let file = files(&view).remove(0);
            if name == &packets {
                let count = capinfos(&file)?;
                assert!(
                    count > 0 && count == view.files[0].events,
                    "{count}: {view:#?}"
                );
                assert_eq!(tshark(&file)?.len() as u64, count);
            } else {
                assert_exported(&file.with_extension("json"))?;
            }
        }
        assert!(garbage.exists(), "what is not ours is left alone");
        let log = rig.daemon()?.log();
        assert!(log.contains("repaired an interrupted recording"), "{log}");
    }
    assert_eq!(rig.control()?.recordings()?.len(), 2 * rounds);
    Ok(())
}

#[test]
fn recording_whose_drain_thread_hangs_then_repaired_later() -> Result<()> {
    let mut rig = Rig::rings_with(|config| configure(config, "finish_ms = 1500\n"))?;
    let mut control = recorded(
        &rig,
        Raster::SMALL,
        &[("hung", "pcapng"), ("well", "pcapng")],
    )?;
    wait_for("something to be written", 30, || {
        Ok(control.recording("hung")?.counts.written > 0)
    })?;
    let frozen = Frozen::thread(rig.daemon()?.pid(), "rec-hung")?;
    // A stop of it is not done, and says so; neither the session nor the other one are held up.
    let late = control.try_stop_recording("hung")?;
    late.refused(409, "deadline_passed")?;
    frames_come(&mut control, 10)?;
    assert_eq!(control.recording("well")?.state, RecordingState::Recording);
    rig.daemon()?.running().signal(Signal::TERM)?;
    // It says its last words by itself; the kernel lets go of it when no tracer has its thread any more.
    let words = Daemon::summary(rig.stage());
    wait_for("the daemon's last words", 60, || {
        let text = std::fs::read_to_string(&words).unwrap_or_default();
        Ok(text.ends_with('\n'))
    })?;
    drop(frozen);
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 7, "{summary:#?}");
    let part = summary.parts.iter().find(|it| it.name == "recordings");
    let part = part.context("the part")?;
    assert_eq!(part.outcome, PartOutcome::TimedOut, "{summary:#?}");
    assert!(part.us < 3_000_000, "{part:?}");
    let well = exact(&summary, "well")?;
    assert_eq!(capinfos(&whole(&rig, &well))?, well.counts.written);
    let hung = of(&summary, "hung")?;
    assert_ne!(hung.state, RecordingState::Finished, "{hung:#?}");
    let log = rig.last_log();
    assert!(log.contains("recording hung was left behind"), "{log}");
    rig.start_daemon()?;
    let mut control = rig.control()?;
    let view = listed(&mut control, "hung")?;
    assert_eq!(view.state, RecordingState::Repaired, "{view:#?}");
    assert_eq!(capinfos(&files(&view)[0])?, view.files[0].events);
    Ok(())
}

#[test]
fn disk_silent_for_a_while_then_a_gap_and_no_frame_is_lost() -> Result<()> {
    let mut rig = Rig::rings_and("[recorder]\nmin_free_mb = 1\nring_mb = 1\n")?;
    let (mut control, mut viewer) = recorded_and_seen(&rig, Raster::SMALL, "slow")?;
    viewer.wait(20, Deadline::seconds(30))?;
    let frozen = Frozen::thread(rig.daemon()?.pid(), "rec-slow")?;
    let degraded = until("the ring to be full", Deadline::seconds(30), || {
        let view = control.recording("slow")?;
        Ok((view.counts.dropped.get("ring_full") > Some(&100)).then_some(view))
    })?;
    assert!(degraded.counts.pending > 0, "{degraded:#?}");
    let problem = control.await_problem("in", SessionProblemKind::RecordingLoses)?;
    assert!(
        problem.detail.starts_with("recording slow has lost "),
        "{problem:?}"
    );
    let health = control.health()?;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert!(
        health
            .problems
            .iter()
            .any(|it| it.contains("session in: recording slow")),
        "{health:#?}"
    );
    let view = control.recording("slow")?;
    assert_eq!(view.state, RecordingState::Degraded, "{view:#?}");
    frames_come(&mut control, 20)?;
    drop(frozen);
    wait_for("no more to be lost", 30, || {
        let over = control.show("in")?.problems.is_empty();
        Ok(over && control.recording("slow")?.state == RecordingState::Recording)
    })?;
    frames_come(&mut control, 20)?;
    control.stop("out")?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    let counters = control.show("in")?.counters;
    assert_lossless(&counters);
    let numbers: Vec<_> = seen.iter().map(|it| it.pattern_number()).collect();
    let first = numbers[0].context("a frame of the pattern")?;
    let expected: Vec<_> = (first..first + seen.len() as u64).map(Some).collect();
    assert_eq!(numbers, expected, "the client lost nothing");
    let view = control.stop_recording("slow")?;
    assert_eq!(view.counts.arrived, counters.packets, "{view:#?}");
    assert_eq!(view.counts.written, view.counts.accepted, "{view:#?}");
    assert!(view.counts.dropped["ring_full"] > 100, "{view:#?}");
    assert!(view.gaps > 0, "{view:#?}");
    // As long as there are few, the view has them all.
    let listed: u64 = view.gap_list.iter().map(|it| it.ring_full).sum();
    assert!(
        view.gap_list.len() == 100 || listed == view.counts.missing,
        "{view:#?}"
    );
    assert_eq!(view.counts.missing, view.counts.dropped["ring_full"]);
    let again = onair_tests::onairctl(&rig, "record stop slow")?;
    let missing = format!("warning: {} of ", view.counts.missing);
    assert!(again.code == 7 && again.err.contains(&missing), "{again:?}");
    let file = &files(&view)[0];
    assert_eq!(capinfos(file)?, view.counts.written);
    // The gap stands in the file, where others read it: as many as are missing.
    let path = file.to_str().context("a path in UTF-8")?;
    let field = ["-r", path, "-T", "fields", "-e", "frame.drop_count"];
    let counts = onair_tests::output("tshark", &field)?;
    let missing = counts.lines().filter(|it| !it.is_empty());
    let missing: Vec<u64> = missing.map(str::parse).collect::<Result<_, _>>()?;
    assert_eq!(
        missing.iter().sum::<u64>(),
        view.counts.dropped["ring_full"],
        "{missing:?} {view:#?}"
    );
    Ok(())
}
