//! Keeps the device model up to date, and tells followers. What a controller says is not here.

mod follower;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Device;
use crate::Inputs;

pub(super) use self::follower::Follower;

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
