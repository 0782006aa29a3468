//! P18: the last packet of a frame → its consumer, another process, has the frame.
//!
//! A UDP socket of the kernel at one end of a veth pair sends 1280×720p60; the daemon receives at the
//! other end over AF_XDP. The time begins before the system call that sends the last packet. It stands
//! beside what the kernel itself needs for one datagram to a process that waits in `recv`: the same
//! sender sends it between two frames, to another thread of the same consumer. With an `adaptive` and
//! with a `busy` poller, on a quiet machine and beside a busy process on each core.

mod source;

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::SpecDocument;
use onair_ipc::sys;
use onair_stage::{Raster, Rig, receive};
use rustix::process::setpriority_process;

use crate::load::busy_core;
use crate::load::frame_consumer::{self, Taken};
use crate::result::row::Row;
use crate::result::samples::{Samples, float, micros};
use crate::rig;
use crate::run::Run;
use source::{FRAME_TIME, FrameSource, SentFrame};

const UDP: u16 = 5004;
/// Frames before the first that counts.
const WARM_UP: usize = 30;
/// Of the sender, as that of the pollers: a NIC is not held up by other processes.
const PRIORITY: i32 = -20;
const TEN_MINUTES: usize = 600 * 60;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let frames = if run.is_long() {
        TEN_MINUTES
    } else {
        run.either(900, 120)
    };
    let mut rows = vec![];
    for idle in ["adaptive", "busy"] {
        for is_loaded in [false, true] {
            rows.extend(one(idle, is_loaded, frames, run)?);
        }
    }
    Ok(rows)
}

/// What was sent: frames, and datagrams by number.
struct Sent {
    frames: Vec<SentFrame>,
    datagrams: Vec<u64>,
}

fn one(idle: &str, is_loaded: bool, frames: usize, run: &Run) -> Result<Vec<Row>> {
    let load = if is_loaded {
        "a busy process a core"
    } else {
        "quiet"
    };
    let variant = format!("{idle} poller, {load}");
    run.case(&variant, frames);
    let mut rig = rig::from_the_kernel(idle)?;
    let done = rig
        .start_daemon()
        .and_then(|()| frames_of(&rig, is_loaded, frames, run));
    let (sent, taken) = rig.end(done)?;
    rows(&variant, &sent, &taken)
}

fn frames_of(rig: &Rig, is_loaded: bool, frames: usize, run: &Run) -> Result<(Sent, Taken)> {
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        quota: Some(8),
        ..receive("in", Raster::HD, UDP)
    })?;
    let consumer =
        frame_consumer::start(rig.stage(), &rig.attach_socket(), "in", &["--datagrams"])?;
    let beside = consumer.datagrams.context("it waits for datagrams")?;
    let socket = |to: SocketAddr| {
        rig.stage().inside(move || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(to)?;
            Ok(socket)
        })
    };
    let (frame_socket, datagrams) = (socket(([10, 77, 0, 2], UDP).into())?, socket(beside)?);
    let load = match is_loaded {
        true => busy_core::on_each(rig.stage())?,
        false => vec![],
    };
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(frame_socket, &datagrams, frames, run));
        sender.join().expect("it does not panic")
    })?;
    drop(load);
    control.stop("in")?;
    Ok((sent, consumer.taken()?))
}

fn send(frames: UdpSocket, datagrams: &UdpSocket, count: usize, run: &Run) -> Result<Sent> {
    setpriority_process(None, PRIORITY).context("raising the sender's priority")?;
    let mut source = FrameSource::new(frames)?;
    let mut sent = Sent {
        frames: vec![],
        datagrams: vec![],
    };
    for number in 0..count + WARM_UP {
        sent.frames.push(source.send()?);
        // The frame has been taken by then, and the consumer sleeps.
        std::thread::sleep(FRAME_TIME / 20);
        sent.datagrams.push(sys::monotonic_ns());
        datagrams.send(&(number as u64).to_le_bytes())?;
        run.step();
    }
    std::thread::sleep(Duration::from_millis(200));
    Ok(sent)
}

fn rows(variant: &str, sent: &Sent, taken: &Taken) -> Result<Vec<Row>> {
    let sent_at: HashMap<_, _> = sent
        .frames
        .iter()
        .skip(WARM_UP)
        .map(|frame| (frame.timestamp, frame.last_packet_ns))
        .collect();
    let mut whole = Samples::default();
    for frame in taken.frames.iter().filter(|frame| frame.is_complete) {
        if let Some(sent_ns) = sent_at.get(&frame.timestamp) {
            whole.push(micros(frame.taken_ns.saturating_sub(*sent_ns)));
        }
    }
    let datagrams = taken.datagrams.iter().filter_map(|(number, taken_ns)| {
        let number = usize::try_from(*number).ok()?;
        let sent_ns = sent.datagrams.get(number).filter(|_| number >= WARM_UP)?;
        Some(micros(taken_ns.saturating_sub(*sent_ns)))
    });
    let datagrams: Samples = datagrams.collect();
    let frames = sent_at.len();
    ensure!(
        2 * whole.len() > frames,
        "{} of {frames} frames came whole: too few to tell a latency",
        whole.len()
    );
    let missing = 100.0 * float((frames - whole.len()) as u64) / float(frames as u64);
    let missing = Samples::from_iter([missing]);
    let pinned = "the poller on the last core, sender and consumer where the kernel puts them";
    const DATAGRAM: &str = "the kernel: one datagram → recv returns";
    Ok(vec![
        Row::of(
            "P18",
            format!("last packet → consumer, {variant}"),
            "µs",
            &whole,
        )
        .beside(DATAGRAM, &whole, &datagrams)
        .pinned(pinned)
        .ratio_at_most(1.1),
        Row::of(
            "P18",
            format!("frames not complete, {variant}"),
            "%",
            &missing,
        )
        .pinned(pinned)
        .none(),
    ])
}
