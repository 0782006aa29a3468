//! P29: processor time of a frame of 1080p59.94 through `onairctl pipe`, at both ends of the pipe, beside a pipe
//! through which a thread writes as many bytes.
//!
//! Writers and readers share the first core; the poller, which also sends, has the last one. A frame time is the limit:
//! with more, one core does not do.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{Picture, PixelFormat};
use onair_api::Source;
use onair_essence::video::{Depth, Sampling};
use onair_stage::{
    Control, Deadline, OfVideo as _, Raster, Rig, Running, cpu_time, program, receive, send,
    threads, wait_for,
};

use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig;
use crate::run::Run;

const RATE: &str = "60000/1001";
const FRAME_TIME_MS: f64 = 1001.0 / 60.0;
const UDP: u16 = 5004;
const TIMEOUT_S: u64 = 20;
/// What a reader reads at once.
const READ_BYTES: usize = 1 << 20;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let rig = rig::rings()?;
    let row = row(run, &rig);
    Ok(vec![rig.end(row)?])
}

fn row(run: &Run, rig: &Rig) -> Result<Row> {
    let core = *place::cores()?.first().context("no core")?;
    let mut control = rig.control()?;
    let raster = Raster::new(1920, 1080, 60, 10);
    for mut spec in [
        receive("in", raster, UDP),
        send("out", raster, UDP, Source::Pattern),
    ] {
        RATE.clone_into(&mut spec.format.video_mut().frame_rate);
        control.create(&spec)?;
    }
    control.stop("out")?;
    // Only threads of its own are pinned; the child has the core of the thread that starts it.
    let mut raw = thread::spawn(move || RawPipe::open(core))
        .join()
        .expect("no panic")?;
    let mut piped = thread::scope(|scope| {
        scope
            .spawn(|| Piped::open(rig, core))
            .join()
            .expect("no panic")
    })?;
    wait_for("its client", TIMEOUT_S, || {
        Ok(!control.show("in")?.attachments.is_empty())
    })?;
    let rounds = run.of(10).max(3);
    run.case("frames through onairctl pipe", rounds);
    let (mut ours, mut reference) = (Samples::default(), Samples::default());
    for round in 0..=rounds {
        let (frames, spent) = piped.window(&mut control)?;
        let written = raw.window(frames)?;
        // The first one has the header and the first touch of memory.
        if round > 0 {
            ours.push(spent);
            reference.push(written);
            run.step();
        }
    }
    let lost = piped.end()?;
    let row = Row::of(
        "P29",
        "1920x1080p59.94, 10 bit as v210 in NUT, of a frame",
        "ms",
        &ours,
    )
    .beside("a pipe of as many bytes", &ours, &reference)
    .pinned(format!(
        "both ends on core {core}, the poller on the last; {lost} frames lost"
    ));
    Ok(
        row.target("≤ a frame time, 16.68 ms; no frame lost", |row| {
            row.p99_at_most(FRAME_TIME_MS) && lost == 0
        }),
    )
}

fn frame_bytes() -> Result<usize> {
    let picture = Picture::new(1920, 1080, Sampling::YCbCr422, Depth::Ten);
    Ok(PixelFormat::V210
        .planes(&picture.context("whole groups")?)
        .bytes)
}

fn tid() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs()
}

/// A thread that reads from a pipe and counts.
struct Reader {
    tid: u32,
    read: Arc<AtomicU64>,
}

impl Reader {
    /// Of a pipe that takes a frame, as `onairctl pipe` has it, if the user may have so many.
    fn of(pipe: OwnedFd, core: usize) -> Result<Self> {
        let _ = rustix::pipe::fcntl_setpipe_size(&pipe, frame_bytes()?);
        let read = Arc::new(AtomicU64::new(0));
        let (count, (told, tid)) = (Arc::clone(&read), channel());
        thread::spawn(move || -> Result<()> {
            place::pin(core)?;
            told.send(self::tid())?;
            let (mut pipe, mut bytes) = (File::from(pipe), vec![0; READ_BYTES]);
            loop {
                match pipe.read(&mut bytes)? {
                    0 => return Ok(()),
                    more => count.fetch_add(more as u64, Ordering::Relaxed),
                };
            }
        });
        let tid = tid.recv().context("the reader has a core")?;
        Ok(Self { tid, read })
    }

