//! Who may fill, who may not, and what a hostile one can do.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_api::AttachmentState;
use onair_tests::{Seen, TestClient, wait_for};

use super::{AMPLE, filler, with_mix};

/// The library's error to `line`.
fn refused(client: &mut TestClient, line: &str) -> Result<String> {
    let answer = client.ask(line)?;
    let message = answer["error"]["message"].as_str().context("an error")?;
    Ok(message.to_owned())
}

/// What a process has of the frames: a descriptor of its own does not last, so the kernel's list of mappings.
fn frames_of(pid: u32) -> Result<PathBuf> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let line = maps.lines().find(|it| it.contains("onair-frames"));
    let range = line.and_then(|it| it.split(' ').next()).context("mapped")?;
    Ok(format!("/proc/{pid}/map_files/{range}").into())
}

#[test]
fn memory_kept_by_a_child_of_a_filler_then_no_other_fills() -> Result<()> {
    let (rig, mut control) = with_mix(AMPLE)?;
    let mut first = filler(&rig)?;
    // As a hostile filler passes a descriptor on.
    let kept = OpenOptions::new()
        .read(true)
        .write(true)
        .open(frames_of(first.pid())?)?;
    first.say("detach")?;
    first.leave()?;
    wait_for("it to be gone", 30, || {
        Ok(control.show("mix")?.attachments.is_empty())
    })?;
    let mut second = rig.test_client()?;
    let said = refused(&mut second, "fill mix")?;
    ensure!(said.contains("can write to them"), "{said}");
    let reader = rig.user("mix")?;
    drop(kept);
    second.say("fill mix")?;
    // A reader's descriptor is none that writes.
    let _read = File::open(frames_of(reader.pid())?)?;
    second.say("detach")?;
    rig.test_client()?.say("fill mix")?;
    Ok(())
}

#[test]
fn reader_of_another_user_then_it_cannot_open_them_to_write() -> Result<()> {
    let (rig, _control) = with_mix(AMPLE)?;
    let reader = rig.user("mix")?;
    // What a reader gets: a description that only reads.
    let descriptor = File::open(frames_of(reader.pid())?)?;
    let by_user = |script: &str| -> Result<bool> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).uid(4_020).gid(4_020);
        let stdin = descriptor.try_clone()?;
        let done = shell.stdin(stdin).stderr(Stdio::null()).status()?;
        Ok(done.success())
    };
    ensure!(by_user("head -c 100 > /dev/null")?, "it reads");
    ensure!(!by_user("exec 3<> /proc/self/fd/0")?, "it reopened them");
    ensure!(
        !by_user("printf x 1<> /proc/self/fd/0")?,
        "it reopened them"
    );
    Ok(())
}

#[test]
fn hostile_filler_then_evicted_and_readers_go_on() -> Result<()> {
    let (rig, mut control) = with_mix(AMPLE)?;
    let mut reader = rig.user("mix")?;
    let mut hostile = filler(&rig)?;
    let said = refused(&mut hostile, "open 3")?;
    ensure!(said.contains("whole frames"), "{said}");
    hostile.say("submit 5")?;
    hostile.say("hold 2")?;
    hostile.say("riot")?;
    wait_for("it to be evicted", 60, || {
        let all = control.show("mix")?.attachments;
        Ok(all.iter().any(|it| it.state == AttachmentState::Revoked))
    })?;
    hostile.kill()?;
    wait_for("it to be gone", 30, || {
        Ok(control.show("mix")?.attachments.len() == 1)
    })?;
    reader.say("drain")?;
    let mut next = filler(&rig)?;
    for _ in 0..200 {
        reader.send("get 30000")?;
        next.say("submit 1")?;
        let seen: Seen = serde_json::from_value(reader.answer("get")?)?;
        ensure!(seen.checksum_right, "{seen:?}");
    }
    // A hole in the frames that others read.
    next.say("punch onair-frames 1")?;
    wait_for("it to be evicted", 30, || {
        let all = control.show("mix")?.attachments;
        Ok(all.iter().any(|it| it.state == AttachmentState::Revoked))
    })?;
    ensure!(reader.errno("get 0")? == "ETIMEDOUT");
    control.end("mix").map(drop)
}
