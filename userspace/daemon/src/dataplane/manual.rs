//! A poller without a thread.

use std::sync::Arc;

use onair_dpdk::{RxQueue, TxQueue};

use super::command::{Command, EventReceiver, Events, Inbox, Outbox};
use super::config::{DataplaneError, PortInfo};
use super::poller::{Poller, monotonic_ns};
use super::port::PollerPort;
use crate::shutdown::ThreadRegistry;

/// A poller whose turns its owner makes, on its own thread, as a polling thread makes them: for
/// whoever measures what a turn costs. The thread should be an
/// [`onair_dpdk::RegisteredThread`].
pub struct ManualPoller {
    poller: Poller,
    inbox: Arc<Inbox>,
    events: Arc<Events>,
}

impl ManualPoller {
    /// A poller of these ports, without sessions.
    ///
    /// # Errors
    /// [`DataplaneError::System`]: out of descriptors.
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
        let ports = ports.into_iter().map(|(info, rx, tx)| {
            let counters = Arc::default();
            PollerPort::new(info, rx, tx, counters)
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

    /// Tells it to do something in its next turn.
    ///
    /// # Errors
    /// The command, if too many wait.
    pub fn send(&self, command: Command) -> Result<(), Command> {
        self.inbox.send(command)
    }

    /// What it has to say.
    #[must_use]
    pub fn events(&self) -> EventReceiver {
        EventReceiver(Arc::clone(&self.events))
    }

    /// One turn: commands, up to 256 packets of each port, what is due. Whether there was something
    /// to do.
    pub fn turn(&mut self) -> bool {
        self.poller.turn(monotonic_ns())
    }

    /// Packets that it took from its ports and gave to them, so far.
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
