//! P30: the daemon is killed with SIGKILL → a pipeline of `onairsrc` reports an error on its bus; and another one with
//! `reconnect=true` gives frames again, from the moment at which there is a session again.
//!
//! The times are those at which `gst-launch-1.0` tells the error and writes the first byte.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{ChildStderr, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_ipc::sys;
use onair_stage::{Control, Deadline, Rig, Running, program, receive, send};

use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::rig::{self, TINY};
use crate::run::Run;

const UDP: u16 = 5004;
const TIMEOUT: Duration = Duration::from_secs(20);
/// What the bus of a live pipeline is allowed, ms.
const LIMIT_MS: f64 = 1_000.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let mut rig = rig::rings()?;
    let done = deaths(run, &mut rig);
    let (errors, frames) = rig.end(done)?;
    let row = |variant: &str, ours: &Samples| {
        Row::of("P30", variant, "ms", ours)
            .limit("what is required", LIMIT_MS)
            .target("p99 ≤ 1 s", |row| row.p99_at_most(LIMIT_MS))
    };
    Ok(vec![
        row("daemon killed → ERROR on the bus", &errors),
        row("session there again → frames, reconnect=true", &frames),
    ])
}

fn deaths(run: &Run, rig: &mut Rig) -> Result<(Samples, Samples)> {
    let folder = rig.stage().directory().join("plugins");
    fs::create_dir(&folder)?;
    fs::copy(program("libgstonair.so")?, folder.join("libgstonair.so"))?;
    let deaths = run.either(20, 5);
    run.case("deaths of the daemon beside GStreamer", deaths);
    let (mut errors, mut frames) = (Samples::default(), Samples::default());
    stream(&mut rig.control()?)?;
    let mut again = Pipeline::play(rig, "onairsrc session=bench reconnect=true ! fdsink")?;
    for _ in 0..deaths {
        let mut ends = Pipeline::play(rig, "onairsrc session=bench ! fdsink")?;
        let killed = sys::monotonic_ns();
        rig.kill_daemon()?;
        errors.push(ms(killed, ends.error.recv_timeout(TIMEOUT)?));
        ends.process.wait(Deadline::seconds(TIMEOUT.as_secs()))?;
        rig.start_daemon()?;
        // What it read before the death.
        while again.bytes.try_recv().is_ok() {}
        stream(&mut rig.control()?)?;
        let there = sys::monotonic_ns();
        frames.push(ms(there, again.bytes.recv_timeout(TIMEOUT)?));
        run.step();
    }
    again.process.kill()?;
    Ok((errors, frames))
}

/// A session with frames.
fn stream(control: &mut Control) -> Result<()> {
    control.create(&receive("bench", TINY, UDP))?;
    control.create(&send("out", TINY, UDP, Source::Pattern))?;
    Ok(())
}

fn ms(from: u64, to: u64) -> f64 {
    micros(to.saturating_sub(from)) / 1e3
}

/// A pipeline of `gst-launch-1.0` that writes frames.
struct Pipeline {
    process: Running,
    /// When it told an error, ns.
    error: Receiver<u64>,
    /// When bytes came, ns.
    bytes: Receiver<u64>,
}

impl Pipeline {
    /// Starts it, and waits for its first bytes.
    fn play(rig: &Rig, pipeline: &str) -> Result<Self> {
        let folder = rig.stage().directory();
        let mut child = rig
            .stage()
            .command("gst-launch-1.0")
            .arg("--quiet")
            .args(pipeline.split_ascii_whitespace())
            .env("ONAIR_ATTACH", rig.attach_socket())
            .env("GST_PLUGIN_PATH", folder.join("plugins"))
            .env("GST_REGISTRY", folder.join("registry.bin"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting gst-launch-1.0: `cargo xtask setup` installs it")?;
        let bytes = bytes_of(child.stdout.take().context("its frames")?);
        let error = error_of(child.stderr.take().context("its errors")?);
        let process = Running::new("gst-launch-1.0", child)?;
        bytes.recv_timeout(TIMEOUT).context("it gave no frame")?;
        Ok(Self {
            process,
            error,
            bytes,
        })
    }
}

fn bytes_of(mut out: ChildStdout) -> Receiver<u64> {
    let (told, times) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 65_536];
        while out.read(&mut bytes).is_ok_and(|count| count > 0) {
            if told.send(sys::monotonic_ns()).is_err() {
                break;
            }
        }
    });
    times
}

fn error_of(errors: ChildStderr) -> Receiver<u64> {
    let (told, times) = channel();
    thread::spawn(move || {
        for line in BufReader::new(errors).lines().map_while(Result::ok) {
            if line.starts_with("ERROR") && told.send(sys::monotonic_ns()).is_err() {
                break;
            }
        }
    });
    times
}
