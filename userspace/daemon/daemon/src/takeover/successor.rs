//! The new daemon's side.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

use onair_api::SessionId;
use onair_engine::machine::Charge;
use onair_mutant::mutant;
use rustix::fs::FileType;

use super::Listening;
use super::channel::{Channel, Received};
use super::protocol::{Message, SuccessorEvent, SuccessorStep, VERSION};
use crate::shutdown::ShutdownCoordinator;

/// The value of this process (proc_pid_oom_score_adj(5)).
const FILE: &str = "/proc/self/oom_score_adj";
/// The first process to kill.
const FIRST: &str = "1000";

/// Standard input is no predecessor.
#[derive(Debug, thiserror::Error)]
pub enum StdinError {
    /// A user gave the argument, not a running daemon.
    #[error("--take-over is for a running daemon, which starts its successor: onairctl upgrade")]
    NoSocket,
    /// A system call failed.
    #[error("cannot take the socket from standard input: {0}")]
    System(#[from] io::Error),
}

/// The daemon whose place this one takes.
#[derive(Debug)]
pub struct Predecessor {
    channel: Channel,
    /// Until this daemon has its place.
    expendable: Expendable,
}

/// Descriptors from the predecessor.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The lock of the state directory.
    pub lock: Option<OwnedFd>,
    /// Listening sockets.
    pub sockets: Vec<(Listening, OwnedFd)>,
    /// All files of each session whose certificate is to be completed.
    pub memory: Vec<(Charge, Vec<OwnedFd>)>,
    predecessor: Ending,
}

/// A predecessor that has handed over and has yet to end, if there is one. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Ending(Option<Arc<Channel>>);

impl Ending {
    /// Waits, at most for `timeout`, until its process is gone, with all that ends with a process: hugepages, PCI
    /// devices, sockets.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(&self, timeout: Duration) -> io::Result<()> {
        let deadline = Instant::now() + timeout;
        let Some(channel) = &self.0 else {
            return Ok(());
        };
        loop {
            match channel.receive(Some(deadline), None)? {
                Received::Message(..) => {}
                Received::Gone | Received::Late | Received::Stopped => return Ok(()),
            }
        }
    }
}

impl Inherited {
    /// Takes out the socket that listens there.
    pub fn take(&mut self, wanted: &Listening) -> Option<OwnedFd> {
        let at = self.sockets.iter().position(|(name, _)| name == wanted)?;
        Some(self.sockets.swap_remove(at).1)
    }

    /// The predecessor that has yet to end.
    pub fn ending(&self) -> Ending {
        self.predecessor.clone()
    }

    /// Removes the files of the sockets that this daemon's configuration does not have.
    pub fn discard(self) {
        for (name, _socket) in self.sockets {
            let (Listening::Control(path) | Listening::Attach(path)) = name else {
                continue;
            };
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove the socket's file");
            }
        }
    }
}

impl Predecessor {
    /// The process at the other end of standard input. That stays open: nothing reads it.
    ///
    /// # Errors
    /// [`StdinError`].
    pub fn of_stdin() -> Result<Self, StdinError> {
        let stdin = io::stdin();
        let status = rustix::fs::fstat(&stdin).map_err(io::Error::from)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::Socket {
            return Err(StdinError::NoSocket);
        }
        let socket = stdin.as_fd().try_clone_to_owned()?;
        Ok(Self {
            channel: Channel::of(socket),
            expendable: Expendable::begin(),
        })
    }

    /// Processes that are about to attach, as far as it has named them.
    #[must_use]
    pub fn clients(&self) -> Vec<u32> {
        match self.channel.receive(Some(Instant::now()), None) {
            Ok(Received::Message(Message::Clients { pids }, _)) => pids,
            _ => Vec::new(),
        }
    }

