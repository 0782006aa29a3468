//! Quarantined sessions with users: the name is free, the memory is kept.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_api::operations::{ListSessions, QuarantineSession};
use onair_api::{
    BlockerKind, Certificate, Memory, Operation, ReconciledCause, SessionState, SpecDocument,
};
use onair_tests::{
    ClientFiles, Control, Deadline, Frozen, Raster, Rig, TestClient, receive, until, wait_for,
};
use rustix::fs::{Mode, OFlags, open};
use rustix::pipe::{SpliceFlags, pipe, splice};
use serde_json::Value;

/// Longer than the daemon uses what a look at a client's sites found.
const STALE: Duration = Duration::from_millis(200);

/// Waits until a quarantined session is gone from the list.
fn unlisted(control: &mut Control, certificate: &Certificate) -> Result<()> {
    wait_for("it to be gone", 30, || {
        let list = control.call::<ListSessions>(&())?;
        let listed = list.sessions.iter().any(|it| it.id == certificate.session);
        Ok(!listed)
    })
}

/// By name it is gone, by id it is there, and takes no operation.
fn only_by_id(control: &mut Control, id: &str) -> Result<()> {
    assert_eq!(control.try_show("cam")?.code(), "stale_session");
    let view = control.show(id)?;
    assert_eq!(view.state, SessionState::Quarantined);
    for verb in ["start", "stop", "destroy", "evict", "abort", "quarantine"] {
        let answer = control.post(&format!("/v1/sessions/{id}/{verb}"))?;
        assert_eq!(answer.code(), "quarantined", "{verb}");
    }
    Ok(())
}

#[test]
fn session_quarantined_with_a_frozen_holder_then_memory_is_kept() -> Result<()> {
    // The frames of one such session are 9 MiB.
    let rig = Rig::rings_with(|config| config.more += "[limits]\nframe_memory_mb = 16\n")?;
    let mut control = rig.control()?;
    let cam = SpecDocument {
        quota: Some(20),
        max_attachments: Some(4),
        ..receive("cam", Raster::SMALL, 5000)
    };
    control.create(&cam)?;
    let mut holder = rig.user("cam")?;
    control.pattern("source", 5000)?;
    holder.say("hold 2")?;
    control.end("source")?;
    holder.say("drain")?;
    holder.block(2)?;
    holder.freeze()?;
    let running = control.try_on::<QuarantineSession>("cam", Value::Null)?;
    assert_eq!(running.code(), "running");
    control.stop("cam")?;

    let certificate = control.quarantine("cam")?;
    let id = certificate.session.to_string();
    assert_eq!(certificate.operation, Operation::Quarantine);
    let Memory::Pending { held_by, .. } = &certificate.memory else {
        panic!("{:?}", certificate.memory);
    };
    assert_eq!(held_by, &[holder.pid()]);
    let users: u64 = certificate.readings.iter().map(|it| it.users).sum();
    assert!(
        users >= 2,
        "what was seen is told: {:?}",
        certificate.readings
    );
    only_by_id(&mut control, &id)?;
    assert_eq!(control.health()?.sessions.quarantined, 1);
    let mut other = rig.test_client()?;
    assert_eq!(other.errno(format_args!("attach {id}"))?, "ESTALE");
    let blockers = control.blockers(&id)?.blockers;
    let pids: BTreeSet<u32> = blockers.iter().map(|it| it.pid).collect();
    assert_eq!(pids, BTreeSet::from([holder.pid()]), "{blockers:#?}");

    // Its memory counts: there is no room for as much again.
    let taken = control.try_create(&cam)?;
    assert_eq!(taken.code(), "limit_reached", "{}", taken.json);
    control.create(&SpecDocument {
        quota: Some(1),
        max_attachments: Some(2),
        ..cam
    })?;
    other.say("attach cam")?;

    holder.kill()?;
    let complete = control.completed(certificate.session)?;
    assert!(matches!(complete.memory, Memory::Returned { .. }));
    let [settled] = &complete.reconciled[..] else {
        panic!("once: {:#?}", complete.reconciled);
    };
    assert_eq!(
        (settled.frames, settled.slots, settled.cause),
        (2, 2, ReconciledCause::ProcessDied)
    );
    let counts = complete.counts;
    assert_eq!(
        counts.frames_lent,
        counts.frames_returned + counts.frames_reclaimed + counts.frames_reconciled
    );
    assert_eq!(control.health()?.sessions.quarantined, 0);
    assert_eq!(control.try_show(&id)?.code(), "stale_session");
    other.leave()?;
    Ok(())
}

