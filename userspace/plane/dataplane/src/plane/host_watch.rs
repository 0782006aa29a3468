//! The thread that asks the kernel about ports' networks: for neighbours, for its own addresses, for queries that it got.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use onair_dpdk::PortFilter;
use onair_net::igmp::Query;

use crate::addresses::PortAddresses;
use crate::config::PortSpec;
use crate::groups::QueryInbox;
use crate::host::{HostShare, QUESTIONS};
use crate::messages::command::Command;
use crate::messages::inbox::Inbox;

/// Between two looks at addresses and queries.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks at a neighbour that the kernel resolves, and until a poller asks again.
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_millis(150);
/// Looks after which the sessions of a process before have started again, or will not.
const INHERITED_LOOKS: u32 = 30;

/// A port of which the thread knows.
#[derive(Debug)]
pub(crate) struct Watched {
    name: String,
    addresses: PortAddresses,
    /// The port's: the thread keeps no program on an interface.
    filter: Weak<PortFilter>,
    share: Arc<HostShare>,
    queries: Arc<QueryInbox>,
    /// By the index of the poller.
    inboxes: Vec<Arc<Inbox>>,
    asked: Vec<(usize, IpAddr, Instant)>,
    looks: u32,
    /// When the last query of IGMP, and of MLD, came.
    queried_ns: [u64; 2],
}

impl Watched {
    pub(crate) fn new(
        spec: &PortSpec,
        filter: &Arc<PortFilter>,
        (share, queries): (&Arc<HostShare>, &Arc<QueryInbox>),
        inboxes: Vec<Arc<Inbox>>,
    ) -> Self {
        Self {
            name: spec.name.clone(),
            addresses: spec.addresses,
            filter: Arc::downgrade(filter),
            share: Arc::clone(share),
            queries: Arc::clone(queries),
            inboxes,
            asked: Vec::new(),
            looks: 0,
            queried_ns: [0; 2],
        }
    }

    /// Answers the pollers. Returns whether an answer is still to come.
    fn resolve(&mut self, filter: &PortFilter, now: Instant) -> bool {
        // Pollers may go on to ask.
        for (poller, address) in std::iter::from_fn(|| self.share.question()).take(QUESTIONS) {
            self.asked.retain(|it| (it.0, it.1) != (poller, address));
            self.asked.push((poller, address, now + PATIENCE));
        }
        self.asked.retain(|(poller, address, until)| {
            let Some(mac) = filter.neighbour(*address) else {
                return now < *until;
            };
            let resolved = Command::Resolved {
                port: self.name.clone(),
                address: *address,
                mac,
            };
            // With a full queue it asks again.
            let _ = self.inboxes[*poller].send(resolved);
            false
        });
        !self.asked.is_empty()
    }

    fn look(&mut self, filter: &PortFilter) {
        for (address, has) in filter.look() {
            if self.share.set_has(address, has) {
                let answers = if has { "the kernel" } else { "the port" };
                tracing::info!(port = self.name, %address, "{answers} answers for the address");
            }
        }
        for (at_ns, packet) in filter.queries() {
            let is_ipv6 = packet.first().is_some_and(|it| it >> 4 == 6);
            let last_ns = &mut self.queried_ns[usize::from(is_ipv6)];
            if std::mem::replace(last_ns, at_ns) == at_ns {
                continue;
            }
            let own = self.addresses.ipv4.map_or(Ipv4Addr::UNSPECIFIED, |it| it.0);
            let query = match (is_ipv6, self.addresses.ipv6) {
                (false, _) => Query::parse(&packet, own),
                (true, Some((own, _))) => Query::parse_mld(&packet, own),
                (true, None) => continue,
            };
            // One that was overwritten meanwhile is none; the next one comes.
            if let Ok(query) = query {
                self.queries.push(query);
            }
        }
        self.looks = self.looks.saturating_add(1);
        if self.looks == INHERITED_LOOKS {
            filter.forget_inherited();
        }
    }
}

/// The thread, once it was needed.
#[derive(Debug, Default)]
pub(crate) struct HostWatch(Option<(Sender<Watched>, JoinHandle<()>)>);

impl HostWatch {
    /// Watches a port, in the place of what it was before, until it is closed.
    pub(crate) fn add(&mut self, port: Watched) {
        if self.0.is_none() {
            let (ports, added) = mpsc::channel();
            let thread = thread::Builder::new().name("onair-host".to_owned());
            match thread.spawn(move || run(&added)) {
                Ok(thread) => self.0 = Some((ports, thread)),
                Err(error) => {
                    tracing::error!(port = port.name, %error, "no thread to ask the kernel for neighbours: restart the daemon");
                }
            }
        }
        if let Some((ports, thread)) = &self.0 {
            port.share.set_thread(thread.thread());
            // It ends with the sender.
            let _ = ports.send(port);
            thread.thread().unpark();
        }
    }
}

impl Drop for HostWatch {
    fn drop(&mut self) {
        if let Some((ports, thread)) = self.0.take() {
            drop(ports);
            thread.thread().unpark();
            // Its panic is on standard error.
            let _ = thread.join();
        }
    }
}

fn run(added: &Receiver<Watched>) {
    let mut ports: Vec<Watched> = Vec::new();
    let mut look_at = Instant::now();
    loop {
        loop {
            match added.try_recv() {
                Ok(port) => {
                    ports.retain(|it| it.name != port.name);
                    ports.push(port);
                    look_at = Instant::now();
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let now = Instant::now();
        let looks = now >= look_at;
        let mut waits = false;
        for port in &mut ports {
            let Some(filter) = port.filter.upgrade() else {
                continue;
            };
            if looks {
                port.look(&filter);
            }
            waits |= port.resolve(&filter, now);
        }
        if looks {
            look_at = now + LOOK;
        }
        let rest = look_at.saturating_duration_since(now);
        thread::park_timeout(if waits { rest.min(PAUSE) } else { rest });
    }
}
