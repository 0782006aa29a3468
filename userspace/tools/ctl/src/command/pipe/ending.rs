//! Why frames pass no more: the first reason counts.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, thread};

use onair::{Carries, Error, Session};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::pipe::PipeFailure;

/// Why it ends.
#[derive(Debug)]
pub(super) enum Why {
    /// The other program reads no more.
    ReaderGone,
    /// The other program's frames have come to their end.
    InputEnded,
    /// As many frames as were wanted.
    Enough,
    /// SIGINT or SIGTERM.
    Signal,
    Failed(PipeFailure),
}

impl Why {
    /// A word for programs.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::ReaderGone => "reader_gone",
            Self::InputEnded => "input_ended",
            Self::Enough => "enough",
            Self::Signal => "signal",
            Self::Failed(failure) => failure.word(),
        }
    }
}

/// Tells the main thread.
#[derive(Clone)]
pub(super) struct Ending {
    /// Wakes up its call.
    wake: Arc<dyn Fn() + Send + Sync>,
    tell: Sender<PipeEvent>,
}

/// A message to the main thread.
pub(super) enum PipeEvent {
    /// The other program is there.
    Open,
    End(Why),
}

impl Ending {
    /// A signal is an end from now on.
    pub(super) fn of<L: Carries + 'static>(
        session: &Arc<Session<L>>,
    ) -> io::Result<(Self, Receiver<PipeEvent>)> {
        // Weak: a session that has ended is let go when another one takes its place.
        let session = Arc::downgrade(session);
        Self::with(move || {
            if let Some(session) = session.upgrade().filter(|it| !it.is_sender()) {
                session.stop();
            }
        })
    }

    /// As [`Self::of`], of what looks for its end by itself.
    pub(super) fn of_none() -> io::Result<(Self, Receiver<PipeEvent>)> {
        Self::with(|| {})
    }

    fn with(wake: impl Fn() + Send + Sync + 'static) -> io::Result<(Self, Receiver<PipeEvent>)> {
        let (tell, told) = channel();
        let ending = Self {
            wake: Arc::new(wake),
            tell,
        };
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let of_signals = ending.clone();
        thread::spawn(move || signals.forever().for_each(|_| of_signals.end(Why::Signal)));
        Ok((ending, told))
    }

    pub(super) fn open(&self) {
        drop(self.tell.send(PipeEvent::Open));
    }

    /// Ends it. A receiver's call wakes up; what a sender submitted is still sent.
    pub(super) fn end(&self, why: Why) {
        drop(self.tell.send(PipeEvent::End(why)));
        (self.wake)();
    }
}

/// The end that an error of the session's calls means.
pub(super) fn failed<L: Carries>(session: &Session<L>, error: Error) -> Why {
    let name = || session.name().to_owned();
    Why::Failed(match error {
        Error::Stopped | Error::Stale | Error::Disconnected if session.is_service_ending() => {
            PipeFailure::DaemonEnded
        }
        Error::Stopped => PipeFailure::Stopped(name()),
        Error::Stale | Error::Disconnected => PipeFailure::Gone(name()),
        other => PipeFailure::Session(other),
    })
}
