//! P31: the last packet of a line → its reader, another process that waits for so many lines, has them.
//!
//! The packets, the wire and the process are those of P18. It takes one frame when it has ended, and of the next one the
//! lines while the rest is received, in turns: the reference is P18 itself.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::SpecDocument;
use onair_stage::{Raster, Rig, receive};
use rustix::process::setpriority_process;

use super::source::{FrameSource, SentFrame};
use super::{PRIORITY, UDP, WARM_UP};
use crate::load::frame_consumer::{self, TakenFrame};
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::rig;
use crate::run::Run;

/// What may be added to the wake of a client that waits for a frame.
const RATIO: f64 = 1.2;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let frames = run.either(1800, 240);
    let mut rows = vec![];
    for idle in ["adaptive", "busy"] {
        let variant = format!("{idle} poller");
        run.case(&variant, frames);
        let mut rig = rig::from_the_kernel(idle)?;
        let done = rig.start_daemon().and_then(|()| taken(&rig, frames, run));
        let (lines, frames) = rig.end(done)?;
        let name = format!("last packet of a line → its reader, {variant}");
        let row = Row::of("P31", name, "µs", &lines)
            .beside(
                "P18: last packet of a frame → its consumer",
                &lines,
                &frames,
            )
            .pinned("the poller on the last core, sender and reader where the kernel puts them");
        rows.push(row.target(format!("p50 ≤ {RATIO} ×"), |it| it.ratio_at_most(RATIO)));
    }
    Ok(rows)
}

/// What it took until lines were had, and until frames were.
fn taken(rig: &Rig, frames: usize, run: &Run) -> Result<(Samples, Samples)> {
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        quota: Some(8),
        ..receive("in", Raster::HD, UDP)
    })?;
    let socket = rig.stage().inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect(("10.77.0.2", UDP))?;
        Ok(socket)
    })?;
    let mut source = FrameSource::new(socket)?;
    let lines = source.lines();
    let more = ["--lines", &lines.to_string()];
    let consumer = frame_consumer::start(rig.stage(), &rig.attach_socket(), "in", &more)?;
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| -> Result<Vec<SentFrame>> {
            setpriority_process(None, PRIORITY).context("raising the sender's priority")?;
            let next = |_| {
                run.step();
                source.send()
            };
            (0..frames + WARM_UP).map(next).collect()
        });
        sender.join().expect("it does not panic")
    })?;
    std::thread::sleep(Duration::from_millis(200));
    control.stop("in")?;
    times(&sent[WARM_UP..], &consumer.taken()?.frames, lines)
}

fn times(sent: &[SentFrame], taken: &[TakenFrame], lines: u32) -> Result<(Samples, Samples)> {
    let sent_at: HashMap<_, _> = sent.iter().map(|it| (it.timestamp, it)).collect();
    let (mut of_lines, mut of_frames) = (Samples::default(), Samples::default());
    for frame in taken {
        let Some(sent) = sent_at.get(&frame.timestamp) else {
            continue;
        };
        if frame.open_lines >= lines {
            of_lines.push(micros(frame.taken_ns.saturating_sub(sent.line_ns)));
        } else if frame.is_complete {
            of_frames.push(micros(frame.taken_ns.saturating_sub(sent.last_packet_ns)));
        }
    }
    ensure!(
        of_lines.len().min(of_frames.len()) > sent.len() / 4,
        "{} and {} of {} frames were taken in time: too few to tell a latency",
        of_lines.len(),
        of_frames.len(),
        sent.len()
    );
    Ok((of_lines, of_frames))
}
