//! Keeps the device model up to date, and tells followers. What a controller says is not here.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Device;
use crate::Inputs;
use crate::control::Change;

/// Most changes of one notification.
const MOST: usize = 256;

/// The device model of all controllers. Clones are the same.
#[derive(Clone, Debug)]
pub struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    device: Mutex<Device>,
    followers: Mutex<Vec<Weak<Follower>>>,
    /// Something may be due earlier than before.
    called: Notify,
    began: Instant,
}

impl Control {
    /// Follows the inputs until one of them ends.
    #[must_use]
    pub fn follow(inputs: Inputs) -> Self {
        let device = Device::new(&inputs.host, inputs.ids.node());
        let control = Self(Arc::new(Shared {
            device: Mutex::new(device),
            followers: Mutex::default(),
            called: Notify::new(),
            began: Instant::now(),
        }));
        tokio::spawn(control.clone().run(inputs));
        control
    }

    async fn run(self, mut inputs: Inputs) {
        loop {
            let facts = inputs.facts.borrow_and_update().clone();
            let subscriptions = inputs.subscriptions.borrow_and_update().clone();
            let due = self.command(|device, now| {
                match facts.as_deref() {
                    Some(facts) => device.update(facts, &subscriptions, &inputs.ids, now),
                    None => device.settle(now),
                }
                device.due(now)
            });
            self.tell();
            let wait = async {
                match due.and_then(|it| self.0.began.checked_add(it)) {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let more = tokio::select! {
                it = inputs.changed() => it,
                () = self.0.called.notified() => Ok(()),
                () = wait => Ok(()),
            };
            if more.is_err() {
                break;
            }
        }
    }

    /// Does `what` with the device at this time.
    pub(super) fn command<T>(&self, what: impl FnOnce(&mut Device, Duration) -> T) -> T {
        let device = self.0.device.lock();
        let mut device = device.unwrap_or_else(PoisonError::into_inner);
        what(&mut device, self.0.began.elapsed())
    }

    /// Tells followers what has changed until now: whether something did.
    fn tell(&self) -> bool {
        let changes = self.command(|device, _| device.take_changes());
        let followers = self.0.followers.lock();
        let mut followers = followers.unwrap_or_else(PoisonError::into_inner);
        followers.retain(|it| match it.upgrade() {
            Some(follower) => {
                follower.note(&changes);
                true
            }
            None => false,
        });
        !changes.is_empty()
    }

    /// Tells what a controller's message has changed.
    pub(super) fn commanded(&self) {
        if self.tell() {
            self.0.called.notify_one();
        }
    }

    /// One that is told the changes from now on.
    pub(super) fn follower(&self) -> Arc<Follower> {
        let follower = Arc::new(Follower::default());
        let followers = self.0.followers.lock();
        let mut followers = followers.unwrap_or_else(PoisonError::into_inner);
        followers.push(Arc::downgrade(&follower));
        follower
    }
}

/// Properties that a controller follows, and those of them that have changed. It keeps no values: a controller that
/// is slow is told the newest one only, and each property once.
#[derive(Debug, Default)]
pub(super) struct Follower {
    kept: Mutex<Kept>,
    called: Notify,
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

#[derive(Debug, Default)]
struct Kept {
    oids: BTreeSet<u32>,
    changes: VecDeque<Change>,
}
