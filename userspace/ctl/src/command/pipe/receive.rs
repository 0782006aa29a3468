//! From the session to the other program.
//!
//! The main thread takes frames, copies them and returns them at once; another thread writes. A frame for which no
//! buffer is free is lost: the session never waits for the reader.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use indicatif::ProgressBar;
use onair::{Ended, Error, FrameOf, Gap, Lender, Next, PipeWriter, Reattaching, Session, Timeout};

use super::ending::{Ending, Told, Why, failed};
use super::target::{Target, wait_for_close};
use super::{Counts, Flow};
use crate::failure::pipe::PipeFailure;
use crate::render::printable;

/// Frames between the session and the reader, besides those in the kernel.
const BUFFERS: usize = 8;
/// How long the reader may take for what is under way at the end.
pub(super) const LAST_WRITE: Duration = Duration::from_secs(1);

/// Between two looks for an end, while no frame comes from a session that is to come back.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// Passes frames on. Returns why it ended.
pub(super) fn run(flow: Flow, again: Option<Reattaching>, ends: &Receiver<Told>) -> Why {
    let (full, from_session) = channel();
    let (back, free) = channel();
    let (finished, writer_ended) = channel::<()>();
    (0..BUFFERS).for_each(|_| drop(back.send(Vec::new())));
    let writer = PipeWriter::new(flow.format);
    let output = Output {
        header: writer.header(),
        frame_bytes: flow.format.frame_bytes(),
        frames: from_session,
        free: back,
        counts: flow.counts.clone(),
        ending: flow.ending.clone(),
    };
    let target = flow.target;
    thread::spawn(move || {
        output.run(target);
        drop(finished);
    });
    if let Ok(Told::End(why)) = ends.recv() {
        return why;
    }
    let mut passing = Passing {
        counts: &flow.counts,
        next: None,
        left: flow.limit,
        writer,
        full,
        free,
        bar: &flow.bar,
    };
    let passed = match again {
        None => passing.all_of(&flow.session),
        Some(again) => passing.again(again, flow.session, ends),
    };
    let Err(mut why) = passed;
    flow.bar.finish_and_clear();
    // The first reason counts: it is what stopped the session.
    if let Ok(Told::End(first)) = ends.try_recv() {
        why = first;
    }
    drop(passing);
    // A disconnect: the thread has ended.
    let _ = writer_ended.recv_timeout(LAST_WRITE);
    match ends.try_recv() {
        Ok(Told::End(late @ Why::Failed(_))) if matches!(why, Why::Enough) => late,
        _ => why,
    }
}

/// From the session to the thread that writes.
struct Passing<'a> {
    counts: &'a Counts,
    /// Number of the next buffer, if none is missed.
    next: Option<u64>,
    left: u64,
    writer: PipeWriter,
    full: Sender<Vec<u8>>,
    free: Receiver<Vec<u8>>,
    bar: &'a ProgressBar,
}

impl Passing<'_> {
    /// The frames of one session.
    fn all_of(&mut self, session: &Session) -> Result<Infallible, Why> {
        let frames = session.frames();
        let mut frames = frames.map_err(|error| failed(session, error))?;
        loop {
            let frame = frames.get(Timeout::NEVER);
            self.pass(frame.map_err(|error| failed(session, error))?)?;
        }
    }

    /// The frames of each session of the name, `first` being the one that is attached.
    fn again(
        &mut self,
        mut again: Reattaching,
        first: Arc<Session>,
        ends: &Receiver<Told>,
    ) -> Result<Infallible, Why> {
        let name = first.name().to_owned();
        drop(first);
        loop {
            let frame = again.frame_get(LOOK.into());
            if let Ok(Told::End(why)) = ends.try_recv() {
                return Err(why);
            }
            match frame {
                Ok(Next::Buffer(frame)) => self.pass(frame)?,
                Ok(Next::Resumed(gap, frame)) => {
                    self.resume(&name, &gap, again.session())?;
                    self.pass(frame)?;
                }
                Err(Error::TimedOut) => {}
                Err(error) => return Err(Why::Failed(PipeFailure::Session(error))),
            }
        }
    }

    /// Tells of an interruption.
    fn resume(&mut self, name: &str, gap: &Gap, session: Option<&Arc<Session>>) -> Result<(), Why> {
        let format = self.writer.format();
        let now = session.and_then(|it| it.piped(format.file(), Some(format.pixels())).ok());
        if now != Some(*format) {
            return Err(Why::Failed(PipeFailure::Changed(name.to_owned())));
        }
        self.counts.interruptions.fetch_add(1, Ordering::Relaxed);
        self.next = None;
        let what = match gap.ended {
            Ended::Stopped => "was stopped",
            Ended::Session => "was gone",
            Ended::Daemon => "was without its daemon",
        };
        let missing = gap.missing.map(|it| format!(", {it} buffers are missing"));
        self.bar.suspend(|| {
            let (name, seconds) = (printable(name), gap.lasted.as_secs_f64());
            eprintln!(
                "session {name} {what} for {seconds:.2} s{}",
                missing.unwrap_or_default()
            );
        });
        Ok(())
    }

    fn pass<S: Lender>(&mut self, frame: FrameOf<S>) -> Result<(), Why> {
        self.count(&frame);
        let mut bytes = match self.free.try_recv() {
            Ok(bytes) => bytes,
            Err(TryRecvError::Empty) => {
                self.counts.lost.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            Err(TryRecvError::Disconnected) => return Err(Why::ReaderGone),
        };
        if let Err(error) = frame.write_to(&mut self.writer, &mut bytes) {
            return Err(Why::Failed(PipeFailure::Pixels(error)));
        }
        drop(frame);
        drop(self.full.send(bytes));
        self.bar.inc(1);
        self.left -= 1;
        match self.left {
            0 => Err(Why::Enough),
            _ => Ok(()),
        }
    }

    fn count<S: Lender>(&mut self, frame: &FrameOf<S>) {
        for buffer in frame.buffers() {
            let missed = self
                .next
                .map_or(0, |next| buffer.number().saturating_sub(next));
            self.counts.missed.fetch_add(missed, Ordering::Relaxed);
            self.next = Some(buffer.number() + 1);
        }
        if !frame.is_complete() {
            self.counts.incomplete.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What the writing thread has.
struct Output {
    header: Vec<u8>,
    frame_bytes: usize,
    frames: Receiver<Vec<u8>>,
    free: Sender<Vec<u8>>,
    counts: Arc<Counts>,
    ending: Ending,
}

impl Output {
    fn run(self, target: Target) {
        let ending = self.ending.clone();
        let written = target.open(self.frame_bytes).and_then(|mut file| {
            let watched = file.try_clone()?;
            let of_reader = ending.clone();
            thread::spawn(move || {
                wait_for_close(&watched);
                of_reader.end(Why::ReaderGone);
            });
            ending.open();
            file.write_all(&self.header)?;
            for bytes in self.frames {
                file.write_all(&bytes)?;
                self.counts.passed(bytes.len());
                // The session may be gone.
                drop(self.free.send(bytes));
            }
            Ok(())
        });
        match written {
            Ok(()) => {}
            Err(error) if is_gone(&error) => ending.end(Why::ReaderGone),
            Err(error) => ending.end(Why::Failed(PipeFailure::Write(error))),
        }
    }
}

pub(super) fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}
