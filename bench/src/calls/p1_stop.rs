//! P1: stop → the last of N blocked callers has returned, beside the bare wake-up of N threads.
//!
//! The N callers are threads of other processes, asleep in `buffer_get` of the real library. The
//! stop is what the daemon does: gate, event counts, wake-ups in chunks. The reference is the least that
//! any design can cost: one FUTEX_WAKE of those same N threads, asleep in FUTEX_WAIT. The two take
//! turns, round by round.

use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use onair::{Error, Session, Timeout};
use onair_engine::clients::waking::Waking;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::sys;
use onair_stage::{Deadline, FUTEX, FUTEX_WAITV, until, wait_for};

use crate::load::board::{self, Board, Ends, OVER, Words};
use crate::load::host::Host;
use crate::load::users;
use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::run::Run;

/// The blocked callers, and how often they are measured.
#[derive(Clone, Copy)]
struct Crowd {
    processes: u32,
    /// Of each process.
    threads: u32,
    rounds: usize,
}

const fn crowd(processes: u32, threads: u32, rounds: usize) -> Crowd {
    Crowd {
        processes,
        threads,
        rounds,
    }
}

/// Those that a target is set for.
const AIMED: [Crowd; 4] = [
    crowd(1, 1, 4_000),
    crowd(1, 8, 3_000),
    crowd(1, 64, 1_500),
    crowd(1, 256, 500),
];
/// Where it bends.
const MORE: [Crowd; 1] = [crowd(16, 64, 100)];

impl Crowd {
    fn count(self) -> u32 {
        self.processes * self.threads
    }

    fn name(self) -> String {
        match self.processes {
            1 => format!("N = {}", self.threads),
            processes => format!("N = {} in {processes} processes", self.count()),
        }
    }
}

/// A round's kind, from its number.
fn is_reference(round: u32) -> bool {
    round.is_multiple_of(2)
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let core = *place::cores()?.first().context("no core")?;
    let all = AIMED.into_iter().chain(MORE);
    all.map(|crowd| one(crowd, run, core)).collect()
}

fn one(crowd: Crowd, run: &Run, core: usize) -> Result<Row> {
    let rounds = run.of(crowd.rounds);
    run.case(crowd.name(), rounds);
    let host = Host::start(4)?;
    let board = Board::create()?;
    let mut children = vec![];
    let result = gather(crowd, &host, &board, &mut children)
        .and_then(|attachments| turns(rounds, crowd, run, core, &attachments, &board, &children));
    end(&board, &mut children)?;
    let (ours, reference) = result?;
    let row = Row::of("P1", crowd.name(), "µs", &ours)
        .beside("FUTEX_WAKE of N threads", &ours, &reference)
        .pinned(format!("waker on core {core}, callers on any"));
    Ok(match (crowd.processes, crowd.threads) {
        (1, 64) => row.target("≤ 1.15 ×, p99 < 1 ms", |row| {
            row.ratio_at_most(1.15) && row.p99_at_most(1_000.0)
        }),
        (1, 256) => row.ratio_at_most(1.15),
        (1, _) => row.ratio_at_most(1.2),
        _ => row.ratio_at_most(1.3),
    })
}

/// Starts the processes of the callers; the daemon's ends of their attachments.
fn gather(
    crowd: Crowd,
    host: &Host,
    board: &Board,
    children: &mut Vec<Child>,
) -> Result<Vec<Arc<AttachmentMemory>>> {
    let mut attachments = vec![];
    for _ in 0..crowd.processes {
        let child = board
            .child("stop-callers", &host.path())?
            .args(["--threads", &crowd.threads.to_string()])
            .args(["--count", &crowd.count().to_string()])
            .spawn()
            .context("starting a process of callers")?;
        children.push(child);
        attachments.push(host.attachment()?.memory);
    }
    Ok(attachments)
}

