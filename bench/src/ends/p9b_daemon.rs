//! P9b: the daemon is killed with SIGKILL → the last of N blocked callers has returned `ESTALE`, beside
//! P1's limit: one FUTEX_WAKE of as many threads of the same process.
//!
//! The real daemon, with the probe, started anew for each death. The last case has its packets in
//! hugepages and a gibibyte of frames that packets have filled: its memory dies with it.

use std::process::Child;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, bail};
use onair::{Error, Timeout};
use onair_api::{Source, SpecDocument};
use onair_ipc::sys;
use onair_stage::{Raster, Rig, receive, send, wait_for};

use crate::load::board::{self, Board, Ends, OVER};
use crate::load::users::{self, Wanted};
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::rig::{self, TINY};
use crate::run::Run;

/// Bare wake-ups for each death.
const WAKES: u32 = 8;
/// A round in which the daemon dies; in the others the callers sleep on the event count.
const fn is_death(round: u32) -> bool {
    round.is_multiple_of(WAKES + 1)
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let deaths = run.either(30, 12);
    let mut rows = vec![];
    let cases = [
        (1, Frames::Few, deaths),
        (64, Frames::Few, deaths),
        (64, Frames::Gibibyte, run.either(12, 4)),
    ];
    for (count, frames, deaths) in cases {
        let variant = match frames {
            Frames::Few => format!("N = {count}"),
            Frames::Gibibyte => format!("N = {count}, 1 GiB of frames, hugepages"),
        };
        run.case(&variant, deaths);
        let (ours, reference) = one(count, frames, u32::try_from(deaths)?, run)?;
        let row = Row::of("P9b", variant, "µs", &ours)
            .beside("FUTEX_WAKE of N threads", &ours, &reference)
            .pinned("none; the poller on the last core");
        rows.push(match (count, frames) {
            (1, _) => row.target("p50 ≤ 60 µs", |row| row.p50_at_most(60.0)),
            (_, Frames::Few) => row.target("p99 ≤ 1.5 ms", |row| row.p99_at_most(1_500.0)),
            (_, Frames::Gibibyte) => row.target("p99 < a frame time, 16.7 ms", |row| {
                row.p99_at_most(16_700.0)
            }),
        });
    }
    Ok(rows)
}

/// What the daemon has of frames when it dies.
#[derive(Clone, Copy, Debug)]
enum Frames {
    Few,
    Gibibyte,
}

/// Frames of 4096×2160 in 10 bit, 22 MB each, that a client holds until all are filled.
const HELD: u32 = 48;

/// Fills a gibibyte of frames of a session, whose client then leaves.
fn fill(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let raster = Raster::new(4096, 2160, 30, 10);
    control.create(&SpecDocument {
        quota: Some(HELD),
        max_attachments: Some(1),
        ..receive("large", raster, 5005)
    })?;
    let filler = send("filler", raster, 5005, Source::Pattern);
    control.create(&filler)?;
    let wanted = Wanted {
        held: HELD,
        ..Wanted::default()
    };
    let names = ["large".to_owned()];
    drop(users::start(
        rig.stage(),
        &rig.attach_socket(),
        &names,
        wanted,
    )?);
    control.stop("filler")?;
    control.deserted("large")
}

fn started(frames: Frames) -> Result<Rig> {
    match frames {
        Frames::Few => rig::rings(),
        Frames::Gibibyte => {
            let mut rig = rig::wires(1, "adaptive", &rig::ONE_WIRE)?;
            rig.start_daemon()?;
            Ok(rig)
        }
    }
}

fn one(count: u32, frames: Frames, deaths: u32, run: &Run) -> Result<(Samples, Samples)> {
    let mut rig = started(frames)?;
    let board = Board::create()?;
    let mut child = board
        .child("stale-callers", &rig.attach_socket())?
        .args(["--count", &count.to_string()])
        .spawn()
        .context("starting the process of the callers")?;
    let done = rounds((count, frames, deaths), run, &mut rig, &board, &child);
    board.words().start(OVER);
    child.kill()?;
    child.wait()?;
    rig.end(done)
}

fn rounds(
    (count, frames, deaths): (u32, Frames, u32),
    run: &Run,
    rig: &mut Rig,
    board: &Board,
    child: &Child,
) -> Result<(Samples, Samples)> {
    let words = board.words();
    let (mut ours, mut reference) = (Samples::default(), Samples::default());
    for round in 1..=deaths * (WAKES + 1) {
        if is_death(round) {
            rig.control()?.create(&receive("bench", TINY, 5004))?;
            if matches!(frames, Frames::Gibibyte) {
                fill(rig)?;
            }
        }
        words.start(round);
        wait_for("all callers asleep", 60, || {
            if words.ready() != round {
                return Ok(false);
            }
            let asleep = match is_death(round) {
                true => onair_stage::blocked(child.id())?.len(),
                false => sleeping(child.id())?,
            };
            Ok(asleep == count as usize)
        })?;
        let before = sys::monotonic_ns();
        if is_death(round) {
            rig.kill_daemon()?;
        } else {
            words.sleep_word().store(round, Ordering::SeqCst);
            sys::futex_wake(words.sleep_word(), sys::ALL);
        }
        let ns = words.finish(round).saturating_sub(before);
        if is_death(round) {
            ours.push(micros(ns));
            rig.start_daemon()?;
            run.step();
        } else {
            reference.push(micros(ns));
        }
    }
    Ok((ours, reference))
}

/// Threads of `pid` that sleep on the event count.
fn sleeping(pid: u32) -> Result<usize> {
    let calls = onair_stage::calls(pid)?;
    let on_it = |argument: u64| argument % 4096 == board::SLEEP_WORD as u64;
    let sleeping = calls
        .iter()
        .filter(|it| it.1 == onair_stage::FUTEX && on_it(it.2));
    Ok(sleeping.count())
}

/// The process of the callers.
#[derive(clap::Args)]
pub(crate) struct Callers {
    #[arg(long)]
    count: u32,
    #[command(flatten)]
    ends: Ends,
}

impl Callers {
    pub(crate) fn run(&self) -> Result<()> {
        let mapping = self.ends.board()?;
        let words = board::Words(&mapping);
        for round in words.rounds() {
            let session = match is_death(round) {
                true => Some(self.ends.session()?),
                false => None,
            };
            let seen = words.sleep_word().load(Ordering::SeqCst);
            let call = || -> Result<()> {
                match &session {
                    None => {
                        board::wait_change(words.sleep_word(), seen);
                    }
                    Some(session) => match session.buffer_get(Timeout::NEVER) {
                        Err(Error::Stale) => {}
                        other => bail!("the daemon's death was expected, not {other:?}"),
                    },
                }
                words.arrive(self.count, round);
                Ok(())
            };
            users::together(self.count, call, || words.set_ready(round))?;
        }
        Ok(())
    }
}
