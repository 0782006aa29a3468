//! From the session to the other program.
//!
//! The main thread takes frames, copies them and returns them at once; another thread writes. A frame for which no
//! buffer is free is lost: the session never waits for the reader.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use onair::{Frame, PipeWriter, Timeout};

use super::ending::{Ending, Told, Why};
use super::target::{Target, wait_for_close};
use super::{Counts, Flow};
use crate::failure::pipe::PipeFailure;

/// Frames between the session and the reader, besides those in the kernel.
const BUFFERS: usize = 8;
/// How long the reader may take for what is under way at the end.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Passes frames on. Returns why it ended.
pub(super) fn run(flow: Flow, ends: &Receiver<Told>) -> Why {
    let (full, from_session) = channel();
    let (back, free) = channel();
    let (finished, writer_ended) = channel::<()>();
    (0..BUFFERS).for_each(|_| drop(back.send(Vec::new())));
    let mut writer = PipeWriter::new(flow.format);
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
    let mut taken = Taken {
        counts: &flow.counts,
        next: None,
    };
    let mut frames = flow.session.frames();
    let mut left = flow.limit;
    let mut why = loop {
        let frame = match frames.get(Timeout::NEVER) {
            Ok(frame) => frame,
            Err(error) => break flow.ending.failed(error),
        };
        taken.count(&frame);
        let mut bytes = match free.try_recv() {
            Ok(bytes) => bytes,
            Err(TryRecvError::Empty) => {
                flow.counts.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Err(TryRecvError::Disconnected) => break Why::ReaderGone,
        };
        if let Err(error) = frame.write_to(&mut writer, &mut bytes) {
            break Why::Failed(PipeFailure::Pixels(error));
        }
        drop(frame);
        drop(full.send(bytes));
        flow.bar.inc(1);
        left -= 1;
        if left == 0 {
            break Why::Enough;
        }
    };
    flow.bar.finish_and_clear();
    // The first reason counts: it is what stopped the session.
    if let Ok(Told::End(first)) = ends.try_recv() {
        why = first;
    }
    drop((full, frames));
    // A disconnect: the thread has ended.
    let _ = writer_ended.recv_timeout(LAST_WRITE);
    match ends.try_recv() {
        Ok(Told::End(late @ Why::Failed(_))) if matches!(why, Why::Enough) => late,
        _ => why,
    }
}

/// Counts what came.
struct Taken<'a> {
    counts: &'a Counts,
    /// Number of the next buffer, if none is missed.
    next: Option<u64>,
}

impl Taken<'_> {
    fn count(&mut self, frame: &Frame<'_>) {
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

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}
