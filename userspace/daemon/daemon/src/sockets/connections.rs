//! The connections of a socket, shared among users and processes.

use std::cell::RefCell;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use onair_ipc::sys;
use onair_probe::{ProbeError, RefusedDescriptors};
use onair_settings::diagnostics::rate_limit::RateLimit;
use onair_shares::{Owner, Refused, Share, Table, Usage};

/// The connections of one socket. Clones share them.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Mutex<Table>>);

impl Connections {
    /// An empty table with these limits.
    #[must_use]
    pub fn new(share: Share) -> Self {
        Self(Arc::new(Mutex::new(Table::new(share))))
    }

    /// Takes a place for one more connection of `owner`.
    ///
    /// # Errors
    /// [`Refused`]: the owner has used up its share, or all places open to it are taken.
    pub fn take(&self, owner: Owner) -> Result<Connected, Refused> {
        self.table().take(owner)?;
        let connections = self.clone();
        Ok(Connected { owner, connections })
    }

    /// Current use of the places.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.table().usage()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection. Given back on drop.
#[derive(Debug)]
pub struct Connected {
    owner: Owner,
    connections: Connections,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.connections.table().give_back(self.owner);
    }
}

/// Logs refused clients, at a limited rate.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway(RefCell<RateLimit>);

impl TurnedAway {
    pub(crate) fn note(&self, refused: &Refused) {
        if let Some(more) = self.0.borrow_mut().note(Instant::now()) {
            let Owner { uid, pid, .. } = refused.owner;
            tracing::warn!(uid, pid, more, "a connection is turned away: {refused}");
        }
    }
}

// Descriptors that another process sends to the daemon's sockets: the kernel refuses them.
//
// The last close of a socket that lingers waits as long as its sender likes, in the thread that reads the
// message, or that closes the connection with the message unread.

/// The mechanism by which the kernel refuses them.
#[derive(Debug)]
pub enum DescriptorRefusal {
    /// An option of each socket (`SO_PASSRIGHTS`, Linux 6.16).
    Sockets,
    /// A program in the kernel, while it lives.
    Program(RefusedDescriptors),
}

impl DescriptorRefusal {
    /// To be called before the first socket listens.
    ///
    /// # Errors
    /// Why an older kernel does not take the program.
    pub fn start() -> Result<Self, ProbeError> {
        let pair = UnixStream::pair();
        if pair.is_ok_and(|(one, _other)| sys::refuse_descriptors(one.as_fd()).is_ok()) {
            return Ok(Self::Sockets);
        }
        RefusedDescriptors::start().map(Self::Program)
    }
}
