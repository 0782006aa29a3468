//! The connections of a socket, shared among users and processes.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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
