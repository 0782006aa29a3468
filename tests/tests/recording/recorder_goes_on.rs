//! Recordings of a persistent session over the ends of their daemons. The sender goes on meanwhile: what it sent is
//! in a file, or counted.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use onair_api::{RecordingEnd, RecordingState, RecordingView, SpecDocument};
use onair_stage::{Control, Deadline, Raster, receive};
use onair_tests::recordings::recorded::{Recorder, export, tshark};
use onair_tests::{Rig, onairctl, until};
use serde_json::json;

use crate::ending::pictures::Pictures;
use crate::ending::takeover::{Heir, beside_the_kernel, control_of, upgrade};

const RASTER: Raster = Raster::new(320, 180, 50, 10);
/// Enough of each packet for its numbers.
const SNAP: u32 = 80;

/// A host that sends, and a persistent receiver of that.
fn on_air(rig: &Rig) -> Result<(Control, Pictures)> {
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        persistent: Some(true),
        ..receive("in", RASTER, 5000)
    })?;
    control.start("in")?;
    let sender = Pictures::start(rig, RASTER)?;
    Ok((control, sender))
}

/// The recording, once it has packets after so many restarts and tells what it missed.
fn goes_on(control: &mut Control, name: &str, restarts: usize) -> Result<RecordingView> {
    until("the recording to go on", Deadline::seconds(30), || {
        let answer = control.try_recording(name)?;
        let view = (answer.status == 200).then(|| answer.document::<RecordingView>());
        let Some(view) = view.transpose()? else {
            return Ok(None);
        };
        let is_on = view.state == RecordingState::Recording && view.restarts.len() == restarts;
        let joined = view.restarts.last().is_none_or(|it| it.missed.is_some());
        let more = view.files.len() == restarts + 1;
        let more = more && view.files.last().is_some_and(|it| it.events > 1000);
        Ok((is_on && joined && more).then_some(view))
    })
}

/// The sequence numbers of a file's packets.
fn numbers(file: &Path) -> Result<Vec<u32>> {
    let packets = tshark(file)?;
    let numbers = packets.iter().map(|it| {
        let lower = it.payload.get(2..4).context("RTP")?;
        let upper = it.payload.get(12..14).context("ST 2110-20")?;
        Ok(u32::from_be_bytes([upper[0], upper[1], lower[0], lower[1]]))
    });
    numbers.collect()
}

/// Each packet is in one file, in order, and between two files as many are missing as the recording says.
fn exact(view: &RecordingView) -> Result<()> {
    let files = view.files.iter();
    let files = files.map(|it| numbers(&Path::new(&view.folder).join(&it.name)));
    let files: Vec<_> = files.collect::<Result<_>>()?;
    ensure!(files.len() == view.restarts.len() + 1, "{view:#?}");
    let all = files.concat();
    ensure!(all.len() as u64 == view.counts.written, "{view:#?}");
    ensure!(all.is_sorted_by(|one, next| one < next), "{view:#?}");
    for (pair, restart) in files.windows(2).zip(&view.restarts) {
        let (last, first) = (pair[0].last(), pair[1].first());
        let between = first.context("a file")? - last.context("a file")? - 1;
        ensure!(
            restart.missed == Some(between.into()),
            "{between}: {restart:?}"
        );
        ensure!(restart.before > restart.after, "{restart:?}");
    }
    Ok(())
}

#[test]
fn daemon_killed_twice_then_its_recording_goes_on_until_stopped() -> Result<()> {
    let mut rig = beside_the_kernel()?;
    let (mut control, sender) = on_air(&rig)?;
    let begun = control.record("in", "take", "pcapng", &json!(null))?;
    for restarts in 0..2 {
        goes_on(&mut control, "take", restarts)?;
        rig.kill_daemon()?;
        rig.start_daemon()?;
        control = rig.control()?;
    }
    let view = goes_on(&mut control, "take", 2)?;
    ensure!(view.id == begun.id, "{view:#?}");
    ensure!(view.session == control.show("in")?.id, "{view:#?}");
    let shown = onairctl(&rig, "record show take")?;
    ensure!(shown.out.contains("Restarts of the daemon:"), "{shown:?}");
    let metrics = rig.scrape()?;
    ensure!(
        metrics.contains("onair_recordings_continued_total 1"),
        "{metrics}"
    );

    let view = control.stop_recording("take")?;
    ensure!(
        view.restarts
            .iter()
            .all(|it| it.cause == RecordingEnd::Killed),
        "{view:#?}"
    );
    exact(&view)?;
    let manifest = Path::new(&view.folder).join("take.json");
    let (_, exported) = export(&manifest, "y4m")?;
    ensure!(exported["frames"].as_u64() > Some(30), "{exported:#}");
    // What was stopped stays so.
    rig.kill_daemon()?;
    rig.start_daemon()?;
    let mut control = rig.control()?;
    control.await_view("in", "running", |it| it.counters.frames_complete > 0)?;
    ensure!(
        control.recording("take")?.state == RecordingState::Finished,
        "it came back"
    );
    sender.end()?;
    Ok(())
}

#[test]
fn daemon_taken_over_then_its_eight_recordings_go_on() -> Result<()> {
    let mut rig = beside_the_kernel()?;
    let (mut control, sender) = on_air(&rig)?;
    let names: Vec<_> = (0..8).map(|number| format!("take{number}")).collect();
    for name in &names {
        control.record("in", name, "pcapng", &json!({"snap_length": SNAP}))?;
    }
    for name in &names {
        goes_on(&mut control, name, 0)?;
    }
    let heir = upgrade(&mut control)?;
    let (heir, pid) = (Heir::of(&heir)?, heir.pid);
    let (code, summary) = rig.daemon_ends()?;
    ensure!(code == 0, "{summary:#?}");
    let mut control = control_of(&rig, pid)?;
    for name in &names {
        goes_on(&mut control, name, 1)?;
    }
    // The end of the session is theirs.
    control.stop("in")?;
    control.destroy("in")?;
    for name in &names {
        let view = control.recording_ends(name)?;
        ensure!(view.end == Some(RecordingEnd::SessionEnded), "{view:#?}");
        ensure!(
            view.restarts[0].cause == RecordingEnd::Shutdown,
            "{view:#?}"
        );
        exact(&view)?;
    }
    sender.end()?;
    heir.terminated()
}