/// All rounds, on a thread of its own that is pinned.
fn turns(
    rounds: usize,
    crowd: Crowd,
    run: &Run,
    core: usize,
    attachments: &[Arc<AttachmentMemory>],
    board: &Board,
    children: &[Child],
) -> Result<(Samples, Samples)> {
    let all = || -> Result<_> {
        place::pin(core)?;
        let (mut ours, mut reference) = (Samples::default(), Samples::default());
        for round in 1..=2 * u32::try_from(rounds)? {
            let taken = turn(round, crowd.count(), attachments, board, children)?;
            if is_reference(round) {
                reference.push(taken);
                run.step();
            } else {
                ours.push(taken);
            }
        }
        Ok((ours, reference))
    };
    std::thread::scope(|scope| scope.spawn(all).join())
        .unwrap_or_else(|_| Err(anyhow!("the measuring thread panicked")))
}

/// One round: every caller asleep, the clock, the wake-up, the last arrival. In µs.
fn turn(
    round: u32,
    count: u32,
    attachments: &[Arc<AttachmentMemory>],
    board: &Board,
    children: &[Child],
) -> Result<f64> {
    let words = board.words();
    words.start(round);
    asleep(round, count, children)?;
    let before = sys::monotonic_ns();
    if is_reference(round) {
        words.sleep_word().store(round, Ordering::SeqCst);
        sys::futex_wake(words.sleep_word(), sys::ALL);
    } else {
        let mut waking = Waking::default();
        for attachment in attachments {
            attachment.stop();
        }
        for attachment in attachments {
            waking.enter(attachment);
        }
        waking.finish();
    }
    let after = words.finish(round);
    if !is_reference(round) {
        for attachment in attachments {
            attachment.start();
        }
    }
    Ok(micros(after.saturating_sub(before)))
}

/// Waits until `count` threads of the children sleep where this round's sleepers sleep.
fn asleep(round: u32, count: u32, children: &[Child]) -> Result<()> {
    wait_for("all callers asleep", 60, || {
        let mut sleeping = 0;
        for child in children {
            sleeping += asleep_in(round, child.id())?;
        }
        Ok(sleeping == count)
    })
}

fn asleep_in(round: u32, pid: u32) -> Result<u32> {
    let is_there = |&&(_, call, argument): &&(u32, u32, u64)| match call {
        FUTEX_WAITV => !is_reference(round),
        FUTEX => is_reference(round) && argument % 4096 == board::SLEEP_WORD as u64,
        _ => false,
    };
    let calls = onair_stage::calls(pid)?;
    Ok(u32::try_from(calls.iter().filter(is_there).count())?)
}

fn end(board: &Board, children: &mut [Child]) -> Result<()> {
    board.words().start(OVER);
    for child in children {
        let gone = until(
            "the callers' end",
            Deadline::after(Duration::from_secs(10)),
            || Ok(child.try_wait()?),
        );
        if gone.is_err() {
            child.kill()?;
            child.wait()?;
        }
    }
    Ok(())
}

#[derive(clap::Args)]
pub(crate) struct Callers {
    /// Threads of this process
    #[arg(long)]
    threads: u32,
    /// Threads of all processes
    #[arg(long)]
    count: u32,
    #[command(flatten)]
    ends: Ends,
}

impl Callers {
    pub(crate) fn run(&self) -> Result<()> {
        let mapping = self.ends.board()?;
        let words = Words(&mapping);
        let session = self.ends.session()?;
        users::together(self.threads, || call(&session, words, self.count), || ())
    }
}

fn call(session: &Session, words: Words<'_>, count: u32) -> Result<()> {
    for round in words.rounds() {
        if is_reference(round) {
            let mut seen = words.sleep_word().load(Ordering::SeqCst);
            while seen != round {
                seen = board::wait_change(words.sleep_word(), seen);
            }
        } else {
            session.wait_started(Timeout::NEVER)?;
            match session.buffer_get(Timeout::NEVER) {
                Err(Error::Stopped) => {}
                other => bail!("a stop was expected, not {other:?}"),
            }
        }
        words.arrive(count, round);
    }
    Ok(())
}