#[test]
fn session_quarantined_and_its_user_leaves_then_stale_and_freed() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    control.pattern("source", 5000)?;
    let mut client = rig.user("cam")?;
    client.say("hold 2")?;
    let before = client.say("look")?["frames"].clone();
    let mut mapper = rig.user("cam")?;
    control.stop("cam")?;
    let certificate = control.quarantine("cam")?;
    let id = certificate.session.to_string();
    for call in ["get never", "poll never", "wait-started never"] {
        assert_eq!(client.errno(call)?, "ESTALE", "{call}");
        assert_eq!(mapper.errno(call)?, "ESTALE", "{call}");
    }
    let blockers = control.blockers(&id)?.blockers;
    let kind_of = |pid| blockers.iter().find(|it| it.pid == pid).map(|it| it.kind);
    assert_eq!(kind_of(client.pid()), Some(BlockerKind::Holding));
    assert_eq!(kind_of(mapper.pid()), Some(BlockerKind::Mapping));
    // One gives its frames back and lets go, the other lets go and lives.
    assert_eq!(client.say("look")?["frames"], before);
    client.say("put-all")?;
    client.say("drop")?;
    mapper.say("drop")?;
    unlisted(&mut control, &certificate)?;
    let complete = control.completed(certificate.session)?;
    assert_eq!(
        complete.counts.frames_reconciled, 0,
        "{:?}",
        complete.counts
    );
    assert_eq!(mapper.errno("attach cam")?, "ESTALE");
    Ok(())
}

#[test]
fn session_quarantined_and_its_memory_passed_on_then_kept() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let client = rig.user("cam")?;
    let ClientFiles { sockets, memory } = ClientFiles::of(client.pid())?;
    control.stop("cam")?;
    let certificate = control.quarantine("cam")?;
    let id = certificate.session.to_string();
    client.kill()?;
    wait_for("only another process to be left", 30, || {
        let blockers = control.blockers(&id)?.blockers;
        let is_alone = blockers.len() == 1 && blockers[0].pid == 0;
        Ok(is_alone)
    })?;
    drop(memory);
    control.completed(certificate.session)?;
    drop(sockets);
    unlisted(&mut control, &certificate)
}

/// Descriptors with O_PATH of the memory of `client`, which leaves.
fn hidden(client: TestClient) -> Result<Vec<OwnedFd>> {
    let ClientFiles { memory, .. } = ClientFiles::of(client.pid())?;
    let again = memory.iter().map(|file| {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
    });
    let all = again.collect::<Result<_>>()?;
    client.leave()?;
    Ok(all)
}

#[test]
fn frames_kept_by_o_path_in_five_rounds_then_within_the_limit() -> Result<()> {
    // A session takes a third of the limit, five would take more than the kernel lets the daemon have.
    let large = Raster::new(1920, 1080, 25, 10);
    let mut rig = Rig::rings_and("[limits]\nframe_memory_mb = 128\n")?;
    let kernels = rig.stage().memory_limit(192 << 20)?;
    kernels.hold(rig.daemon()?.pid())?;
    let mut control = rig.control()?;
    let spec = SpecDocument {
        quota: Some(4),
        max_attachments: Some(1),
        ..receive("cam", large, 5000)
    };
    let mut kept = Vec::new();
    let mut refused = 0;
    for _ in 0..5 {
        let created = control.try_create(&spec)?;
        if created.status == 201 {
            kept.push(hidden(rig.user("cam")?)?);
            let certificate = control.end("cam")?;
            assert!(matches!(certificate.memory, Memory::Pending { .. }));
        } else {
            assert_eq!(created.code(), "limit_reached");
            refused += 1;
        }
    }
    assert!(kept.len() > 1 && refused > 0, "{} kept", kept.len());
    assert_eq!(kernels.kills()?, 0);
    drop(kept);
    wait_for("the memory to be given back", 30, || {
        Ok(control.try_create(&spec)?.status == 201)
    })
}

