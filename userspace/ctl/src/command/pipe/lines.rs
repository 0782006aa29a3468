//! Ancillary data as lines of JSON, one for each frame or field.
//!
//! A buffer is returned before its line is written: a reader that is too slow misses buffers, which are counted.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use onair::{AncillarySession, Client, Error, Timeout};
use onair_essence::ancillary::AncillaryLine;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Pipe, show};
use crate::args::Options;
use crate::document::pipe::Piped;
use crate::failure::pipe::PipeFailure;
use crate::failure::{DONE, Failure};

/// Writes lines to standard output until something ends it, and sums up.
pub(super) fn run(pipe: &Pipe, options: &Options) -> Result<u8, Failure> {
    if pipe.send || pipe.reattach || pipe.unix.is_some() || pipe.layout.is_some() {
        return Err(PipeFailure::LinesOnly.into());
    }
    let client = Client::at(&pipe.attach).response_timeout(options.timeout);
    let session = client.attach_ancillary(&pipe.session.to_string());
    let session = Arc::new(session.map_err(PipeFailure::Session)?);
    if session.is_sender() {
        let session = session.name().to_owned();
        return Err(PipeFailure::Direction {
            session,
            sends: false,
        }
        .into());
    }
    let is_signalled = stop_by_signal(&session)?;
    let begin = Instant::now();
    let mut piped = Piped {
        session: session.name().to_owned(),
        direction: "receive",
        format: "jsonl",
        content: BTreeMap::new(),
        frames: 0,
        bytes: 0,
        incomplete_frames: 0,
        lost_frames: 0,
        missed_buffers: 0,
        interruptions: 0,
        seconds: 0.0,
        ended: "enough",
    };
    let passed = pass(&session, pipe.frames.unwrap_or(u64::MAX), &mut piped);
    piped.seconds = begin.elapsed().as_secs_f64();
    let failure = match passed {
        Ok(ended) => {
            piped.ended = ended;
            None
        }
        Err(_) if is_signalled.load(Ordering::Relaxed) => {
            piped.ended = "signal";
            None
        }
        Err(failure) => {
            piped.ended = failure.word();
            Some(failure)
        }
    };
    show(options, &piped, true)?;
    match failure {
        None => Ok(DONE),
        Some(failure) => Err(failure.into()),
    }
}

/// Whether a signal came; one stops the session for this process.
fn stop_by_signal(session: &Arc<AncillarySession>) -> io::Result<Arc<AtomicBool>> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let (session, is_signalled) = (Arc::downgrade(session), Arc::new(AtomicBool::new(false)));
    let came = Arc::clone(&is_signalled);
    thread::spawn(move || {
        for _ in signals.forever() {
            came.store(true, Ordering::Relaxed);
            if let Some(session) = session.upgrade() {
                session.stop();
            }
        }
    });
    Ok(is_signalled)
}

/// Returns why it ended.
fn pass(
    session: &AncillarySession,
    most: u64,
    piped: &mut Piped,
) -> Result<&'static str, PipeFailure> {
    let mut next = None;
    let mut out = io::stdout().lock();
    while piped.frames < most {
        let buffer = session.buffer_get(Timeout::NEVER).map_err(|error| {
            let name = || session.name().to_owned();
            match error {
                Error::Stopped => PipeFailure::Stopped(name()),
                Error::Stale | Error::Disconnected => PipeFailure::Gone(name()),
                other => PipeFailure::Session(other),
            }
        })?;
        let missed = next.map_or(0, |next| buffer.number().saturating_sub(next));
        piped.missed_buffers += missed;
        next = Some(buffer.number() + 1);
        let complete = buffer.status().is_complete();
        piped.incomplete_frames += u64::from(!complete);
        let unit = buffer.ancillary().map_err(PipeFailure::Unit)?;
        let (timestamp, time_ns) = (buffer.rtp_timestamp(), buffer.media_time_ns());
        let line = AncillaryLine::new(&unit, timestamp, time_ns, complete);
        drop(buffer);
        let mut text = serde_json::to_string(&line).expect("numbers and text are JSON");
        text.push('\n');
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok("reader_gone"),
            Err(error) => return Err(PipeFailure::Write(error)),
        }
        piped.frames += 1;
        piped.bytes += text.len() as u64;
    }
    Ok("enough")
}
