//! Memberships through the kernel, on a thread of their own: to join or leave a group waits for the
//! kernel's lock on interfaces.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use onair_dpdk::GroupJoiner;

use crate::addresses::{Joined, KernelMembership, NotJoined};
use crate::messages::events::{Events, PollerEvent};

#[derive(Debug)]
enum Task {
    Join(KernelMembership, GroupJoiner),
    Leave(KernelMembership),
    Forget { port: String },
}

/// The thread, once it was needed.
#[derive(Debug)]
pub(crate) struct KernelGroups {
    events: Arc<Events>,
    thread: Option<(Sender<Task>, JoinHandle<()>)>,
}

impl KernelGroups {
    pub(crate) const fn new(events: Arc<Events>) -> Self {
        Self {
            events,
            thread: None,
        }
    }

    /// Joins. [`PollerEvent::GroupJoined`] follows.
    pub(crate) fn join(&mut self, membership: KernelMembership, joiner: GroupJoiner) -> Joined {
        if self.thread.is_none() {
            let (tasks, todo) = mpsc::channel();
            let events = Arc::clone(&self.events);
            let thread = thread::Builder::new().name("onair-groups".to_owned());
            match thread.spawn(move || run(&todo, &events)) {
                Ok(thread) => self.thread = Some((tasks, thread)),
                Err(error) => return Err(NotJoined::NoThread(Arc::new(error))),
            }
        }
        if self.send(Task::Join(membership, joiner)) {
            return Ok(());
        }
        Err(NotJoined::NoMoreThread)
    }

    pub(crate) fn leave(&self, membership: KernelMembership) {
        self.send(Task::Leave(membership));
    }

    /// Leaves all groups of a port.
    pub(crate) fn forget(&self, port: &str) {
        let port = port.to_owned();
        self.send(Task::Forget { port });
    }

    fn send(&self, task: Task) -> bool {
        let thread = self.thread.as_ref();
        thread.is_some_and(|(tasks, _)| tasks.send(task).is_ok())
    }
}

impl Drop for KernelGroups {
    /// Leaves all groups.
    fn drop(&mut self) {
        if let Some((tasks, thread)) = self.thread.take() {
            drop(tasks);
            // Its panic is on standard error.
            let _ = thread.join();
        }
    }
}

fn run(todo: &Receiver<Task>, events: &Events) {
    let mut sockets = BTreeMap::new();
    while let Ok(task) = todo.recv() {
        match task {
            Task::Join(membership, joiner) => {
                let joined = joiner.join(membership.group, membership.source);
                let joined = joined.map(|socket| drop(sockets.insert(membership.clone(), socket)));
                let joined = joined.map_err(|error| NotJoined::Refused(Arc::new(error)));
                // With a full queue of events the membership counts as not yet joined.
                let _ = events.push(PollerEvent::GroupJoined { membership, joined });
            }
            Task::Leave(membership) => drop(sockets.remove(&membership)),
            Task::Forget { port } => sockets.retain(|membership, _| membership.port != port),
        }
    }
}
