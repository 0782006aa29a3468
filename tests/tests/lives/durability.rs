//! What an answer says has happened is on disk: the order of writes, syncs, renames and answers, and a
//! machine that loses its power. The daemon killed at any operation: `userspace/tools/sim/src/disk`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use onair_api::RecordingEnd;
use onair_api::{Certificate, SessionId};
use onair_archive::Retention;
use onair_record::{Recording, Spec};
use onair_tests::storm::{event, name};
use onair_tests::{
    Control, Raster, Rig, Stage, Traced, in_this_order, onairctl, receive, wait_for,
};
use onair_workers::ThreadRegistry;
use onaird::persistence::open_archive;
use serde_json::Value;

const MIB: u64 = 1 << 20;

/// The ways to end a session over the control socket, each with a name for the session.
const ENDINGS: [(&str, End); 4] = [
    ("destroyed", |control, name| control.destroy(name)),
    ("waited", |control, name| control.destroy_wait(name)),
    ("aborted", Control::abort),
    ("aside", Control::quarantine),
];

type End = fn(&mut Control, &str) -> Result<Certificate>;

fn state(rig: &Rig, name: &str) -> PathBuf {
    rig.stage().directory().join("state").join(name)
}

/// A session that is stopped; the `number`th of its test.
fn stopped(control: &mut Control, name: &str, number: u16, persistent: bool) -> Result<SessionId> {
    let mut spec = receive(name, Raster::SMALL, 5000 + number);
    spec.persistent = Some(persistent);
    let id = control.create(&spec)?.id;
    control.stop(name)?;
    Ok(id)
}

/// Waits until every certificate has a synced file of its own: then the log begins with white space.
fn settled(rig: &Rig) -> Result<()> {
    wait_for("the log of certificates to begin anew", 30, || {
        Ok(fs::read(state(rig, "certificates.wal"))?.first() == Some(&b'\n'))
    })
}

/// What lies in the folder of certificates, each of which holds.
fn whole(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            // The file system's own.
            continue;
        }
        let document: Value = serde_json::from_slice(&fs::read(&path)?)
            .with_context(|| format!("{} is not whole", path.display()))?;
        let checks = onair_certificate::verify(&document)?;
        assert!(checks.holds, "{checks:#?}");
        found.push(checks.session.context("a session")?);
    }
    found.sort();
    Ok(found)
}

/// The certificates that a daemon finds in `lost`, what a loss of power left of its state directory.
fn recovered(lost: &Path) -> Result<Vec<String>> {
    let retention = Retention {
        count: 1000,
        age: None,
    };
    drop(open_archive(lost, retention, &ThreadRegistry::default())?);
    whole(&lost.join("certificates"))
}

#[test]
fn machine_loses_power_after_an_answer_then_nothing_of_it_lost() -> Result<()> {
    let mut rig = Rig::rings()?;
    rig.stop_daemon()?;
    let disk = rig
        .stage()
        .disk("state", rig.stage().directory(), 64 * MIB)?;
    rig.start_daemon()?;
    let mut control = rig.control()?;
    let mut ids = Vec::new();
    for (number, (name, end)) in (0..).zip(ENDINGS) {
        ids.push(stopped(&mut control, name, number, true)?.to_string());
        let lost = rig
            .stage()
            .after_power_loss(&disk, &format!("before-{name}"))?;
        // What a create and a stop answered is there, too.
        let file = fs::read(lost.join(format!("sessions/{name}.json")))?;
        let kept: Value = serde_json::from_slice(&file)?;
        assert_eq!(kept["running"], false, "{name}: {kept}");
        end(&mut control, name)?;
        let lost = rig
            .stage()
            .after_power_loss(&disk, &format!("after-{name}"))?;
        assert_eq!(recovered(&lost)?, ids, "{name}");
        assert!(!lost.join(format!("sessions/{name}.json")).exists());
        // Of one without a file that is removed and synced beside it.
        let name = format!("{name}-again");
        ids.push(stopped(&mut control, &name, number, false)?.to_string());
        end(&mut control, &name)?;
        let lost = rig
            .stage()
            .after_power_loss(&disk, &format!("after-{name}"))?;
        assert_eq!(recovered(&lost)?, ids, "{name}");
    }
    // The files of an earlier moment are synced, the last one is in the log only: a daemon finds all.
    settled(&rig)?;
    let id = stopped(&mut control, "last", 100, false)?;
    ids.push(id.to_string());
    control.destroy("last")?;
    let lost = rig.stage().after_power_loss(&disk, "last")?;
    rig.kill_daemon()?;
    fs::remove_dir_all(state(&rig, "certificates"))?;
    fs::create_dir(state(&rig, "certificates"))?;
    for there in fs::read_dir(lost.join("certificates"))? {
        let there = there?.path();
        let name = there.file_name().context("a name")?;
        fs::copy(&there, state(&rig, "certificates").join(name))?;
    }
    fs::copy(
        lost.join("certificates.wal"),
        state(&rig, "certificates.wal"),
    )?;
    rig.start_daemon()?;
    assert_eq!(whole(&state(&rig, "certificates"))?, ids);
    let ran = onairctl(&rig, &format!("certificate verify {}", ids.join(" ")))?;
    assert_eq!(ran.code, 0, "{ran:?}");
    Ok(())
}

/// A recording, to be finished. All of its `events` events are in its ring.
fn recording(folder: &Path, events: u64) -> Result<Recording> {
    let mut spec = Spec::new(folder, "rec".parse()?);
    (spec.min_free_bytes, spec.sleep) = (0, Some(TIMEOUT));
    let recording = Recording::start(spec)?;
    let mut producer = recording.producer(&name(0))?;
    recording.flush(std::time::Instant::now() + TIMEOUT)?;
    for number in 0..events {
        assert!(producer.offer(number, 1400, &event(0, number)));
    }
    Ok(recording)
}

#[test]
fn recording_finished_then_file_and_folder_are_synced() -> Result<()> {
    let stage = Stage::open("durability")?;
    let folder = stage.directory().join("recordings");
    let recording = recording(&folder, 1000)?;
    let traced = Traced::attach(&stage, std::process::id(), &[])?;
    let manifest = recording.finish(RecordingEnd::Stopped, std::time::Instant::now() + TIMEOUT)?;
    let calls = traced.end()?;
    assert_eq!(manifest.files.len(), 1);
    let events = format!("{}.part", folder.join(&manifest.files[0].name).display());
    let manifest = folder.join("rec.json.new.part").display().to_string();
    let place = format!("{}>", folder.display());
    in_this_order(
        &calls,
        &[
            &["pwrite64(", &events],
            &["fsync(", &events],
            &["rename", &events],
            &["write(", &manifest],
            &["fsync(", &manifest],
            &["rename", &manifest],
            &["fsync(", &place],
        ],
    )?;
    stage.take_down()
}

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
