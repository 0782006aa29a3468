//! From the other program to the session.
//!
//! A thread reads whole frames and submits each: it holds a buffer only while it fills it. The session's clock paces
//! it, and through the pipe the other program.

use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use onair::{FrameError, PipeReader, PipedError, Timeout};

use super::Flow;
use super::ending::{PipeEvent, Why, failed};
use crate::failure::pipe::PipeFailure;

/// Passes frames on, and waits up to `flush` until the last one is sent. Returns why it ended.
pub(super) fn run(flow: Flow, ends: &Receiver<PipeEvent>, flush: Duration) -> Why {
    let (session, ending) = (flow.session.clone(), flow.ending.clone());
    thread::spawn(move || {
        let why = read(flow).unwrap_or_else(Why::Failed);
        ending.end(why);
    });
    let why = loop {
        match ends.recv() {
            Ok(PipeEvent::Open) => {}
            Ok(PipeEvent::End(why)) => break why,
            Err(_) => break Why::InputEnded,
        }
    };
    match (&why, session.flush(flush)) {
        // They are sent, or it has ended for the reason that is known.
        (_, Ok(_)) | (Why::Failed(_), _) => {}
        (_, Err(error)) => return Why::Failed(PipeFailure::NotFlushed(error)),
    }
    session.stop();
    why
}

fn read(flow: Flow) -> Result<Why, PipeFailure> {
    let file = flow.target.open(flow.format.frame_bytes());
    let file = file.map_err(|error| PipeFailure::Input(PipedError::Read(error)))?;
    flow.ending.open();
    let mut reader = PipeReader::open(&flow.format, file).map_err(PipeFailure::Input)?;
    let mut pixels = Vec::new();
    while reader.read(&mut pixels).map_err(PipeFailure::Input)? {
        match flow
            .session
            .send_frame(flow.format.pixels(), &pixels, Timeout::NEVER)
        {
            Ok(()) => {}
            Err(FrameError::Session(error)) => return Ok(failed(&flow.session, error)),
            Err(FrameError::Pixels(error)) => return Err(PipeFailure::Pixels(error)),
        }
        if flow.counts.passed(pixels.len()) == flow.limit {
            return Ok(Why::Enough);
        }
    }
    Ok(Why::InputEnded)
}
