//! P1: stop → the last of N blocked callers has returned, beside the bare wake-up of N threads.
//!
//! The N callers are threads of another process, asleep in `buffer_get` of the real library. The
//! stop is what the daemon does: gate, bells, wake-ups in chunks. The reference is the least that
//! any design can cost: one FUTEX_WAKE of N threads of that same process, asleep in FUTEX_WAIT. The
//! two take turns, round by round, with the same threads.

mod callers;

use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_ipc::sys;
use onair_stage::{Deadline, until};

pub(crate) use callers::Callers;

use crate::board::{self, Board};
use crate::host::{Host, Seat};
use crate::row::Row;
use crate::samples::Samples;
use crate::{Effort, place};

/// How many sleepers are woken before the daemon's control thread serves others.
const CHUNK: u16 = 64;
/// Tells the callers to end.
const OVER: u32 = u32::MAX;
const FUTEX: &str = "202";
const FUTEX_WAITV: &str = "449";

/// A round's kind, from its number.
fn is_reference(round: u32) -> bool {
    round.is_multiple_of(2)
}

pub(crate) fn measure(effort: Effort) -> Result<Vec<Row>> {
    let core = *place::cores()?.first().context("no core")?;
    [(1, 4_000), (8, 3_000), (64, 1_500), (256, 500)]
        .into_iter()
        .map(|(count, rounds)| one(count, effort.of(rounds), core))
        .collect()
}

fn one(count: u32, rounds: usize, core: usize) -> Result<Row> {
    let host = Host::start(4)?;
    let board = Board::create()?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["stop-callers", "--count", &count.to_string(), "--board"])
        .arg(board.path())
        .arg("--attach")
        .arg(host.path())
        .stdin(Stdio::null())
        .spawn()
        .context("starting the process of the callers")?;
    let mut ours = Samples::default();
    let mut reference = Samples::default();
    let seat = host.seat();
    let result = std::thread::scope(|scope| {
        let measured = scope.spawn(|| -> Result<()> {
            place::pin(core)?;
            let seat = seat?;
            for round in 1..=2 * u32::try_from(rounds)? {
                let taken = turn(round, count, &seat, &board, child.id())?;
                if is_reference(round) {
                    reference.push(taken);
                } else {
                    ours.push(taken);
                }
            }
            Ok(())
        });
        measured
            .join()
            .expect("the measuring thread does not panic")
    });
    end(&board, &mut child)?;
    result?;
    let mut row = Row::new(
        ("P1", format!("N = {count}")),
        "µs",
        &ours,
        ("FUTEX_WAKE of N threads", &reference),
    )
    .pinned(format!("waker on core {core}, callers on any"));
    row = if count == 64 {
        row.target("≤ 1.2 ×, p99 < 1 ms", |row| {
            row.ratio <= 1.2 && row.p99 < 1_000.0
        })
    } else {
        row.target("≤ 1.2 ×", |row| row.ratio <= 1.2)
    };
    Ok(row)
}

/// One round: everybody asleep, the clock, the wake-up, the last arrival. In µs.
fn turn(round: u32, count: u32, seat: &Seat, board: &Board, child: u32) -> Result<f64> {
    let words = board.words();
    words.start(round);
    asleep(round, count, child)?;
    let before = sys::monotonic_ns();
    if is_reference(round) {
        words.bell().store(round, Ordering::SeqCst);
        sys::futex_wake(words.bell(), sys::ALL);
    } else {
        seat.memory.stop();
        while seat.memory.wake_some(CHUNK) {}
    }
    let after = words.finish(round);
    if !is_reference(round) {
        seat.memory.start();
    }
    let ns = u32::try_from(after.saturating_sub(before))?;
    Ok(f64::from(ns) / 1_000.0)
}

/// Waits until `count` threads of the child sleep where this round's sleepers sleep.
fn asleep(round: u32, count: u32, child: u32) -> Result<()> {
    until("all callers asleep", Deadline::seconds(60), || {
        let mut sleeping = 0;
        for tid in onair_stage::threads(child)? {
            let path = format!("/proc/{child}/task/{tid}/syscall");
            let line = std::fs::read_to_string(&path).with_context(|| path)?;
            let mut words = line.split_ascii_whitespace();
            let there = match words.next() {
                Some(FUTEX_WAITV) => !is_reference(round),
                Some(FUTEX) if is_reference(round) => words
                    .next()
                    .and_then(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok())
                    .is_some_and(|address| address % 4096 == board::BELL as u64),
                _ => false,
            };
            sleeping += u32::from(there);
        }
        Ok((sleeping == count).then_some(()))
    })
}

fn end(board: &Board, child: &mut Child) -> Result<()> {
    board.words().start(OVER);
    let gone = until(
        "the callers' end",
        Deadline::after(Duration::from_secs(10)),
        || Ok(child.try_wait()?),
    );
    if gone.is_err() {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}
