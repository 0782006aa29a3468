//! A thread that attaches, however often that takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::time::Duration;

use onair_ipc::caller::Deadline;
use onair_ipc::sys::monotonic_ns;
use onair_pixels::PixelFormat;

use crate::carries::Carries;
use crate::{Client, Error, Session};

/// First pause between two attempts; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// Last pause while no daemon listens: an attempt costs no other process anything.
const LAST_PAUSE_WITHOUT_DAEMON: Duration = Duration::from_millis(20);

/// The session to attach to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) format: Option<PixelFormat>,
    /// RTP timestamp of the last buffer that came.
    pub(super) after: Option<u32>,
    /// To fill its frames.
    pub(super) fills: bool,
}

/// Attempts that go on until it is dropped.
#[derive(Debug)]
pub(super) struct Attaching<L: Carries> {
    attempts: Receiver<Result<Session<L>, Error>>,
    unwanted: Arc<AtomicBool>,
    /// The process of the thread.
    process: u32,
}

impl Target {
    pub(super) fn attach<L: Carries>(&self) -> Result<Session<L>, Error> {
        match self.fills {
            true => self.client.attach_to_fill_of(&self.name),
            false => (self.client).attach_after(&self.name, self.format, self.after),
        }
    }
}

impl<L: Carries> Attaching<L> {
    /// # Errors
    /// [`Error::System`]: no thread.
    pub(super) fn begin(target: Target) -> Result<Self, Error> {
        let (attempt, attempts) = channel();
        let unwanted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&unwanted);
        let thread = std::thread::Builder::new().name("onair-reattach".into());
        let spawned = thread.spawn(move || {
            let mut pause = FIRST_PAUSE;
            while !flag.load(Ordering::Relaxed) {
                let attached = target.attach();
                let again = attached.as_ref().err().filter(|it| it.may_pass());
                let next = again.map(|error| pause_after(error, pause));
                let (Ok(()), Some(next)) = (attempt.send(attached), next) else {
                    return;
                };
                std::thread::sleep(pause);
                pause = next;
            }
        });
        match spawned {
            Ok(_) => Ok(Self {
                attempts,
                unwanted,
                process: std::process::id(),
            }),
            Err(source) => Err(Error::System {
                what: "start the thread that attaches",
                source,
            }),
        }
    }

    /// Whether this process was forked since, and has no such thread.
    pub(super) fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }

    /// The next attempt's result until `deadline`, [`Error::TimedOut`] then.
    pub(super) fn next(&self, deadline: Deadline) -> Result<Result<Session<L>, Error>, Error> {
        let ended = "the thread ends after a session or an error that does not pass";
        match deadline {
            Deadline::Never => Ok(self.attempts.recv().expect(ended)),
            Deadline::Now => match self.attempts.try_recv() {
                Err(TryRecvError::Empty) => Err(Error::TimedOut),
                attempt => Ok(attempt.expect(ended)),
            },
            Deadline::At(ns) => {
                let left = Duration::from_nanos(ns.saturating_sub(monotonic_ns()));
                match self.attempts.recv_timeout(left) {
                    Err(RecvTimeoutError::Timeout) => Err(Error::TimedOut),
                    attempt => Ok(attempt.expect(ended)),
                }
            }
        }
    }
}

/// The pause after the next attempt, which follows `pause`.
fn pause_after(error: &Error, pause: Duration) -> Duration {
    let last = match error {
        Error::NoDaemon { .. } => LAST_PAUSE_WITHOUT_DAEMON,
        _ => LAST_PAUSE,
    };
    (pause * 2).min(last)
}

impl<L: Carries> Drop for Attaching<L> {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_daemon_then_tried_again_until_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target {
            client: Client::at(folder.path().join("attach.sock")),
            name: "cam".into(),
            format: None,
            after: None,
            fills: false,
        };
        let attaching = Attaching::<crate::Layout>::begin(target).unwrap();
        for _ in 0..3 {
            let attempt = attaching.next(Deadline::Never).unwrap();
            assert!(matches!(attempt, Err(Error::NoDaemon { .. })));
        }
    }

    #[test]
    fn daemon_away_for_long_then_the_next_one_is_found_soon() {
        let no_daemon = Error::NoDaemon {
            path: "attach.sock".into(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        let after =
            |error: &Error, tries| (0..tries).fold(FIRST_PAUSE, |it, _| pause_after(error, it));
        assert_eq!(after(&no_daemon, 100), LAST_PAUSE_WITHOUT_DAEMON);
        assert_eq!(after(&Error::Stale, 100), LAST_PAUSE);
        // One that was busy before.
        assert_eq!(
            pause_after(&no_daemon, LAST_PAUSE),
            LAST_PAUSE_WITHOUT_DAEMON
        );
    }

    #[test]
    fn refusals_for_good_then_not_tried_again() {
        let refused = |code: &str| Error::Refused {
            code: code.into(),
            message: String::new(),
        };
        assert!(!refused("forbidden").may_pass());
        assert!(!Error::Protocol(String::new()).may_pass());
        assert!(!refused("internal").may_pass());
        assert!(refused("limit_reached").may_pass());
        assert!(refused("probe_blind").may_pass());
        assert!(Error::ShuttingDown(String::new()).may_pass());
    }
}
