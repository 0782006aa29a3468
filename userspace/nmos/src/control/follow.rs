//! Keeps the device model up to date.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, sleep_until};

use super::{Change, Device};
use crate::Inputs;

/// Changes that wait for a controller: one that does not take them is closed.
const WAITING: usize = 128;

/// The device model of all controllers. Clones are the same.
#[derive(Clone, Debug)]
pub struct Control(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    device: Mutex<Device>,
    changes: broadcast::Sender<Arc<[Change]>>,
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
            changes: broadcast::Sender::new(WAITING),
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
            let (due, _) = self.change(|device, now| {
                match facts.as_deref() {
                    Some(facts) => device.update(facts, &subscriptions, &inputs.ids, now),
                    None => device.settle(now),
                }
                device.due(now)
            });
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

    /// Does `what` with the device at this time, and tells what changed by it: whether something did.
    fn change<T>(&self, what: impl FnOnce(&mut Device, Duration) -> T) -> (T, bool) {
        let device = self.0.device.lock();
        let mut device = device.unwrap_or_else(PoisonError::into_inner);
        let done = what(&mut device, self.0.began.elapsed());
        let changes = device.take_changes();
        let is_changed = !changes.is_empty();
        if is_changed {
            // An error says that no controller is there.
            let _ = self.0.changes.send(changes.into());
        }
        (done, is_changed)
    }

    /// As a controller: with the device at this time.
    pub(super) fn command<T>(&self, what: impl FnOnce(&mut Device, Duration) -> T) -> T {
        let (done, is_changed) = self.change(what);
        if is_changed {
            self.0.called.notify_one();
        }
        done
    }

    /// The changes from now on.
    pub(super) fn changes(&self) -> broadcast::Receiver<Arc<[Change]>> {
        self.0.changes.subscribe()
    }
}
