//! P8: what the probe costs its clients: calls that do not block, and the return of one that did.
//!
//! Two processes run the same program from two files: one file is watched by the real probe, the other
//! is not. They take turns.

use std::io::BufRead as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Timeout};
use onair_ebpf::layout::Stat;
use onair_ipc::lender::Lender;
use onair_ipc::meta::FrameMeta;
use onair_ipc::{site, sys};
use onair_probe::{Armed, Probe, ProbeConfig, Proof};
use onair_stage::{Actor, Deadline, cpu_time, wait_for};

use crate::load::board::{self, Board, Ends};
use crate::load::host::{Host, SESSION};
use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::run::Run;

/// Frames in one batch, and batches in one turn, of calls that do not block.
const BATCH: u32 = 64;
const BATCHES: usize = 200;

fn own_site(session: u64, argument: u64) {
    site::between(session, argument, &mut || {});
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let probe = Probe::start(ProbeConfig::new(own_site)).context("starting the probe")?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let rows = rows(run, &probe, &runtime);
    // Before the process goes on: it takes 0.1 s a site.
    runtime.block_on(probe.close());
    rows
}

fn rows(run: &Run, probe: &Probe, runtime: &tokio::runtime::Runtime) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let watched = std::env::current_exe()?;
    let unwatched = folder.path().join("onair-bench");
    std::fs::copy(&watched, &unwatched).context("copying the program")?;
    let arm = |pid| {
        let armed = runtime.block_on(probe.arm(pid));
        armed.with_context(|| format!("arming process {pid}"))
    };
    let mut rows = vec![not_blocked(run, &watched, &unwatched, arm)?];
    let calls = run.of(3_000);
    run.case("blocked", calls);
    let mut sleepers = [Sleeper::start(&watched)?, Sleeper::start(&unwatched)?];
    let pid = sleepers[0].actor.pid();
    let armed = arm(pid)?;
    register(probe, pid)?;
    let core = *place::cores()?.first().context("no core")?;
    let [watched, unwatched] = blocked(run, calls, core, &mut sleepers)?;
    look(&armed)?;
    let stats = probe.health().stats;
    let seen = stats.iter().find(|(name, _)| *name == Stat::Begin.name());
    let seen = seen.map_or(0, |(_, count)| *count);
    ensure!(
        seen >= calls as u64,
        "the probe saw {seen} of {calls} waits"
    );
    let row = |name, ours: &Samples, other: &Samples| {
        Row::of("P8", name, "µs", ours)
            .beside("the same, not watched", ours, other)
            .pinned(format!("lender on core {core}, callers on any"))
    };
    rows.push(
        row(
            "frame ready → caller returns, watched",
            &watched.wake,
            &unwatched.wake,
        )
        .target("+ ≤ 1 µs", |row| {
            row.value
                .zip(row.reference)
                .is_some_and(|(ours, other)| ours - other <= 1.0)
        }),
    );
    rows.push(
        row(
            "processor of one call that blocks, watched",
            &watched.processor,
            &unwatched.processor,
        )
        .part(),
    );
    Ok(rows)
}

fn not_blocked(
    run: &Run,
    watched: &Path,
    unwatched: &Path,
    arm: impl Fn(u32) -> Result<Armed>,
) -> Result<Row> {
    let rounds = run.of(300);
    run.case("not blocked", rounds);
    let start = |name, program| Actor::start(name, Command::new(program).arg("probe-get-put"));
    let mut actors = [start("watched", watched)?, start("unwatched", unwatched)?];
    let armed = arm(actors[0].pid())?;
    let mut taken = [Samples::default(), Samples::default()];
    for _ in 0..rounds {
        for (actor, samples) in actors.iter_mut().zip(&mut taken) {
            let told = actor.ask("turn", Deadline::seconds(60))?;
            samples.push(told["ns"].as_f64().context("no figure")?);
        }
        run.step();
    }
    look(&armed)?;
    let [watched, unwatched] = &taken;
    Ok(
        Row::of("P8", "get + put, not blocked, watched", "ns", watched)
            .beside("the same, not watched", watched, unwatched)
            .pinned("both on core 0")
            .ratio_at_most(1.02),
    )
}

/// What calls that block took, in µs.
#[derive(Default)]
struct Blocked {
    wake: Samples,
    processor: Samples,
}

