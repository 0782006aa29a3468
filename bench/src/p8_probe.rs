//! P8: what the probe costs its clients: calls that do not block, and the return of one that did.
//!
//! Two processes run the same program from two files: one file is watched by the real probe, the other
//! is not. They take turns.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
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

use crate::board::{self, Board};
use crate::host::{Host, SESSION};
use crate::place;
use crate::row::Row;
use crate::run::Run;
use crate::samples::{Samples, micros};

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
    let mut free = Samples::default();
    let mut free_armed = Samples::default();
    let rounds = run.of(300);
    run.case("not blocked", rounds);
    {
        let mut on = Actor::start("watched", Command::new(&watched).arg("probe-get-put"))?;
        let mut off = Actor::start("unwatched", Command::new(&unwatched).arg("probe-get-put"))?;
        let armed = arm(probe, runtime, on.pid())?;
        for _ in 0..rounds {
            for (actor, samples) in [(&mut on, &mut free_armed), (&mut off, &mut free)] {
                let told = actor.ask("turn", Deadline::seconds(60))?;
                samples.push(told["ns"].as_f64().context("no figure")?);
            }
            run.step();
        }
        armed
            .sight
            .look()
            .context("the watched file is not watched")?;
    }
    let calls = run.of(3_000);
    run.case("blocked", calls);
    let mut on = Sleeper::start(&watched)?;
    let mut off = Sleeper::start(&unwatched)?;
    let armed = arm(probe, runtime, on.actor.pid())?;
    register(probe, on.actor.pid())?;
    let (mut woken, mut woken_armed) = (Samples::default(), Samples::default());
    let (mut used, mut used_armed) = (Samples::default(), Samples::default());
    let core = *place::cores()?.first().context("no core")?;
    std::thread::scope(|scope| {
        let turns = || -> Result<()> {
            place::pin(core)?;
            for _ in 0..calls {
                for (sleeper, woken, used) in [
                    (&mut on, &mut woken_armed, &mut used_armed),
                    (&mut off, &mut woken, &mut used),
                ] {
                    let (wake_us, cpu_us) = sleeper.turn()?;
                    woken.push(wake_us);
                    used.push(cpu_us);
                }
                run.step();
            }
            Ok(())
        };
        scope.spawn(turns).join().expect("it does not panic")
    })?;
    armed
        .sight
        .look()
        .context("the watched file is not watched")?;
    let stats = probe.health().stats;
    let seen = stats.iter().find(|(name, _)| *name == Stat::Begin.name());
    let seen = seen.map_or(0, |(_, count)| *count);
    ensure!(
        seen >= calls as u64,
        "the probe saw {seen} of {calls} waits"
    );
    Ok(vec![
        Row::of("P8", "get + put, not blocked, watched", "ns", &free_armed)
            .beside("the same, not watched", &free_armed, &free)
            .pinned("both on core 0")
            .target("1.00 ± 0.02", |row| {
                row.ratio.is_some_and(|ratio| (ratio - 1.0).abs() <= 0.02)
            }),
        Row::of(
            "P8",
            "frame ready → caller returns, watched",
            "µs",
            &woken_armed,
        )
        .beside("the same, not watched", &woken_armed, &woken)
        .pinned(format!("lender on core {core}, callers on any"))
        .target("+ ≤ 1 µs", |row| {
            row.value
                .zip(row.reference)
                .is_some_and(|(ours, other)| ours - other <= 1.0)
        }),
        Row::of(
            "P8",
            "processor of one call that blocks, watched",
            "µs",
            &used_armed,
        )
        .beside("the same, not watched", &used_armed, &used)
        .pinned(format!("lender on core {core}, callers on any")),
    ])
}

fn arm(probe: &Probe, runtime: &tokio::runtime::Runtime, pid: u32) -> Result<Armed> {
    runtime
        .block_on(probe.arm(pid))
        .with_context(|| format!("arming process {pid}"))
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
        let mut command = Command::new(program);
        command
            .arg("probe-sleeper")
            .arg("--board")
            .arg(board.path())
            .arg("--attach")
            .arg(host.path());
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
        let lent = self.lender.publish(0, &FrameMeta::default());
        ensure!(lent.is_ok(), "the frame did not come back");
        let ns = words.finish(self.round).saturating_sub(before);
        wait_for("the frame back", 20, || {
            self.lender.reap(|_| ());
            Ok(self.lender.lent() == 0)
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
                    let lent = lender.publish(frame, &FrameMeta::default());
                    ensure!(lent.is_ok(), "a frame did not come back");
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
    #[arg(long)]
    board: String,
    #[arg(long)]
    attach: PathBuf,
}

impl Blocks {
    pub(crate) fn run(&self) -> Result<()> {
        let mapping = board::open(&self.board)?;
        let words = board::Words(&mapping);
        let session = Client::at(&self.attach).attach("bench")?;
        let mut round = 0;
        loop {
            round = words.next(round);
            words.set_ready(round);
            let buffer = session.buffer_get(Timeout::NEVER)?;
            words.arrive(1, round);
            drop(buffer);
        }
    }
}
