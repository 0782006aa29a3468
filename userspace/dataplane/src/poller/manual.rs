//! A poller without a thread.

use std::sync::Arc;

use onair_dpdk::{RxQueue, TxQueue};
use onair_workers::ThreadRegistry;

use crate::config::{DataplaneError, PortInfo};
use crate::groups::queries::QueryInbox;
use crate::messages::command::Command;
use crate::messages::events::{EventReceiver, Events, Outbox};
use crate::messages::inbox::Inbox;
use crate::poller::{Poller, monotonic_ns};
use crate::port::PollerPort;
use crate::port_queues::PortQueues;

/// A poller without a thread: its owner calls each turn, and the turn does what a polling thread
/// does. For benchmarks of a turn. The calling thread should be an
/// [`onair_dpdk::RegisteredThread`].
pub struct ManualPoller {
    poller: Poller,
    inbox: Arc<Inbox>,
    events: Arc<Events>,
}

impl ManualPoller {
    /// A poller of these ports, with no sessions.
    ///
    /// # Errors
    /// [`DataplaneError::System`]: no descriptors left.
    pub fn new(
        ports: Vec<(PortInfo, RxQueue, TxQueue)>,
        threads: &ThreadRegistry,
    ) -> Result<Self, DataplaneError> {
        let system = |source| DataplaneError::System {
            what: "make an eventfd",
            source,
        };
        let inbox = Arc::new(Inbox::new().map_err(system)?);
        let events = Arc::new(Events::new().map_err(system)?);
        let ports = ports.into_iter().map(|(info, receive, transmit)| {
            let queues = PortQueues {
                info,
                queues: Some((receive, transmit)),
            };
            let queries = Arc::new(QueryInbox::new(Arc::clone(&events)));
            PollerPort::new(queues, <_>::default(), None, queries)
        });
        let poller = Poller::without_thread(
            ports.collect(),
            Arc::clone(&inbox),
            Outbox::new(Arc::clone(&events)),
            threads.register("manual"),
        );
        Ok(Self {
            poller,
            inbox,
            events,
        })
    }

    /// Queues a command for the next turn.
    ///
    /// # Errors
    /// Returns the command if the queue is full.
    pub fn send(&self, command: Command) -> Result<(), Command> {
        self.inbox.send(command)
    }

    /// The next event.
    #[must_use]
    pub fn events(&self) -> EventReceiver {
        EventReceiver(Arc::clone(&self.events))
    }

    /// Runs one turn: commands, up to 256 packets of each port, and what is due. Returns whether it
    /// had work.
    pub fn turn(&mut self) -> bool {
        self.poller.turn(monotonic_ns())
    }

    /// Packets received from and given to its ports so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.poller.packets()
    }
}

impl Drop for ManualPoller {
    fn drop(&mut self) {
        self.poller.end();
    }
}

impl std::fmt::Debug for ManualPoller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManualPoller").finish_non_exhaustive()
    }
}