/// Both processes in turns, on a thread of its own that is pinned.
fn blocked(
    run: &Run,
    calls: usize,
    core: usize,
    sleepers: &mut [Sleeper; 2],
) -> Result<[Blocked; 2]> {
    let turns = || -> Result<_> {
        place::pin(core)?;
        let mut taken = [Blocked::default(), Blocked::default()];
        for _ in 0..calls {
            for (sleeper, taken) in sleepers.iter_mut().zip(&mut taken) {
                let (wake, processor) = sleeper.turn()?;
                taken.wake.push(wake);
                taken.processor.push(processor);
            }
            run.step();
        }
        Ok(taken)
    };
    std::thread::scope(|scope| scope.spawn(turns).join().expect("it does not panic"))
}

fn look(armed: &Armed) -> Result<()> {
    let seen = armed.checker.look();
    seen.map(drop).context("the watched file is not watched")
}

/// Has the process counted, as the daemon does after its challenge.
fn register(probe: &Probe, pid: u32) -> Result<()> {
    let proof = Proof {
        tgid: pid,
        tid: pid,
        ns_tgid: pid,
        ns_tid: pid,
        own_tid: pid,
        start_boottime: 0,
        inode: 0,
    };
    Ok(probe.register(&proof, SESSION, 1, 0)?)
}

/// A process with one caller that blocks.
struct Sleeper {
    actor: Actor,
    board: Board,
    lender: Lender,
    _host: Host,
    round: u32,
    /// What it had used of a processor after the last call.
    used: Duration,
}

impl Sleeper {
    fn start(program: &Path) -> Result<Self> {
        let (host, board) = (Host::start(4)?, Board::create()?);
        let mut command = board.child_of(program, "probe-sleeper", &host.path());
        let actor = Actor::start("a process with a sleeper", &mut command)?;
        let lender = Lender::new(host.attachment()?.memory, 4);
        Ok(Self {
            actor,
            board,
            lender,
            _host: host,
            round: 0,
            used: Duration::ZERO,
        })
    }

    /// One call that blocks and is woken: µs from the frame to its return, and what it used.
    fn turn(&mut self) -> Result<(f64, f64)> {
        self.round += 1;
        let (words, pid) = (self.board.words(), self.actor.pid());
        words.start(self.round);
        wait_for("the caller asleep", 20, || {
            let asleep = words.ready() == self.round && !onair_stage::blocked(pid)?.is_empty();
            Ok(asleep)
        })?;
        let before = sys::monotonic_ns();
        let loaned = self.lender.publish(0, &FrameMeta::default());
        ensure!(loaned.is_ok(), "the frame did not come back");
        let ns = words.finish(self.round).saturating_sub(before);
        wait_for("the frame back", 20, || {
            self.lender.reap(|_| ());
            Ok(self.lender.loaned() == 0)
        })?;
        let after = cpu_time(pid, pid)?;
        let taken = after.saturating_sub(std::mem::replace(&mut self.used, after));
        Ok((micros(ns), taken.as_secs_f64() * 1e6))
    }
}

/// The process whose calls do not block: its host, its lender and its caller are one thread.
#[derive(clap::Args)]
pub(crate) struct GetPut {}

impl GetPut {
    pub(crate) fn run(&self) -> Result<()> {
        let host = Host::start(BATCH)?;
        let session = Client::at(host.path()).attach("bench")?;
        let mut lender = Lender::new(host.attachment()?.memory, BATCH);
        place::pin(*place::cores()?.first().context("no core")?)?;
        for line in std::io::stdin().lock().lines() {
            line?;
            let mut batches = Samples::default();
            for _ in 0..BATCHES {
                lender.reap(|_| ());
                for frame in 0..BATCH {
                    let loaned = lender.publish(frame, &FrameMeta::default());
                    ensure!(loaned.is_ok(), "a frame did not come back");
                }
                let begin = Instant::now();
                for _ in 0..BATCH {
                    drop(session.buffer_get(Timeout::NOW)?);
                }
                batches.push(begin.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH));
            }
            let ns = batches.ranks().median();
            println!("{}", serde_json::json!({ "answer": "turn", "ns": ns }));
        }
        Ok(())
    }
}

/// The process whose calls block.
#[derive(clap::Args)]
pub(crate) struct Blocks {
    #[command(flatten)]
    ends: Ends,
}

impl Blocks {
    pub(crate) fn run(&self) -> Result<()> {
        let mapping = self.ends.board()?;
        let words = board::Words(&mapping);
        let session = self.ends.session()?;
        for round in words.rounds() {
            words.set_ready(round);
            let buffer = session.buffer_get(Timeout::NEVER)?;
            words.arrive(1, round);
            drop(buffer);
        }
        Ok(())
    }
}
