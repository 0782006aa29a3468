//! Processes that use sessions of a real daemon: they hold frames, or are blocked.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use onair::{Client, Error, Timeout};
use onair_ipc::sys;
use onair_stage::{Actor, Deadline, Stage, wait_for};

/// A process of users. It says "ready" when all of it is as it was asked for, and lives until its
/// standard input ends or it is killed; with blocked threads, until all of them have returned. Then it
/// says when the last one did.
#[derive(clap::Args)]
pub(crate) struct Users {
    #[arg(long)]
    attach: PathBuf,
    /// Sessions to attach to
    #[arg(long = "session", required = true)]
    sessions: Vec<String>,
    /// Threads that are blocked on each of them
    #[arg(long, default_value_t = 0)]
    blocked: u32,
    /// Frames that are held of each of them
    #[arg(long, default_value_t = 0)]
    held: u32,
}

/// What such a process is started for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// Threads that are blocked on each session.
    pub(crate) blocked: u32,
    /// Frames that are held of each session.
    pub(crate) held: u32,
}

/// Starts one and waits until its frames are held and its threads sleep.
pub(crate) fn start(
    stage: &Stage,
    attach: &Path,
    sessions: &[String],
    wanted: Wanted,
) -> Result<Actor> {
    let mut command: Command = stage.command(std::env::current_exe()?);
    command
        .arg("users")
        .args(["--blocked", &wanted.blocked.to_string()])
        .args(["--held", &wanted.held.to_string()])
        .arg("--attach")
        .arg(attach);
    for session in sessions {
        command.args(["--session", session]);
    }
    let mut actor = Actor::start("users", &mut command)?;
    actor.event("ready", Deadline::seconds(60))?;
    let all = wanted.blocked as usize * sessions.len();
    let pid = actor.pid();
    wait_for("the users to be blocked", 60, || {
        Ok(onair_stage::blocked(pid)?.len() == all)
    })?;
    Ok(actor)
}

/// Makes `count` calls at once, runs `begun` once all of them have begun, and waits for their ends.
pub(crate) fn together(
    count: u32,
    call: impl Fn() -> Result<()> + Sync,
    begun: impl FnOnce(),
) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(&call)).collect();
        begun();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a caller panicked")))
    })
}

impl Users {
    pub(crate) fn run(&self) -> Result<()> {
        let client = Client::at(&self.attach);
        let attached: Result<Vec<_>, _> = self
            .sessions
            .iter()
            .map(|name| client.attach(name))
            .collect();
        let attached = attached?;
        let mut held = vec![];
        for session in &attached {
            for _ in 0..self.held {
                held.push(session.buffer_get(Timeout::millis(10_000))?);
            }
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = attached
                .iter()
                .flat_map(|session| (0..self.blocked).map(move |_| session))
                .map(|session| {
                    scope.spawn(|| {
                        let ended = session.buffer_get(Timeout::NEVER).map(drop);
                        (ended, sys::monotonic_ns())
                    })
                })
                .collect();
            println!("{{\"event\": \"ready\"}}");
            let mut last = None;
            for thread in threads {
                match thread.join() {
                    Ok((Err(Error::Stopped | Error::Stale), at)) => last = last.max(Some(at)),
                    other => bail!("a stop was expected, not {other:?}"),
                }
            }
            if let Some(at) = last {
                println!("{{\"event\": \"returned\", \"at\": {at}}}");
            }
            Ok(())
        })?;
        if self.blocked == 0 {
            let mut line = String::new();
            std::io::stdin()
                .read_line(&mut line)
                .context("waiting for the end")?;
        }
        drop(held);
        Ok(())
    }
}