#[test]
fn frames_of_a_destroyed_session_kept_by_o_path_then_pending() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let client = rig.user("cam")?;
    let hidden = hidden(client)?;
    let certificate = control.end("cam")?;
    let Memory::Pending { bytes, .. } = certificate.memory else {
        panic!("a process has the files: {:?}", certificate.memory);
    };
    let counted = metric(&rig, "onair_frame_memory_bytes")?;
    assert_eq!(counted, bytes, "the limit counts them");
    drop(hidden);
    let complete = control.completed(certificate.session)?;
    assert!(
        matches!(complete.memory, Memory::Returned { .. }),
        "{:?}",
        complete.memory
    );
    Ok(())
}

/// The number of the metric `name`.
fn metric(rig: &Rig, name: &str) -> Result<u64> {
    let scraped = rig.scrape()?;
    let mut lines = scraped.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.context("no such metric")?.parse()?)
}

#[test]
fn frames_in_a_pipe_then_counted_and_named_until_it_is_closed() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    // Frames that never came are holes, which a pipe does not keep.
    control.pattern("source", 5000)?;
    wait_for("each frame to be used", 30, || {
        Ok(control.show("cam")?.counters.frames_complete > 20)
    })?;
    control.end("source")?;
    let client = rig.user("cam")?;
    let ClientFiles { memory, .. } = ClientFiles::of(client.pid())?;
    let mut pipes = Vec::new();
    for file in &memory {
        let (reader, writer) = pipe()?;
        splice(
            file,
            Some(&mut 0),
            &writer,
            None,
            4096,
            SpliceFlags::empty(),
        )?;
        pipes.push(reader);
    }
    drop(memory);
    client.leave()?;
    let certificate = control.end("cam")?;
    let complete = control.completed(certificate.session)?;
    assert!(matches!(complete.memory, Memory::Returned { .. }));
    let named = format!(
        "session {}, which ended: a process has",
        certificate.session
    );
    until("it to be named", Deadline::seconds(10), || {
        let problems = control.health()?.problems;
        let is_named = problems.iter().any(|it| it.starts_with(&named));
        Ok(is_named.then_some(()))
    })?;
    for name in ["onair_pending_reclaim_bytes", "onair_frame_memory_bytes"] {
        assert!(metric(&rig, name)? > 0, "{name}");
    }
    drop(pipes);
    until("all to be given back", Deadline::seconds(10), || {
        Ok((metric(&rig, "onair_frame_memory_bytes")? == 0).then_some(()))
    })?;
    assert_eq!(control.health()?.problems, [""; 0]);
    Ok(())
}

#[test]
fn session_is_freed_while_a_verdict_waits_then_it_is_stale() -> Result<()> {
    let (mut rig, mut control) = Rig::with_cam()?;
    let client = rig.user("cam")?;
    control.stop("cam")?;
    let certificate = control.quarantine("cam")?;
    let looked = Instant::now();
    wait_for("the last look to be old", 10, || {
        Ok(looked.elapsed() > STALE)
    })?;
    // Nothing looks any more: the verdict waits.
    let helpers = Frozen::threads(rig.daemon()?.pid(), "inspector")?;
    ensure!(!helpers.is_empty(), "no helper thread has this name");
    let mut operator = rig.control()?.into_http();
    let path = format!("/v1/sessions/{}/verdict", certificate.session);
    operator.send("GET", &path, &Value::Null)?;
    // What came before them was taken before they are answered.
    for _ in 0..3 {
        control.health()?;
    }
    client.kill()?;
    unlisted(&mut control, &certificate)?;
    let answer = operator.answer()?;
    ensure!(answer.code() == "stale_session", "{answer:?}");
    drop(helpers);
    Ok(())
}
