//! P2: the processor that callers use while they are blocked on an idle session, beside as many that
//! poll each 100 µs, as libraries do that have nothing to sleep on.
//!
//! Two processes with N threads each, on the same session: in one they are blocked, in the other they
//! poll. The polling ones rest while the blocked ones are measured, turn by turn.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use onair::{Client, Error, Session, Timeout};
use onair_stage::{cpu_time, wait_for};

use crate::load::board::{self, Board};
use crate::load::host::Host;
use crate::load::users;
use crate::result::row::Row;
use crate::result::samples::Samples;
use crate::run::Run;

/// How often the other ones look.
const POLL: Duration = Duration::from_micros(100);
const TARGET_PERCENT: f64 = 0.05;
/// In an odd round those who poll do so, in an even one they rest.
const POLLING: u32 = 1;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let crowds = [(1, 20), (128, 6)];
    crowds
        .into_iter()
        .map(|(callers, rounds)| one(callers, run.either(rounds, rounds / 3), run))
        .collect()
}

fn one(callers: u32, rounds: usize, run: &Run) -> Result<Row> {
    run.case(format!("N = {callers}"), rounds);
    // Each blocked caller wakes once a second: a whole number of these wake-ups.
    let window = Duration::from_secs(1);
    let host = Host::start(4)?;
    let board = Board::create()?;
    let mut children = vec![];
    let result = (|| -> Result<_> {
        for polls in [false, true] {
            children.push(start(callers, polls, &board, &host.path())?);
            host.attachment()?;
        }
        let (blocked, polling) = (children[0].id(), children[1].id());
        wait_for("the callers asleep", 20, || {
            let asleep = onair_stage::blocked(blocked)?.len();
            Ok(asleep == callers as usize)
        })?;
        let (mut ours, mut reference) = (Samples::default(), Samples::default());
        for round in 0..u32::try_from(rounds)? {
            ours.push(percent(blocked, window)?);
            board.words().start(2 * round + POLLING);
            reference.push(percent(polling, window / 2)?);
            board.words().start(2 * round + POLLING + 1);
            run.step();
        }
        Ok((ours, reference))
    })();
    for mut child in children {
        child.kill()?;
        child.wait()?;
    }
    let (ours, reference) = result?;
    let variant = format!("N = {callers}, blocked in buffer_get");
    let row = Row::of("P2", variant, "% of a core", &ours)
        .beside("as many that poll each 100 µs", &ours, &reference)
        .pinned("none");
    let most_percent = TARGET_PERCENT * f64::from(callers);
    Ok(row.target(format!("< {TARGET_PERCENT} % each"), |row| {
        row.max.is_some_and(|most| most < most_percent)
    }))
}

fn start(callers: u32, polls: bool, board: &Board, attach: &Path) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["idle-callers", "--callers", &callers.to_string()])
        .arg("--attach")
        .arg(attach)
        .stdin(Stdio::null());
    if polls {
        command.arg("--board").arg(board.path());
    }
    command.spawn().context("starting a process of callers")
}

/// What all threads of process `pid` use during `window`.
fn percent(pid: u32, window: Duration) -> Result<f64> {
    let used = || -> Result<Duration> {
        let threads = onair_stage::threads(pid)?;
        threads.into_iter().map(|tid| cpu_time(pid, tid)).sum()
    };
    let (before, start) = (used()?, Instant::now());
    std::thread::sleep(window);
    let used = used()?.saturating_sub(before);
    Ok(100.0 * used.as_secs_f64() / start.elapsed().as_secs_f64())
}

/// A process of callers that wait, or poll. Ends when it is killed.
#[derive(clap::Args)]
pub(crate) struct Callers {
    #[arg(long)]
    callers: u32,
    #[arg(long)]
    attach: PathBuf,
    /// They poll while this board says so
    #[arg(long)]
    board: Option<String>,
}

impl Callers {
    pub(crate) fn run(&self) -> Result<()> {
        let session = Client::at(&self.attach).attach("bench")?;
        let Some(board) = &self.board else {
            return users::together(self.callers, || wait(&session), || ());
        };
        let mapping = board::open(board)?;
        let words = board::Words(&mapping);
        let on = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in words.rounds() {
                    on.store(round % 2 == POLLING, Ordering::Relaxed);
                }
            });
            users::together(self.callers, || poll(&session, &on), || ())
        })
    }
}

fn wait(session: &Session) -> Result<()> {
    match session.buffer_get(Timeout::NEVER) {
        Ok(_) => bail!("a frame on an idle session"),
        Err(error) => Err(error.into()),
    }
}

fn poll(session: &Session, on: &AtomicBool) -> Result<()> {
    loop {
        if !on.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        match session.buffer_get(Timeout::NOW) {
            Err(Error::TimedOut) => std::thread::sleep(POLL),
            Ok(_) => bail!("a frame on an idle session"),
            Err(error) => return Err(error.into()),
        }
    }
}
