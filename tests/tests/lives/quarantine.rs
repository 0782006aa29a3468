//! Quarantined sessions with users: the name is free, the memory is kept.

use std::os::fd::{AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use onair_api::{Memory, SpecDocument};
use onair_tests::{ClientFiles, Deadline, Raster, Rig, TestClient, receive, until, wait_for};
use rustix::fs::{Mode, OFlags, open};
use rustix::pipe::{SpliceFlags, pipe, splice};

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
