//! P19: a client submits a frame → a client of another session, in another process, has it: 1280×720,
//! over AF_XDP and a veth pair. Beside a GStreamer pipeline with RTP of the same format over the
//! loopback device, in turns.
//!
//! One frame at a time is under way, at changing phases of the frame time. OnAir waits for the next frame time and
//! spreads the packets over it, as ST 2110-21 demands; `udpsink` sends them at once. A frame that is submitted whole so
//! takes half a frame time and one more, which its parts show. One that is sent while the client fills it, as a camera or
//! an encoder does, at the rate of its frame time, is whole at the other end soon after it is whole here.

mod gstreamer;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Session, Timeout};
use onair_api::{Source, SpecDocument};
use onair_ipc::sys;
use onair_stage::{Raster, Rig, receive, send};
use rustix::process::setpriority_process;

use crate::load::frame_consumer::{self, TakenFrame};
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::rig;
use crate::run::Run;

const UDP: u16 = 5004;
/// Of what fills frames, as that of the pollers.
const PRIORITY: i32 = -20;
/// Frames of a turn, each way.
const TURN: usize = 40;
/// In which a frame is filled: most of a frame time.
const FILL_TIME: Duration = Duration::from_millis(16);
/// It is filled in so many parts.
const PARTS: u32 = 48;
/// What it is filled with; no time of this machine's.
const FILLED: u8 = 0x80;
/// At least from one frame to the next …
const PAUSE: Duration = Duration::from_millis(40);
/// … and as much more as makes it this part of a frame time of 60 frames a second, in turn.
const PHASES: [u64; 5] = [3, 11, 7, 15, 0];

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let mut rig = rig::cables(|_| {})?;
    let done = rig.start_daemon().and_then(|()| turns(&rig, run));
    let Turns {
        whole: ours,
        filled,
        theirs,
    } = rig.end(done)?;
    let part = |of: fn(&TakenFrame) -> u64| ours.iter().map(|it| micros(of(it))).collect();
    let whole: Samples = part(|it| it.taken_ns.saturating_sub(it.stamp));
    let to_client: Samples = part(|it| it.taken_ns.saturating_sub(it.last_packet_ns));
    const PEER: &str = "GStreamer, in one process: rtpvrawpay ! udpsink → udpsrc ! rtpvrawdepay";
    const WHERE: &str = "the poller on the last core, the rest where the kernel puts it";
    let row = |variant, samples| Row::of("P19", variant, "µs", samples).pinned(WHERE);
    Ok(vec![
        row("the last line is filled → get, 1280x720p60", &filled)
            .beside(PEER, &filled, &theirs)
            .ratio_at_most(1.0),
        row("submitted whole → get, 1280x720p60", &whole)
            .beside(PEER, &whole, &theirs)
            .part(),
        row("of it last packet → get", &to_client)
            .target("p50 ≤ 200 µs", |row| row.p50_at_most(200.0)),
    ])
}

/// What was measured.
struct Turns {
    /// Frames that were submitted whole.
    whole: Vec<TakenFrame>,
    /// From the last line until the frame was had, in µs, of frames that were sent while they were filled.
    filled: Samples,
    theirs: Samples,
}

/// Fills the frames of a turn, as a process that others do not hold up; when each was whole.
fn fill_all(producer: &Session) -> Result<Vec<u64>> {
    setpriority_process(None, PRIORITY).context("raising the producer's priority")?;
    let phases = PHASES.into_iter().cycle().take(TURN);
    let filled = phases.map(|phase| {
        let whole_ns = fill(producer)?;
        std::thread::sleep(PAUSE - FILL_TIME + Duration::from_millis(phase));
        Ok(whole_ns)
    });
    filled.collect()
}

/// Fills a frame that is sent meanwhile, at an even rate; when it was whole.
fn fill(producer: &Session) -> Result<u64> {
    let mut frame = producer
        .buffer_get_mut(Timeout::millis(5_000))?
        .submit_open()?;
    let begin = Instant::now();
    let lines = frame.len() / Raster::HD.height as usize;
    for part in 1..=PARTS {
        std::thread::sleep(
            (begin + FILL_TIME * part / PARTS).saturating_duration_since(Instant::now()),
        );
        let line = Raster::HD.height / PARTS * part;
        let bytes = Raster::HD.height / PARTS * (part - 1);
        frame[bytes as usize * lines..line as usize * lines].fill(FILLED);
        frame.lines_ready(line);
    }
    let whole_ns = sys::monotonic_ns();
    frame.finish()?;
    Ok(whole_ns)
}

fn turns(rig: &Rig, run: &Run) -> Result<Turns> {
    let mut control = rig.control()?;
    control.create(&receive("in", Raster::HD, UDP))?;
    control.create(&SpecDocument {
        quota: Some(4),
        ..send("out", Raster::HD, UDP, Source::Client)
    })?;
    let consumer = frame_consumer::start(rig.stage(), &rig.attach_socket(), "in", &[])?;
    let producer = Client::at(rig.attach_socket()).attach("out")?;
    let turns = run.either(6, 1);
    run.case("1280x720p60, beside GStreamer", turns);
    let (mut theirs, mut filled_ns) = (Samples::default(), vec![]);
    for _ in 0..turns {
        for phase in PHASES.into_iter().cycle().take(TURN) {
            let mut frame = producer.buffer_get_mut(Timeout::millis(5_000))?;
            let stamp = frame.first_chunk_mut().context("a frame of 8 bytes")?;
            *stamp = sys::monotonic_ns().to_le_bytes();
            frame.submit()?;
            std::thread::sleep(PAUSE + Duration::from_millis(phase));
        }
        let filled = std::thread::scope(|scope| {
            let filling = scope.spawn(|| fill_all(&producer));
            filling.join().expect("it does not panic")
        })?;
        filled_ns.extend(filled);
        for time in gstreamer::turn(rig.stage(), TURN)? {
            theirs.push(time);
        }
        run.step();
    }
    control.stop("in")?;
    let mut frames = consumer.taken()?.frames;
    frames.retain(|frame| frame.is_complete);
    let is_filled = |it: &mut TakenFrame| it.stamp == u64::from_le_bytes([FILLED; 8]);
    let of_filled: Vec<_> = frames.extract_if(.., is_filled).collect();
    for (what, came) in [("whole", &frames), ("filled", &of_filled)] {
        let (came, all) = (came.len(), turns * TURN);
        ensure!(came > all / 2, "{came} of {all} {what} frames came whole");
    }
    // One at a time is under way: the last one that was whole before it came.
    let filled = of_filled.iter().filter_map(|it| {
        let before = filled_ns.partition_point(|ns| *ns <= it.taken_ns);
        Some(micros(it.taken_ns - filled_ns.get(before.checked_sub(1)?)?))
    });
    Ok(Turns {
        filled: filled.collect(),
        whole: frames,
        theirs,
    })
}
