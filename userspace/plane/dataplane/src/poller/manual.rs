//! A poller without a thread.

use std::net::SocketAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use onair_dpdk::{RxQueue, TxQueue};
use onair_net::datagram::Datagram;
use onair_net::ends::Ends;
use onair_workers::ThreadRegistry;

use crate::config::{DataplaneError, PortInfo};
use crate::flow::arrival::{Arrival, Packet, RX_BURST};
use crate::groups::QueryInbox;
use crate::messages::command::Command;
use crate::messages::events::{EventReceiver, Events, Outbox};
use crate::messages::inbox::Inbox;
use crate::poller::{Poller, PollerHandle, monotonic_ns};
use crate::port::{NoSession, PollerPort};
use crate::port_queues::PortQueues;

/// A poller without a thread: its owner calls each turn, and the turn does what a polling thread
/// does. For benchmarks of a turn and for simulated machines. With ports that have a device, the calling thread should be an
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
        let shared = (Arc::clone(&inbox), Arc::clone(&events));
        Ok(Self::of(0, ports.collect(), shared, threads, "manual"))
    }

    /// Poller `index` of a dataplane, of its `ports`.
    pub(crate) fn of(
        index: usize,
        ports: Vec<PollerPort>,
        (inbox, events): (Arc<Inbox>, Arc<Events>),
        threads: &ThreadRegistry,
        name: &str,
    ) -> Self {
        let outbox = Outbox::new(Arc::clone(&events));
        let shared = (Arc::clone(&inbox), outbox);
        Self {
            poller: Poller::without_thread(index, ports, shared, threads.register(name)),
            inbox,
            events,
        }
    }

    /// The handle that the dataplane keeps of it.
    pub(crate) fn handle(&self, name: &str) -> PollerHandle {
        let inbox = Arc::clone(&self.inbox);
        let counters = Arc::clone(&self.poller.counters);
        PollerHandle::without_thread(inbox, counters, name)
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
        self.turn_at(monotonic_ns())
    }

    /// As [`Self::turn`], at this time of `CLOCK_MONOTONIC`.
    pub fn turn_at(&mut self, now_ns: u64) -> bool {
        self.poller.turn(now_ns)
    }

    /// Datagrams from `source` to `destination` arrive at its port `name`. Those that no session here receives are lost.
    pub fn deliver(
        &mut self,
        name: &str,
        (source, destination): (SocketAddr, SocketAddr),
        payloads: &[Vec<u8>],
        now_ns: u64,
    ) {
        let Poller {
            ports, sessions, ..
        } = &mut self.poller;
        let Some(port) = ports.iter().position(|it| it.info.name == name) else {
            return;
        };
        for burst in payloads.chunks(RX_BURST) {
            let packets = burst.iter().enumerate().map(|(at, payload)| Packet {
                datagram: Datagram {
                    ends: Ends::new(source, destination),
                    payload,
                },
                frame: payload,
                at,
            });
            let packets: ArrayVec<_, RX_BURST> = packets.collect();
            let mut none = NoSession {
                packets: &mut ArrayVec::new(),
                share: ports[port].share.as_ref(),
            };
            sessions.deliver(port, &packets, Arrival::at(now_ns), &mut none);
        }
    }

    /// It panics with `message`, as a polling thread does: it reports that, and hands back what it has.
    pub fn panic_at(&mut self, message: &str, now_ns: u64) {
        self.poller.died(message.to_owned());
        self.poller.end(now_ns);
    }

    /// Packets received from and given to its ports so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.poller.packets()
    }
}

impl Drop for ManualPoller {
    fn drop(&mut self) {
        self.poller.end(monotonic_ns());
    }
}

impl std::fmt::Debug for ManualPoller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManualPoller").finish_non_exhaustive()
    }
}
