//! P35: the last frame of one daemon → the first frame of the next one, at a client that attaches again by itself. The
//! next one takes over, beside a restart (SIGTERM, then a start) and a kill with a start in the same turns. Then the
//! client is killed and started. 720p50.

pub(crate) mod client;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Error, Next, Reattaching, Timeout};
use onair_api::operations::Upgrade;
use onair_api::{Source, SpecDocument, Successor};
use onair_stage::{Backend, Config, Deadline, ProcessId, Raster, Rig, receive, send};
use rustix::process::Signal;

use crate::result::row::Row;
use crate::result::samples::Samples;
use crate::rig;
use crate::run::Run;

const RASTER: Raster = Raster::new(1280, 720, 50, 10);
/// For a new daemon's first frame, at most.
const FRAME: Duration = Duration::from_secs(60);
/// Frames come again for so long before the next end.
const STEADY: Duration = Duration::from_millis(500);

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let rounds = run.either(30, 3);
    let mut rows = Vec::new();
    for backend in [Backend::AfPacket, Backend::AfXdp] {
        run.case(backend.name(), 4 * rounds);
        let mut rig = rig::cables(|config| {
            // With them DPDK starts once the old daemon has given them back.
            let hugepages = config.hugepages && matches!(backend, Backend::AfXdp);
            *config = Config::pair(backend);
            config.hugepages = hugepages;
            // As a daemon has it by itself; a stage forbids it.
            config.state = "expedite_rcu = true\n".into();
        })?;
        let measured = replaced(&mut rig, rounds, run);
        let [over, restarted, killed, client] = rig.end(measured)?;
        let of = |way: &str, times| {
            let variant = format!("{}: {way}", backend.name());
            Row::of("P35", variant, "ms", times).pinned("none; the poller on the last core")
        };
        rows.push(
            of("taken over", &over)
                .beside("SIGTERM, start", &over, &restarted)
                .target("p99 ≤ 100 ms", |row| row.p99_at_most(100.0)),
        );
        let killed = of("kill -9, start", &killed).limit("requirement: 250 ms", 250.0);
        rows.push(killed.target("p99 ≤ 250 ms", |row| row.p99_at_most(250.0)));
        let client = of("kill -9 of the client, start", &client).limit("a frame time: 20 ms", 20.0);
        rows.push(client.target("p99 ≤ 40 ms", |row| row.p99_at_most(40.0)));
    }
    Ok(rows)
}

/// Milliseconds: taken over, restarted, killed; the client restarted.
fn replaced(rig: &mut Rig, rounds: usize, run: &Run) -> Result<[Samples; 4]> {
    rig.start_daemon()?;
    let mut control = rig.control()?;
    for spec in [
        receive("cam", RASTER, 5000),
        send("out", RASTER, 5000, Source::Pattern),
    ] {
        control.create(&SpecDocument {
            persistent: Some(true),
            ..spec
        })?;
    }
    control.start("cam")?;
    control.start("out")?;
    let cam = Client::at(rig.attach_socket()).reattaching("cam")?;
    let (sender, gaps) = channel();
    let is_over = AtomicBool::new(false);
    let [over, restarted, killed] = thread::scope(|scope| {
        let client = scope.spawn(|| takes(cam, &sender, &is_over));
        let measured = in_turns(rig, &gaps, rounds, run);
        is_over.store(true, Ordering::Relaxed);
        client.join().expect("it does not panic")?;
        measured
    })?;
    let client = client::restarted(rig, rounds, run)?;
    Ok([over, restarted, killed, client])
}

fn in_turns(rig: &mut Rig, gaps: &Receiver<f64>, rounds: usize, run: &Run) -> Result<[Samples; 3]> {
    let [mut over, mut restarted, mut killed] = [(); 3].map(|()| Samples::default());
    let gap = || {
        let gap = gaps.recv_timeout(FRAME);
        thread::sleep(STEADY);
        gap.context("no frame of the next daemon")
    };
    thread::sleep(STEADY);
    for _ in 0..rounds {
        rig.stop_daemon()?;
        rig.start_daemon()?;
        restarted.push(gap()?);
        run.step();
        rig.kill_daemon()?;
        rig.start_daemon()?;
        killed.push(gap()?);
        run.step();
        let successor: Successor = rig.control()?.call::<Upgrade>(&())?;
        let heir = ProcessId::of(successor.pid).context("it has ended")?;
        over.push(gap()?);
        let status = rig.take_daemon()?.running().wait(Deadline::seconds(30))?;
        ensure!(status.success(), "{status}");
        run.step();
        // The next round has a daemon of its own.
        heir.signal(Signal::TERM)?;
        ensure!(heir.wait_end(Deadline::seconds(30))?, "it does not end");
        rig.start_daemon()?;
        gap()?;
    }
    Ok([over, restarted, killed])
}

/// Takes frames until it is over, and sends the milliseconds of each gap.
fn takes(mut cam: Reattaching, gaps: &Sender<f64>, is_over: &AtomicBool) -> Result<()> {
    let mut last = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        match cam.buffer_get(Timeout::millis(100)) {
            Ok(Next::Buffer(_)) => last = Instant::now(),
            Ok(Next::Resumed(..)) => {
                let gap = last.elapsed().as_secs_f64() * 1e3;
                last = Instant::now();
                // The measurement may have ended.
                let _ = gaps.send(gap);
            }
            Err(Error::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
