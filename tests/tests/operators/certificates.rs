//! Certificates while the disk is full, at a stop and at a start.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use onair_api::Certificate;
use onair_api::operations::ShowKeptCertificate;
use onair_tests::{Control, Rig, wait_for};

/// The session's certificate, as the daemon gives it now.
fn present(control: &mut Control, id: &str) -> Result<Certificate> {
    control.call::<ShowKeptCertificate>(&id.parse()?)
}

/// Waits until the certificate is on disk and health does not name any.
fn until_durable(control: &mut Control, id: &str) -> Result<()> {
    wait_for("the certificate to be on disk", 30, || {
        let health = control.health()?;
        let is_named = health.problems.iter().any(|it| it.contains(id));
        let all_are = health.unwritten_certificates == 0 && !is_named;
        Ok(all_are && present(control, id)?.durable)
    })
}

/// Fills what is free.
fn fill(folder: &Path) -> Result<PathBuf> {
    let ballast = folder.join("ballast");
    let mut file = fs::File::create(&ballast)?;
    let full = loop {
        if let Err(error) = file.write_all(&[1; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    Ok(ballast)
}

#[test]
fn disk_full_at_stop_and_start_then_nothing_lost_and_said() -> Result<()> {
    let mut rig = Rig::rings()?;
    rig.stop_daemon()?;
    let state = rig.stage().tmpfs("state", 8 << 20)?;
    rig.start_daemon()?;
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    control.stop("cam")?;
    let ballast = fill(&state)?;
    let first = control.destroy("cam")?;
    assert!(!first.durable);
    let first = first.session.to_string();
    drop(control);
    let (status, summary) = rig.terminated()?;
    assert_ne!(status, 0, "{summary:#?}");

    rig.start_daemon()?;
    let mut control = rig.control()?;
    let health = control.health()?;
    let named = |what: &str| health.problems.iter().any(|it| it.contains(what));
    assert!(health.ready && named(&first), "{:?}", health.problems);
    assert!(named("the journal of resources"), "{:?}", health.problems);
    assert_eq!(present(&mut control, &first)?.session.to_string(), first);
    control.receiver("cam", 5000)?;
    control.stop("cam")?;
    let second = control.destroy("cam")?.session.to_string();
    drop(control);
    rig.kill_daemon()?;
    rig.start_daemon()?;
    let mut control = rig.control()?;
    for id in [&first, &second] {
        assert!(!present(&mut control, id)?.durable);
    }
    fs::remove_file(ballast)?;
    for id in [&first, &second] {
        until_durable(&mut control, id)?;
    }
    wait_for("the journal to be written", 30, || {
        let problems = control.health()?.problems;
        Ok(!problems
            .iter()
            .any(|it| it.contains("the journal of resources")))
    })?;
    drop(control);

    rig.kill_daemon()?;
    fs::write(state.join("sessions/odd.json"), "{")?;
    for _ in 0..2 {
        rig.start_daemon()?;
        let problems = rig.control()?.health()?.problems;
        let names_it = |it: &String| it.contains("damaged") && it.contains("odd.json.corrupt");
        assert!(problems.iter().any(names_it), "{problems:?}");
        rig.stop_daemon()?;
    }
    assert_eq!(
        fs::read_to_string(state.join("sessions/odd.json.corrupt"))?,
        "{"
    );
    Ok(())
}
