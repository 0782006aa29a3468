//! P19: a client submits a frame → a client of another session, in another process, has it: 1280×720,
//! over AF_XDP and a veth pair. Beside a GStreamer pipeline with RTP of the same format over the
//! loopback device, in turns.
//!
//! One frame at a time is under way, submitted at changing phases of the frame time. OnAir waits for
//! the next frame time and spreads the packets over it, as ST 2110-21 demands; `udpsink` sends them at
//! once. So the time is shown in its parts, too.

mod gstreamer;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Timeout};
use onair_api::{Source, SpecDocument};
use onair_ipc::sys;
use onair_stage::{Raster, Rig, receive, send};

use crate::load::frame_consumer::{self, TakenFrame};
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::rig;
use crate::run::Run;

const UDP: u16 = 5004;
/// Frames of a turn, each way.
const TURN: usize = 40;
/// At least from one frame to the next …
const PAUSE: Duration = Duration::from_millis(40);
/// … and as much more as makes it this part of a frame time of 60 frames a second, in turn.
const PHASES: [u64; 5] = [3, 11, 7, 15, 0];

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let mut rig = rig::cables(|_| {})?;
    let done = rig.start_daemon().and_then(|()| turns(&rig, run));
    let (ours, theirs) = rig.end(done)?;
    let part = |of: fn(&TakenFrame) -> u64| ours.iter().map(|it| micros(of(it))).collect();
    let whole: Samples = part(|it| it.taken_ns.saturating_sub(it.stamp));
    let to_first: Samples = part(|it| it.first_packet_ns.saturating_sub(it.stamp));
    let wire: Samples = part(|it| it.last_packet_ns.saturating_sub(it.first_packet_ns));
    let to_client: Samples = part(|it| it.taken_ns.saturating_sub(it.last_packet_ns));
    const PEER: &str = "GStreamer, in one process: rtpvrawpay ! udpsink → udpsrc ! rtpvrawdepay";
    const WHERE: &str = "the poller on the last core, the rest where the kernel puts it";
    let row = |variant, samples| Row::of("P19", variant, "µs", samples).pinned(WHERE);
    Ok(vec![
        row("submit → get, 1280x720p60", &whole)
            .beside(PEER, &whole, &theirs)
            .part(),
        row("of it until the first packet came", &to_first)
            .limit("half a frame time, the mean wait for the next", 8_333.0)
            .ratio_at_most(1.1),
        row("of it first → last packet, paced", &wire)
            .limit("a frame time", 16_667.0)
            .ratio_at_most(1.05),
        row("of it last packet → get", &to_client)
            .target("p50 ≤ 200 µs", |row| row.p50_at_most(200.0)),
    ])
}

fn turns(rig: &Rig, run: &Run) -> Result<(Vec<TakenFrame>, Samples)> {
    let mut control = rig.control()?;
    control.create(&receive("in", Raster::HD, UDP))?;
    control.create(&SpecDocument {
        quota: Some(4),
        ..send("out", Raster::HD, UDP, Source::Client)
    })?;
    let consumer = frame_consumer::start(rig.stage(), &rig.attach_socket(), "in", false)?;
    let producer = Client::at(rig.attach_socket()).attach("out")?;
    let turns = run.either(6, 1);
    run.case("1280x720p60, beside GStreamer", turns);
    let mut theirs = Samples::default();
    for _ in 0..turns {
        for phase in PHASES.into_iter().cycle().take(TURN) {
            let mut frame = producer.buffer_get_mut(Timeout::millis(5_000))?;
            let stamp = frame.first_chunk_mut().context("a frame of 8 bytes")?;
            *stamp = sys::monotonic_ns().to_le_bytes();
            frame.submit()?;
            std::thread::sleep(PAUSE + Duration::from_millis(phase));
        }
        for time in gstreamer::turn(rig.stage(), TURN)? {
            theirs.push(time);
        }
        run.step();
    }
    control.stop("in")?;
    let mut frames = consumer.taken()?.frames;
    frames.retain(|frame| frame.is_complete);
    ensure!(
        frames.len() > turns * TURN / 2,
        "{} of {} frames came whole",
        frames.len(),
        turns * TURN
    );
    Ok((frames, theirs))
}
