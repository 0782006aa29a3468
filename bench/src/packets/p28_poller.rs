//! P28: processor time of an adaptive poller that chooses its sleeps by itself, beside the best of the times set by
//! hand with which as little is lost, and the frames that it loses.
//!
//! A UDP socket of the kernel at one end of a veth pair sends; the daemon receives at the other end over AF_PACKET.
//! Each step is taken in turns: as the poller chooses, then with each of the times.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use onair_stage::{Backend, Config, Control, Deadline, End, Raster, Rig, Stage, Veth};
use onair_stage::{cpu_time, receive, threads_named};
use rustix::process::setpriority_process;

use crate::load::frame_source::FrameSource;
use crate::place;
use crate::result::row::Row;
use crate::result::samples::Samples;
use crate::run::Run;

const UDP: u16 = 5004;
/// Of the sender, as that of the poller: a NIC is not held up by other processes.
const PRIORITY: i32 = -20;
/// Packets that a sender of the type `wide` may send without a pause.
const GROUP: usize = 4;
/// Frames a second, and flows.
const STEPS: [(u32, u16); 4] = [(25, 1), (50, 1), (60, 1), (25, 4)];
/// Keys of the poller: what it was without a word before it chose by itself, and better ones for these steps.
const BY_HAND: [&str; 4] = [
    "spin_us = 20\nnap_us = 1000\n",
    "spin_us = 0\nnap_us = 100\n",
    "spin_us = 0\nnap_us = 300\n",
    "spin_us = 0\nnap_us = 1000\n",
];
/// After so long without a packet a frame is closed.
const UNIT_ENDS: Duration = Duration::from_millis(300);
const TARGET: f64 = 1.2;
const IDLE_PERCENT: f64 = 0.1;

/// Of one step with one setting.
#[derive(Default)]
struct Seen {
    /// Percent of a core.
    used: Samples,
    sent: u64,
    lost: u64,
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let mut rig = rig()?;
    let rows = rows(&mut rig, run);
    rig.end(rows)
}

/// A port `b` on AF_PACKET at one end of a veth pair, whose other end is the kernel's. The daemon is not started yet.
fn rig() -> Result<Rig> {
    let stage = Stage::open("bench")?;
    let kernel = End {
        name: "va",
        address: Some("10.77.0.1/24"),
    };
    stage.veth(&Veth {
        a: kernel,
        ..Veth::bare("va", "vb")
    })?;
    let mut config = Config::pair(Backend::AfPacket);
    config.ports.retain(|port| port.name == "b");
    Ok(Rig::new(stage, config))
}

fn rows(rig: &mut Rig, run: &Run) -> Result<Vec<Row>> {
    let mut rows = vec![idle(rig, run)?];
    let rounds = run.either(3, 1);
    for (rate, flows) in STEPS {
        let step = match flows {
            1 => format!("720p{rate}"),
            _ => format!("{flows} × 720p{rate}"),
        };
        run.case(&step, rounds * (1 + BY_HAND.len()));
        let (mut own, mut others) = (Seen::default(), BY_HAND.map(|_| Seen::default()));
        for _ in 0..rounds {
            one(rig, "", (rate, flows), &mut own)?;
            run.step();
            for (keys, seen) in BY_HAND.iter().zip(&mut others) {
                one(rig, keys, (rate, flows), seen)?;
                run.step();
            }
        }
        rows.push(row(&step, &own, &others));
    }
    Ok(rows)
}

/// The row of a step.
fn row(step: &str, own: &Seen, others: &[Seen; BY_HAND.len()]) -> Row {
    let by_hand = BY_HAND.iter().zip(others);
    let told: Vec<_> = by_hand
        .clone()
        .map(|(keys, seen)| {
            let keys = keys.trim().replace('\n', ", ");
            let used = seen.used.ranks().median();
            format!("{keys}: {used:.1} %, {} lost", seen.lost)
        })
        .collect();
    let fewest = others.iter().map(|it| it.lost).min().unwrap_or(0);
    let without_loss = by_hand.filter(|(_, seen)| seen.lost == fewest);
    let used = |seen: &Seen| seen.used.ranks().median();
    let best = without_loss.min_by(|(_, one), (_, other)| used(one).total_cmp(&used(other)));
    let (_, best) = best.expect("one has the fewest");
    Row::of("P28", step, "% of a core", &own.used)
        .beside("the best times set by hand", &own.used, &best.used)
        .target(format!("≤ {TARGET} ×, no frame lost"), |row| {
            row.ratio_at_most(TARGET) && own.lost == 0
        })
        .pinned(format!(
            "the poller on the last core, senders on the first; {} of {} frames lost; {}",
            own.lost,
            own.sent,
            told.join("; ")
        ))
}

