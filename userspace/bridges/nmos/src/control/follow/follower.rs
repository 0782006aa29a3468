//! Messages for one controller.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::control::Change;

/// Most changes of one notification.
const MOST: usize = 256;

/// Properties that a controller follows, and those of them that have changed. It keeps no values: a controller that
/// is slow is told the newest one only, and each property once.
#[derive(Debug, Default)]
pub(in crate::control) struct Follower {
    kept: Mutex<Kept>,
    called: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    oids: BTreeSet<u32>,
    changes: VecDeque<Change>,
}

impl Follower {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It follows these objects from now on, instead of the last.
    pub(in crate::control) fn follow(&self, oids: BTreeSet<u32>) {
        let mut kept = self.kept();
        kept.changes.retain(|it| oids.contains(&it.oid));
        kept.oids = oids;
    }

    /// These have changed.
    pub(in crate::control) fn note<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) {
        let mut kept = self.kept();
        let Kept { oids, changes: all } = &mut *kept;
        let changes = changes.into_iter().filter(|it| oids.contains(&it.oid));
        changes.for_each(|it| it.wait_in(all));
        if !all.is_empty() {
            self.called.notify_one();
        }
    }

    /// Waits for changes.
    pub(in crate::control) async fn changed(&self) {
        self.called.notified().await;
    }

    /// Takes the changes since the last call, or the first part of them: then there is more at once.
    pub(in crate::control) fn take(&self) -> Vec<Change> {
        let mut kept = self.kept();
        let most = kept.changes.len().min(MOST);
        let first = kept.changes.drain(..most).collect();
        if !kept.changes.is_empty() {
            self.called.notify_one();
        }
        first
    }
}
