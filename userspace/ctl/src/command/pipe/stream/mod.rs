//! Audio and ancillary data, buffer by buffer: blocks of samples, or a line of JSON for each frame or field.
//!
//! A buffer is returned before its bytes are written: a reader that is too slow misses buffers, which are counted, and
//! of audio are silence.

mod form;
mod receive;
mod send;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;
use std::{io, thread};

use onair::{AnySession, Client, Contents, Error};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Pipe, show};
use crate::args::Options;
use crate::document::pipe::Piped;
use crate::failure::pipe::PipeFailure;
use crate::failure::{DONE, Failure};

pub(super) use form::Form;

/// Why it ended.
type Ended = Result<&'static str, PipeFailure>;

/// Passes buffers on until something ends it, and sums up.
pub(super) fn run(
    pipe: &Pipe,
    client: &Client,
    form: Form,
    options: &Options,
) -> Result<u8, Failure> {
    let is_plain = pipe.unix.is_none() && pipe.layout.is_none() && !pipe.reattach;
    if !is_plain || pipe.send && form == Form::Lines {
        return Err(PipeFailure::Plain.into());
    }
    let session = client.attach_of::<Contents>(&pipe.session.to_string(), None);
    let session = Arc::new(session.map_err(PipeFailure::Session)?);
    form.check(session.layout())?;
    if session.is_sender() != pipe.send {
        return Err(PipeFailure::Direction {
            session: session.name().to_owned(),
            sends: !pipe.send,
        }
        .into());
    }
    let ends = Ends::of(&session)?;
    let begin = Instant::now();
    let mut piped = Piped {
        session: session.name().to_owned(),
        direction: if pipe.send { "send" } else { "receive" },
        format: form.as_str(),
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
    let most = pipe.frames.unwrap_or(u64::MAX);
    let ended = if pipe.send {
        send::run(&session, form, most, (&ends, options.timeout), &mut piped)
    } else {
        let passed = receive::run(&session, form, most, &mut piped);
        // The first reason counts: it is what stopped the session.
        ends.told.try_recv().unwrap_or(passed)
    };
    piped.seconds = begin.elapsed().as_secs_f64();
    piped.ended = ended.as_ref().map_or_else(PipeFailure::word, |it| *it);
    show(options, &piped, !pipe.send)?;
    match ended {
        Ok(_) => Ok(DONE),
        Err(failure) => Err(failure.into()),
    }
}

/// Why it ends, as other threads tell.
struct Ends {
    tell: Sender<Ended>,
    told: Receiver<Ended>,
}

impl Ends {
    /// A signal is an end from now on. It stops a receiver for this process.
    fn of(session: &Arc<AnySession>) -> io::Result<Self> {
        let (tell, told) = channel();
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (session, of_signals) = (Arc::downgrade(session), tell.clone());
        thread::spawn(move || {
            for _ in signals.forever() {
                drop(of_signals.send(Ok("signal")));
                if let Some(session) = session.upgrade().filter(|it| !it.is_sender()) {
                    session.stop();
                }
            }
        });
        Ok(Self { tell, told })
    }
}

/// What an error of the session's calls means.
fn failed(session: &AnySession, error: Error) -> PipeFailure {
    let name = || session.name().to_owned();
    match error {
        Error::Stopped | Error::Stale | Error::Disconnected if session.is_service_ending() => {
            PipeFailure::DaemonEnded
        }
        Error::Stopped => PipeFailure::Stopped(name()),
        Error::Stale | Error::Disconnected => PipeFailure::Gone(name()),
        other => PipeFailure::Session(other),
    }
}