/// A port on which nothing comes.
fn idle(rig: &mut Rig, run: &Run) -> Result<Row> {
    let rounds = run.either(5, 2);
    run.case("an idle port", rounds);
    start(rig, "")?;
    let poller = poller(rig)?;
    let mut used = Samples::default();
    for _ in 0..rounds {
        used.push(percent(poller, || {
            thread::sleep(Duration::from_secs(1));
            Ok(())
        })?);
        run.step();
    }
    stop(rig)?;
    Ok(
        Row::of("P28", "a port without packets", "% of a core", &used)
            .pinned("the poller on the last core")
            .target(format!("≤ {IDLE_PERCENT} %"), |row| {
                row.value.is_some_and(|it| it <= IDLE_PERCENT)
            }),
    )
}

fn start(rig: &mut Rig, keys: &str) -> Result<()> {
    keys.clone_into(&mut rig.config.poller_keys);
    rig.start_daemon()
}

fn stop(rig: &mut Rig) -> Result<()> {
    rig.take_daemon()?.stop(Deadline::seconds(30)).map(drop)
}

/// The poller: process and thread.
fn poller(rig: &mut Rig) -> Result<(u32, u32)> {
    let pid = rig.daemon()?.pid();
    let tid = threads_named(pid, "onair-p0")?.first().copied();
    Ok((pid, tid.context("it runs")?))
}

/// What the poller uses during `what`.
fn percent((pid, tid): (u32, u32), what: impl FnOnce() -> Result<()>) -> Result<f64> {
    let (before, start) = (cpu_time(pid, tid)?, Instant::now());
    what()?;
    let used = cpu_time(pid, tid)?.saturating_sub(before);
    Ok(100.0 * used.as_secs_f64() / start.elapsed().as_secs_f64())
}

/// A second of a step.
fn one(rig: &mut Rig, keys: &str, (rate, flows): (u32, u16), seen: &mut Seen) -> Result<()> {
    start(rig, keys)?;
    let result = second(rig, Raster::new(1280, 720, rate, 10), flows, seen);
    stop(rig)?;
    result
}

fn second(rig: &mut Rig, raster: Raster, flows: u16, seen: &mut Seen) -> Result<()> {
    let mut control = rig.control()?;
    for flow in 0..flows {
        control.create(&receive(&format!("in{flow}"), raster, UDP + flow))?;
    }
    let (poller, frames) = (poller(rig)?, u64::from(raster.rate));
    let sockets: Vec<_> = (0..flows)
        .map(|flow| {
            rig.stage().inside(move || {
                let socket = UdpSocket::bind("0.0.0.0:0")?;
                socket.connect(("10.77.0.2", UDP + flow))?;
                Ok(socket)
            })
        })
        .collect::<Result<_>>()?;
    let core = *place::cores()?.first().context("no core")?;
    let used = percent(poller, || {
        thread::scope(|scope| {
            let sender = |socket| scope.spawn(move || send(socket, raster, frames, core));
            let senders: Vec<_> = sockets.into_iter().map(sender).collect();
            let mut ended = senders.into_iter().map(|it| it.join().expect("no panic"));
            ended.try_for_each(|it| it)
        })
    })?;
    seen.used.push(used);
    let all = frames * u64::from(flows);
    let whole = whole_frames(&mut control, flows)?;
    seen.sent += all;
    seen.lost += all - whole;
    Ok(())
}

fn send(socket: UdpSocket, raster: Raster, frames: u64, core: usize) -> Result<()> {
    place::pin(core)?;
    setpriority_process(None, PRIORITY).context("raising the sender's priority")?;
    let mut source = FrameSource::new(socket, raster, GROUP)?;
    (0..frames).try_for_each(|_| source.send().map(drop))
}

/// Whole frames of all sessions, after the last one has ended.
fn whole_frames(control: &mut Control, flows: u16) -> Result<u64> {
    thread::sleep(UNIT_ENDS);
    let frames = |flow| Ok(control.show(format!("in{flow}"))?.counters.frames_complete);
    (0..flows).map(frames).sum()
}
