//! The log on standard error: a reader that stalls stops nothing, and with `log.format = "json"` each
//! line is JSON.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use std::io::{PipeReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_stage::Config;
use onair_tests::{Deadline, Raster, Rig, in_order, receive, signal, until};
use rustix::process::Signal;
use serde_json::Value;

/// A daemon whose standard error is a pipe, and the end of that pipe which the test may read.
fn with_a_pipe(change: impl FnOnce(&mut Config), filter: &str) -> Result<(Rig, PipeReader)> {
    let (reader, writer) = std::io::pipe()?;
    let rig = Rig::rings_as(change, |command| {
        command.stderr(writer).env("ONAIR_LOG", filter);
    })?;
    Ok((rig, reader))
}

/// Connects, asks for the health, and reads the answer: the daemon logs one line at level debug.
fn ask(rig: &Rig) -> Result<()> {
    let mut stream = UnixStream::connect(Config::control_socket(rig.stage()))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.write_all(b"GET /v1/health HTTP/1.1\r\nhost: onaird\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .context("no answer in half a minute")?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

/// More lines than the pipe and the daemon's own queue have places for.
const LINES: usize = 16_000;

#[test]
fn log__reader_stalls__then_all_is_answered_and_one_sigterm_ends_the_daemon() -> Result<()> {
    let (mut rig, reader) = with_a_pipe(|_| {}, "debug")?;
    for _ in 0..LINES {
        ask(&rig)?;
    }
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    let mut client = rig.user("cam")?;
    client.block(1)?;
    ensure!(control.health()?.live);
    signal(&mut rig, Signal::TERM)?;
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!((status, summary.exit_status), (0, 0), "{summary:#?}");
    in_order(&summary);
    drop(reader);
    Ok(())
}
