//! Certificates of the real daemon: listed, searched and verified by the real tool, also after a
//! restart; a tampered one is caught; what is kept is bounded, and what else lies there is not touched.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use onair_api::operations::ShowKeptCertificate;
use onair_api::{Certificate, Memory};
use onair_tests::{Control, Rig, onairctl, wait_for};
use serde_json::{Value, json};

fn folder(rig: &Rig) -> PathBuf {
    rig.stage().directory().join("state/certificates")
}

fn file(rig: &Rig, id: &str) -> PathBuf {
    folder(rig).join(format!("{id}.json"))
}

/// Creates and ends a session; gives its id once its certificate is complete.
fn ended(
    control: &mut Control,
    name: &str,
    end: impl FnOnce(&mut Control) -> Result<Certificate>,
) -> Result<String> {
    control.receiver(name, 5000)?;
    control.stop(name)?;
    let id = end(control)?.session.to_string();
    wait_for("the memory to be given back", 30, || {
        let certificate = control.certificate(&id)?;
        let is_back = matches!(certificate.memory, Memory::Returned { .. });
        Ok(is_back)
    })?;
    Ok(id)
}

fn destroyed(control: &mut Control, name: &str) -> Result<String> {
    ended(control, name, |control| control.destroy(name))
}

/// The ids that a search finds, in its order.
fn found(rig: &Rig, search: &str) -> Result<Vec<String>> {
    let ran = onairctl(rig, &format!("--json certificate list {search}"))?;
    assert_eq!(ran.code, 0, "{ran:?}");
    let document = ran.json()?;
    let list = document["certificates"].as_array().context("a list")?;
    let ids = list.iter().map(|one| one["session"].as_str());
    Ok(ids.flatten().map(str::to_owned).collect())
}

/// The checks that fail, for certificates that do not hold.
fn failing(rig: &Rig, which: &str) -> Result<BTreeSet<String>> {
    let ran = onairctl(rig, &format!("--json certificate verify {which}"))?;
    let document = ran.json()?;
    let checks = document["certificates"]
        .as_array()
        .context("certificates")?
        .iter()
        .flat_map(|one| one["checks"].as_array().into_iter().flatten());
    let failing = checks
        .filter(|check| check["outcome"] == "fails")
        .filter_map(|check| check["name"].as_str())
        .map(str::to_owned)
        .collect::<BTreeSet<_>>();
    let code = if failing.is_empty() { 0 } else { 6 };
    assert_eq!(ran.code, code, "{ran:?}");
    Ok(failing)
}

/// Changes a file's document by hand.
fn edit(path: &PathBuf, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut document = serde_json::from_slice(&fs::read(path)?)?;
    change(&mut document);
    Ok(fs::write(path, format!("{document:#}"))?)
}

#[test]
fn certificates_of_operations_are_found_after_a_restart() -> Result<()> {
    let (mut rig, mut control) = Rig::with_control()?;
    let mut ids = vec![
        destroyed(&mut control, "cam")?,
        ended(&mut control, "other", |control| {
            control.destroy_wait("other")
        })?,
        destroyed(&mut control, "cam")?,
    ];
    // And one that the daemon ends itself.
    let last = control.receiver("last", 5000)?;
    ids.push(last.id.to_string());
    rig.stop_daemon()?;
    rig.start_daemon()?;
    let [one, two, three, four] = &ids[..] else {
        unreachable!("there are four");
    };
    for (search, expected) in [
        ("", &[four, three, two, one][..]),
        ("--session cam", &[three, one]),
        (&format!("--session {two}"), &[two]),
        ("--session nobody", &[]),
        ("--operation shutdown", &[four]),
        ("--operation destroy --limit 1", &[three]),
        ("--since 1h", &[four, three, two, one]),
        ("--since 2100-01-01T00:00:00Z", &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(found(&rig, search)?, expected, "{search}");
    }
    let all = ids.join(" ");
    assert_eq!(failing(&rig, &all)?, BTreeSet::new());
    let files: Vec<_> = ids
        .iter()
        .map(|id| file(&rig, id).display().to_string())
        .collect();
    assert_eq!(failing(&rig, &files.join(" "))?, BTreeSet::new());
    let shown = onairctl(&rig, &format!("certificate verify {one}"))?;
    assert!(
        shown.out.contains("cam") && shown.out.contains('✓'),
        "{shown:?}"
    );

    // By hand, on the disk; and then in the hands of a daemon that has read it.
    edit(&file(&rig, two), |document| {
        document["readings"][2]["detail"] = json!("I saw nobody");
    })?;
    edit(&file(&rig, three), |document| {
        document["steps"][4]["step"] = json!("verdict");
    })?;
    assert_eq!(
        failing(&rig, &files[1])?,
        BTreeSet::from(["digest".to_owned()])
    );
    let both = failing(&rig, &files[2])?;
    assert!(
        both.contains("digest") && both.contains("steps"),
        "{both:?}"
    );
    rig.stop_daemon()?;
    rig.start_daemon()?;
    assert_eq!(found(&rig, "")?.len(), 4);
    assert_eq!(failing(&rig, two)?, BTreeSet::from(["digest".to_owned()]));
    let log = rig.daemon()?.log();
    assert!(
        log.contains("a certificate is invalid") && log.contains(two),
        "{log}"
    );
    Ok(())
}

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
fn certificate_and_the_disk_hangs_then_the_answer_says_so() -> Result<()> {
    let mut rig = Rig::rings_and("[timeouts]\ndurable_ms = 200\n")?;
    let stage = rig.stage();
    let disk = stage.disk("state/certificates", stage.directory(), 32 << 20)?;
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    control.stop("cam")?;
    let ice = disk.freeze()?;
    let ended = control.destroy("cam")?;
    assert!(!ended.durable);
    let id = ended.session.to_string();
    wait_for("health to name the disk", 30, || {
        let health = control.health()?;
        let is_named = health.problems.iter().any(|it| it.contains(&id));
        Ok(is_named && health.unwritten_certificates == 1)
    })?;
    drop(ice);
    until_durable(&mut control, &id)?;
    drop(control);
    // The disk goes with the stage.
    rig.stop_daemon()
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