    fn bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn used(&self) -> Result<Duration> {
        cpu_time(std::process::id(), self.tid)
    }
}

/// Milliseconds for each of so many frames.
fn each(used: Duration, frames: u64) -> f64 {
    used.as_secs_f64() * 1e3 / float(frames)
}

/// `onairctl pipe`, and its reader.
struct Piped {
    child: Running,
    reader: Reader,
}

impl Piped {
    fn open(rig: &Rig, core: usize) -> Result<Self> {
        place::pin(core)?;
        let mut child = rig
            .stage()
            .command(program("onairctl")?)
            .args(["--json", "pipe", "in"])
            .env("ONAIR_ATTACH", rig.attach_socket())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting onairctl pipe")?;
        let frames = child.stdout.take().context("its frames")?;
        Ok(Self {
            child: Running::new("onairctl pipe", child)?,
            reader: Reader::of(frames.into(), core)?,
        })
    }

    fn used(&self) -> Result<Duration> {
        let pid = self.child.pid();
        let child: Result<Duration> = threads(pid)?.into_iter().map(|it| cpu_time(pid, it)).sum();
        Ok(child? + self.reader.used()?)
    }

    /// Has the session's frames come for a while: how many, and what each took.
    fn window(&mut self, control: &mut Control) -> Result<(u64, f64)> {
        let (before, read) = (self.used()?, self.reader.bytes());
        control.start("out")?;
        thread::sleep(Duration::from_secs(1));
        control.stop("out")?;
        let mut now = read;
        wait_for("the last frames", TIMEOUT_S, || {
            let last = std::mem::replace(&mut now, self.reader.bytes());
            thread::sleep(Duration::from_millis(50));
            Ok(last == now && self.reader.bytes() == now)
        })?;
        let frames = (now - read) / frame_bytes()? as u64;
        ensure!(frames > 0, "onairctl pipe gave no frame");
        Ok((frames, each(self.used()? - before, frames)))
    }

    /// Frames that it or its reader was too slow for.
    fn end(mut self) -> Result<u64> {
        let said = self.child.child().stderr.take().context("its summary")?;
        self.child.signal(rustix::process::Signal::INT)?;
        self.child.wait(Deadline::seconds(TIMEOUT_S))?;
        let summary: serde_json::Value = serde_json::from_str(&io::read_to_string(said)?)?;
        let count = |name: &str| summary[name].as_u64().with_context(|| format!("no {name}"));
        Ok(count("lost_frames")? + count("missed_buffers")?)
    }
}

/// A thread that writes frames into a pipe when asked to, and the reader of it.
struct RawPipe {
    wanted: Sender<u64>,
    written: Receiver<()>,
    writer: u32,
    reader: Reader,
    bytes: u64,
    asked: u64,
}

impl RawPipe {
    fn open(core: usize) -> Result<Self> {
        let bytes = frame_bytes()?;
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let reader = Reader::of(read, core)?;
        let ((wanted, frames), (told, tid), (done, written)) = (channel(), channel(), channel());
        thread::spawn(move || -> Result<()> {
            place::pin(core)?;
            told.send(self::tid())?;
            let (mut pipe, frame) = (File::from(write), vec![0x55; bytes]);
            for count in frames {
                for _ in 0..count {
                    pipe.write_all(&frame)?;
                }
                done.send(())?;
            }
            Ok(())
        });
        let writer = tid.recv().context("the writer has a core")?;
        let bytes = bytes as u64;
        let asked = 0;
        Ok(Self {
            wanted,
            written,
            writer,
            reader,
            bytes,
            asked,
        })
    }

    fn used(&self) -> Result<Duration> {
        Ok(cpu_time(std::process::id(), self.writer)? + self.reader.used()?)
    }

    /// Passes so many frames: what each took.
    fn window(&mut self, frames: u64) -> Result<f64> {
        let before = self.used()?;
        self.wanted.send(frames)?;
        self.written.recv()?;
        self.asked += frames * self.bytes;
        wait_for("the last bytes", TIMEOUT_S, || {
            Ok(self.reader.bytes() == self.asked)
        })?;
        Ok(each(self.used()? - before, frames))
    }
}
