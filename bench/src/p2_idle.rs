//! P2: the processor that a caller uses while it is blocked on an idle session, beside one that polls.
//!
//! Both are threads of one other process, on the same session, at the same time.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use onair::{Client, Error, Session, Timeout};
use onair_stage::{Deadline, cpu_time, until};

use crate::Effort;
use crate::host::Host;
use crate::row::Row;
use crate::samples::Samples;

/// How often the other one looks.
const POLL: Duration = Duration::from_micros(100);
/// One sample.
const WINDOW: Duration = Duration::from_secs(1);
const TARGET_PERCENT: f64 = 0.05;

pub(crate) fn measure(effort: Effort) -> Result<Vec<Row>> {
    let host = Host::start(4)?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("idle-callers")
        .arg("--attach")
        .arg(host.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the process of the callers")?;
    let _seat = host.seat()?;
    let output = child.stdout.take().context("the child's output")?;
    let mut tids = BufReader::new(output).lines();
    let mut tid = || -> Result<u32> { Ok(tids.next().context("no tid")??.parse()?) };
    let (blocked, polling) = (tid()?, tid()?);
    until("the caller asleep", Deadline::seconds(10), || {
        Ok(onair_stage::blocked(child.id())?
            .contains(&blocked)
            .then_some(()))
    })?;
    let (mut ours, mut reference) = (Samples::default(), Samples::default());
    for _ in 0..effort.of(20) {
        let before = (
            cpu_time(child.id(), blocked)?,
            cpu_time(child.id(), polling)?,
        );
        let start = Instant::now();
        std::thread::sleep(WINDOW);
        let percent = |now: Duration, before: Duration| {
            100.0 * (now - before).as_secs_f64() / start.elapsed().as_secs_f64()
        };
        ours.push(percent(cpu_time(child.id(), blocked)?, before.0));
        reference.push(percent(cpu_time(child.id(), polling)?, before.1));
    }
    child.kill()?;
    child.wait()?;
    Ok(vec![
        Row::new(
            ("P2", "blocked in buffer_get"),
            "% of a core",
            &ours,
            ("polls each 100 µs", &reference),
        )
        .pinned("none")
        .target(format!("< {TARGET_PERCENT} %"), |row| {
            row.max < TARGET_PERCENT
        }),
    ])
}

/// The other process: one caller that waits, one that polls. Ends when it is killed.
#[derive(clap::Args)]
pub(crate) struct Callers {
    #[arg(long)]
    attach: PathBuf,
}

impl Callers {
    pub(crate) fn run(&self) -> Result<()> {
        let session = Client::at(&self.attach).attach("bench")?;
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| wait(&session, Timeout::NEVER));
            poll(&session)?;
            blocked.join().unwrap_or_else(|_| bail!("panicked"))
        })
    }
}

fn wait(session: &Session, timeout: Timeout) -> Result<()> {
    println!("{}", onair_ipc::sys::gettid());
    match session.buffer_get(timeout) {
        Ok(_) => bail!("a frame on an idle session"),
        Err(error) => Err(error.into()),
    }
}

fn poll(session: &Session) -> Result<()> {
    // The blocked one has said its tid by the time it sleeps.
    until("the caller asleep", Deadline::seconds(10), || {
        let blocked = onair_stage::blocked(std::process::id())?;
        Ok((!blocked.is_empty()).then_some(()))
    })?;
    println!("{}", onair_ipc::sys::gettid());
    loop {
        match session.buffer_get(Timeout::NOW) {
            Err(Error::TimedOut) => std::thread::sleep(POLL),
            Ok(_) => bail!("a frame on an idle session"),
            Err(error) => return Err(error.into()),
        }
    }
}