    /// Says that this daemon is prepared, and waits for what the predecessor hands over: nothing, if that has ended
    /// without. Before that it calls `left` when the predecessor's ports have left their queues. `None`: this daemon's own
    /// shutdown has begun.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(
        self,
        shutdown: &ShutdownCoordinator,
        mut left: impl FnMut(),
    ) -> io::Result<Option<Inherited>> {
        let prepared = Message::Prepared {
            protocol: VERSION,
            version: env!("CARGO_PKG_VERSION").into(),
            takes_memory: true,
        };
        tracing::info!("prepared: waiting for the running daemon to hand over");
        // If it has ended, the wait ends at once.
        let _ = self.channel.send(&prepared, &[]);
        let mut memory = BTreeMap::<u64, (Charge, Vec<OwnedFd>, usize)>::new();
        let received = loop {
            match self.channel.receive(None, Some(shutdown.as_fd()))? {
                Received::Message(Message::Clients { .. }, _) => {}
                Received::Message(Message::Left, _) => left(),
                Received::Message(
                    Message::Memory {
                        session,
                        uid,
                        files,
                    },
                    some,
                ) => {
                    let charge = Charge {
                        session: SessionId(session),
                        uid,
                    };
                    let of_it = memory.entry(session);
                    of_it.or_insert((charge, Vec::new(), files)).1.extend(some);
                }
                received => break received,
            }
        };
        let (event, mut inherited) = match received {
            Received::Stopped => return Ok(None),
            Received::Message(Message::Yours { sockets }, descriptors) => {
                let mut descriptors = descriptors.into_iter();
                let lock = descriptors.next();
                let event = lock
                    .as_ref()
                    .map_or(SuccessorEvent::Gone, |_| SuccessorEvent::Yours);
                let sockets = sockets.into_iter().zip(descriptors).collect();
                let inherited = Inherited {
                    lock,
                    sockets,
                    memory: Vec::new(),
                    predecessor: Ending::default(),
                };
                (event, inherited)
            }
            Received::Message(..) | Received::Gone | Received::Late => {
                (SuccessorEvent::Gone, Inherited::default())
            }
        };
        // The running daemon has ended or is about to: this is now the one that the kernel must not kill first.
        drop(self.expendable);
        // Of a part of the files it would be seen too early that no process has them.
        let whole = memory.into_values().filter(|(_, it, all)| it.len() == *all);
        inherited.memory = whole.map(|(charge, files, _)| (charge, files)).collect();
        match event.step() {
            SuccessorStep::Take => {
                // The predecessor ends in any case.
                let _ = self.channel.send(&Message::Taken, &[]);
                inherited.predecessor = Ending(Some(Arc::new(self.channel)));
            }
            SuccessorStep::Lock => {
                tracing::warn!("the running daemon has ended without handing over");
                inherited = Inherited {
                    memory: inherited.memory,
                    ..Inherited::default()
                };
            }
        }
        Ok(Some(inherited))
    }
}

/// While it exists, the kernel kills this process first if memory is too short for two daemons: it is not on air.
/// Both have the service's value, which keeps the kernel from killing a daemon. Without this it would kill the larger
/// one, which has the frames.
#[derive(Debug)]
pub(super) struct Expendable {
    before: Option<String>,
}

impl Expendable {
    pub(super) fn begin() -> Self {
        let before = fs::read_to_string(FILE).and_then(|before| {
            if !mutant!("takeover: the kernel may kill the running daemon") {
                fs::write(FILE, FIRST)?;
            }
            Ok(before)
        });
        let before = before.inspect_err(|error| {
            tracing::warn!(%error, "if memory is too short for two daemons, the kernel may kill the running one");
        });
        Self {
            before: before.ok(),
        }
    }
}

impl Drop for Expendable {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = fs::write(FILE, before.trim())
        {
            tracing::warn!(%error, "the kernel kills this daemon first when memory is short");
        }
    }
}

#[cfg(test)]
mod tests {
    use onair_settings::config::ShutdownConfig;

    use super::*;

    #[test]
    fn queues_left_before_the_hand_over_then_told_at_once() {
        let shutdown = ShutdownCoordinator::new(ShutdownConfig::default()).unwrap();
        let (channel, other) = Channel::pair().unwrap();
        let predecessor = Predecessor {
            channel,
            expendable: Expendable::begin(),
        };
        let other = Channel::of(other);
        let (mut lefts, mut other) = (0, Some(other));
        let said = other.as_ref().unwrap().send(&Message::Left, &[]);
        said.unwrap();
        let waited = predecessor.wait(&shutdown, || {
            lefts += 1;
            // It ends without handing over.
            drop(other.take());
        });
        assert!(waited.unwrap().unwrap().lock.is_none());
        assert_eq!(lefts, 1);
    }
}
