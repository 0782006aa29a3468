//! Certificates of the real daemon: listed, searched and verified by the real tool, also after a
//! restart; a tampered one is caught; what is kept is bounded, and what else lies there is not touched.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use onair_api::operations::ShowKeptCertificate;
use onair_api::{Certificate, EventKind, HealthStatus, Memory};
use onair_tests::{Control, Follower, Raster, Rig, TestClient, onairctl, receive, wait_for};
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

/// A client of `session` with one blocked caller.
fn user(rig: &Rig, session: &str) -> Result<TestClient> {
    let mut user = rig.user(session)?;
    user.block(1)?;
    Ok(user)
}

/// Runs the tool, which must be done with `code`.
fn run(rig: &Rig, arguments: &str, code: i32) -> Result<Value> {
    let ran = onairctl(rig, &format!("--json {arguments}"))?;
    assert_eq!(ran.code, code, "{arguments}: {ran:?}");
    ran.json()
}

#[test]
fn operations_without_users_by_the_tool_then_valid_certificates() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    for (udp, name) in ["evicted", "aborted", "aside"].into_iter().enumerate() {
        control.create(&receive(name, Raster::SMALL, 5000 + u16::try_from(udp)?))?;
    }
    let clients = [
        user(&rig, "evicted")?,
        user(&rig, "aborted")?,
        user(&rig, "aside")?,
    ];

    // Each dry run says it beforehand, and changes nothing.
    for (operation, code) in [
        ("destroy evicted", 4),
        ("evict evicted --all", 0),
        ("quarantine aside", 4),
        ("abort aborted", 0),
    ] {
        let forecast = run(&rig, &format!("session {operation} --dry-run"), code)?;
        assert_eq!(forecast["would_pass"], code == 0, "{forecast}");
        assert_eq!(forecast["state"], "running", "{forecast}");
        let blockers = forecast["blockers"].as_array().context("blockers")?;
        assert_eq!(blockers.len(), 1, "{forecast}");
    }
    let pid = clients[0].pid();
    let list = run(&rig, &format!("session evict evicted --pid {pid}"), 0)?;
    assert_eq!(list["evicted"][0]["pid"], pid);
    control.stop("evicted")?;
    let certificate = run(&rig, "session destroy evicted --wait 30s", 0)?;
    assert_eq!(certificate["evicted"][0]["pid"], pid);

    let certificate = run(&rig, "session abort aborted", 0)?;
    assert_eq!(certificate["operation"], "abort");

    control.stop("aside")?;
    run(&rig, "session quarantine aside --dry-run", 0)?;
    let certificate = run(&rig, "session quarantine aside", 0)?;
    assert_eq!(certificate["memory"]["state"], "pending", "{certificate}");

    // The clients still have the memory; then they do not.
    let all = "evicted aborted aside";
    assert_eq!(failing(&rig, all)?, BTreeSet::new());
    for client in clients {
        client.kill()?;
    }
    for name in all.split(' ') {
        wait_for("the memory to be given back", 30, || {
            let certificate = control.certificate(name)?;
            let is_back = matches!(certificate.memory, Memory::Returned { .. });
            Ok(is_back)
        })?;
    }
    assert_eq!(failing(&rig, all)?, BTreeSet::new());
    Ok(())
}

#[test]
fn certificates_too_many_or_old_then_they_are_gone() -> Result<()> {
    let (mut rig, mut control) = Rig::with_control()?;
    let ids = ["one", "two", "three", "four"].map(|name| destroyed(&mut control, name));
    let [_, two, three, four] = ids;
    rig.stop_daemon()?;
    edit(&file(&rig, &four?), |document| {
        document["issued_at"] = json!("2020-01-01T00:00:00Z");
    })?;
    fs::write(folder(&rig).join("garbage.json"), b"\xff not JSON")?;
    rig.config.state = "certificates = 2\ncertificate_days = 1\n".to_owned();
    rig.start_daemon()?;
    assert_eq!(found(&rig, "")?, [three?, two?]);
    let log = rig.daemon()?.log();
    assert!(log.contains("garbage.json"), "{log}");
    let told = Follower::start(&rig, "?kind=certificates_fill")?.event()?;
    assert!(matches!(
        told.kind,
        EventKind::CertificatesFill { limit: 2, .. }
    ));
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
fn certificate_and_the_disk_is_full_then_written_with_space() -> Result<()> {
    let mut rig = Rig::rings()?;
    rig.stage().tmpfs("state/certificates", 1 << 20)?;
    let folder = folder(&rig);
    let mut control = rig.control()?;
    for (number, name) in (0..).zip(["cam", "other", "aside"]) {
        control.receiver(name, 5000 + number)?;
        control.stop(name)?;
    }
    let ballast = fill(&folder)?;
    let ran = onairctl(&rig, "--json session destroy cam")?;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("is not on disk"), "{ran:?}");
    let answer = ran.json()?;
    assert_eq!(answer["durable"], false, "{answer}");
    let id = answer["session"].as_str().context("an id")?.to_owned();
    // It is the certificate all the same, and gone from the names.
    assert!(onair_certificate::verify(&answer)?.holds);
    assert_eq!(control.try_show("cam")?.code(), "stale_session");
    for name in ["other", "aside"] {
        let ended = match name {
            "other" => control.abort(name)?,
            _ => control.quarantine(name)?,
        };
        assert!(!ended.durable, "{ended:?}");
    }
    let health = control.health()?;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(health.unwritten_certificates, 3);
    let named = |it: &&String| it.contains(&id) && it.contains("No space left");
    let named = health.problems.iter().find(named);
    assert!(named.is_some(), "{:?}", health.problems);
    assert!(!present(&mut control, &id)?.durable);
    assert!(!file(&rig, &id).exists());
    let log = rig.daemon()?.log();
    let line = log
        .lines()
        .find(|it| it.contains("cannot write a certificate"));
    assert!(line.is_some_and(|it| it.contains(&id)), "{log}");

    fs::remove_file(ballast)?;
    until_durable(&mut control, &id)?;
    assert!(
        onair_certificate::verify(&serde_json::from_slice(&fs::read(file(&rig, &id))?)?)?.holds
    );
    rig.kill_daemon()?;
    rig.start_daemon()?;
    assert_eq!(failing(&rig, "cam other aside")?, BTreeSet::new());
    Ok(())
}

#[test]
fn certificate_and_the_disk_stays_full_then_loss_is_named() -> Result<()> {
    let mut rig = Rig::rings()?;
    rig.stage().tmpfs("state/certificates", 1 << 20)?;
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    control.stop("cam")?;
    fill(&folder(&rig))?;
    let lost = control.destroy("cam")?;
    assert!(!lost.durable);
    let (status, summary) = rig.terminated()?;
    assert_ne!(status, 0, "{summary:#?}");
    let told = serde_json::to_string(&summary)?;
    assert!(told.contains(&lost.session.to_string()), "{told}");
    Ok(())
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
