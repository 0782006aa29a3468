//! The dataplane as the control thread sees it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use onair_dpdk::{Eal, Hardware, LinkStatus, Memory, Port, PortConfig, PortStats};
use onair_mutant::mutant;

use super::command::{Command, EventReceiver, Events, Outbox, PollerEvent};
use super::config::{DataplaneConfig, DataplaneError, Idle, PortInfo, PortSpec};
use super::poller::PollerHandle;
use super::port::PollerPort;
use super::stats::{PollerSnapshot, PortCounters, PortSnapshot};
use crate::shutdown::{Late, ThreadRegistry};

/// Ports and pollers, from start to shutdown.
///
/// Drop stops the pollers and closes the ports. [`Dataplane::shutdown`] also returns errors and
/// totals.
#[derive(Debug)]
pub struct Dataplane {
    // Fields drop in this order.
    pollers: Vec<PollerHandle>,
    ports: Vec<OpenPort>,
    infos: Vec<PortInfo>,
    eal: Option<Arc<Eal>>,
    events: Arc<Events>,
}

#[derive(Debug)]
struct OpenPort {
    port: Port,
    counters: Arc<PortCounters>,
    is_gone_published: AtomicBool,
    /// The state of the link that was last published.
    published_up: AtomicBool,
}

/// Totals from start to shutdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Each poller, in the order of the configuration.
    pub pollers: Vec<PollerSnapshot>,
    /// Each port by name.
    pub ports: Vec<(String, PortSnapshot)>,
}

impl Dataplane {
    /// Initialises DPDK, opens the ports, starts the pollers. Blocks for some 30 ms for each AF_XDP
    /// port. Call once in a process's life, see [`Eal::init`].
    ///
    /// # Errors
    /// [`DataplaneError`]. Ports are then closed and pollers stopped.
    pub fn start(
        config: DataplaneConfig,
        threads: &ThreadRegistry,
    ) -> Result<Self, DataplaneError> {
        check(&config)?;
        let events = Events::new().map_err(|source| DataplaneError::System {
            what: "make an eventfd",
            source,
        })?;
        let eal = Arc::new(Eal::init(&config.eal).map_err(DataplaneError::Eal)?);
        let mut plane = Self {
            pollers: Vec::new(),
            ports: Vec::new(),
            infos: Vec::new(),
            eal: Some(Arc::clone(&eal)),
            events: Arc::new(events),
        };
        for spec in &config.ports {
            let open = OpenPort::open(&eal, spec, &config)?;
            plane.infos.push(open.info(spec));
            plane.ports.push(open);
        }
        for (index, spec) in config.pollers.iter().enumerate() {
            let ports = plane.poller_ports(index);
            let outbox = Outbox::new(Arc::clone(&plane.events));
            plane.pollers.push(PollerHandle::start(
                &eal, index, spec, ports, outbox, threads,
            )?);
        }
        Ok(plane)
    }

    fn poller_ports(&self, poller: usize) -> Vec<PollerPort> {
        let own = self
            .infos
            .iter()
            .zip(&self.ports)
            .filter(|(info, _)| info.poller == poller);
        own.map(|(info, open)| {
            let rx = open.port.rx_queue().expect("each port is given out once");
            let tx = open.port.tx_queue().expect("each port is given out once");
            PollerPort::new(info.clone(), rx, tx, Arc::clone(&open.counters))
        })
        .collect()
    }

    /// The open ports, in the order of the configuration.
    #[must_use]
    pub fn ports(&self) -> &[PortInfo] {
        &self.infos
    }

    /// DPDK's version, such as `22.11.11`.
    #[must_use]
    pub fn dpdk_version(&self) -> String {
        let text = self.eal.as_ref().map(|eal| eal.version());
        let text = text.unwrap_or_default();
        text.strip_prefix("DPDK ").unwrap_or(&text).to_owned()
    }

    /// Whether DPDK uses hugepages.
    #[must_use]
    pub fn has_hugepages(&self) -> bool {
        let memory = self.eal.as_ref().map(|eal| eal.memory());
        matches!(memory, Some(Memory::Huge { .. }))
    }

    /// The driver's counters of port `name`. Makes a few system calls.
    #[must_use]
    pub fn port_stats(&self, name: &str) -> Option<PortStats> {
        Some(self.find(name)?.port.stats())
    }

    /// The poller's counters of port `name`.
    #[must_use]
    pub fn port_counters(&self, name: &str) -> Option<PortSnapshot> {
        Some(self.find(name)?.counters.snapshot())
    }

    /// Counters of poller `index`.
    #[must_use]
    pub fn poller_counters(&self, index: usize) -> Option<PollerSnapshot> {
        Some(self.pollers.get(index)?.counters.snapshot())
    }

    /// Turns made so far by each poller. Wakes sleeping pollers, so that each working poller makes
    /// one more turn.
    pub fn turns(&self) -> Vec<u64> {
        let turns = |poller: &PollerHandle| {
            let turns = poller.counters.snapshot().turns;
            poller.inbox.wake();
            turns
        };
        self.pollers.iter().map(turns).collect()
    }

    /// The link of port `name` as it is now. Makes a few system calls.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<LinkStatus> {
        Some(self.find(name)?.port.link())
    }

    /// The device of port `name`.
    #[must_use]
    pub fn hardware(&self, name: &str) -> Option<&Hardware> {
        Some(self.find(name)?.port.hardware())
    }

    /// Checks whether the interface under each port still exists and whether its link is up, with
    /// three system calls a port: no driver reports either. Queues [`PollerEvent::PortGone`] once
    /// for each missing interface, and [`PollerEvent::PortLink`] for each change of a link.
    pub fn check_ports(&self) {
        for open in &self.ports {
            if open.is_gone_published.load(Ordering::Relaxed) {
                continue;
            }
            let port = open.port.name().to_owned();
            if !open.port.is_present() {
                let published = self.events.push(PollerEvent::PortGone { port }).is_ok();
                open.is_gone_published.store(published, Ordering::Relaxed);
                continue;
            }
            let up = open.port.link().is_up;
            if up != open.published_up.load(Ordering::Relaxed)
                && self.events.push(PollerEvent::PortLink { port, up }).is_ok()
            {
                open.published_up.store(up, Ordering::Relaxed);
            }
        }
    }

    /// Sends a command to poller `poller` and wakes it.
    ///
    /// # Errors
    /// Returns the command: there is no such poller, the poller has died, or its queue is full.
    pub fn send(&self, poller: usize, command: Command) -> Result<(), Command> {
        match self.pollers.get(poller) {
            Some(handle) => handle.inbox.send(command),
            None => Err(command),
        }
    }

    /// The event queue of all pollers. It stays readable after shutdown.
    #[must_use]
    pub fn events(&self) -> EventReceiver {
        EventReceiver(Arc::clone(&self.events))
    }

    /// Tells each poller to transmit its buffers, and waits.
    ///
    /// # Errors
    /// [`Late`]: the pollers whose buffers were not empty after `timeout`.
    pub fn flush(&self, threads: &ThreadRegistry, timeout: Duration) -> Result<(), Late> {
        let wake = || self.pollers.iter().for_each(|poller| poller.inbox.wake());
        let names = self.pollers.iter().map(|poller| poller.name.as_str());
        threads.flush(names, timeout, wake).map(drop)
    }

    /// Whether the interface under a port is gone: packets queued for it cannot be sent.
    #[must_use]
    pub fn has_lost_a_port(&self) -> bool {
        self.ports.iter().any(|open| !open.port.is_present())
    }

    /// Stops the pollers, closes the ports, cleans up DPDK. Running sessions come back unchanged as
    /// events. Blocks for some 10 ms for each AF_XDP port.
    ///
    /// # Errors
    /// The first failure. The remaining steps still run.
    pub fn shutdown(mut self) -> Result<Summary, DataplaneError> {
        self.end_pollers();
        let summary = Summary {
            pollers: self
                .pollers
                .iter()
                .map(|poller| poller.counters.snapshot())
                .collect(),
            ports: self
                .ports
                .iter()
                .map(|open| (open.port.name().to_owned(), open.counters.snapshot()))
                .collect(),
        };
        let mut result = Ok(());
        for open in self.ports.drain(..) {
            if mutant!("ports: not closed at the end") {
                std::mem::forget(open);
                continue;
            }
            let port = open.port.name().to_owned();
            let closed = open.port.close();
            result = result.and(closed.map_err(|source| DataplaneError::Close { port, source }));
        }
        if let Some(eal) = self.eal.take().and_then(Arc::into_inner) {
            result = result.and(eal.cleanup().map_err(DataplaneError::Eal));
        }
        result.map(|()| summary)
    }

    fn end_pollers(&mut self) {
        self.pollers.iter().for_each(|poller| poller.inbox.stop());
        self.pollers.iter_mut().for_each(PollerHandle::join);
    }

    fn find(&self, name: &str) -> Option<&OpenPort> {
        self.ports.iter().find(|open| open.port.name() == name)
    }
}

impl Drop for Dataplane {
    fn drop(&mut self) {
        self.end_pollers();
    }
}

impl OpenPort {
    fn open(eal: &Eal, spec: &PortSpec, plane: &DataplaneConfig) -> Result<Self, DataplaneError> {
        let mut port = PortConfig::new(&spec.name, &spec.device);
        port.netns.clone_from(&spec.netns);
        port.busy = plane.port_busy;
        port.interrupt = plane.pollers[spec.poller].idle == Idle::Adaptive;
        let port = Port::open(eal, &port).map_err(|source| DataplaneError::Port {
            port: spec.name.clone(),
            source,
        })?;
        let counters = Arc::new(PortCounters::default());
        Ok(Self {
            port,
            counters,
            is_gone_published: AtomicBool::new(false),
            published_up: AtomicBool::new(true),
        })
    }

    fn info(&self, spec: &PortSpec) -> PortInfo {
        PortInfo {
            name: spec.name.clone(),
            device: spec.device.clone(),
            netns: spec.netns.clone(),
            driver: self.port.driver().to_owned(),
            mac: self.port.mac(),
            address: spec.address,
            poller: spec.poller,
            mtu: self.port.mtu(),
        }
    }
}

/// Checks the configuration before DPDK starts: DPDK starts only once in a process.
fn check(config: &DataplaneConfig) -> Result<(), DataplaneError> {
    let mut names = HashSet::new();
    for port in &config.ports {
        if !names.insert(&port.name) {
            return Err(DataplaneError::PortTwice(port.name.clone()));
        }
        if port.address.1 > 32 {
            return Err(DataplaneError::Prefix {
                port: port.name.clone(),
                prefix: port.address.1,
            });
        }
        if port.poller >= config.pollers.len() {
            return Err(DataplaneError::UnknownPoller {
                port: port.name.clone(),
                poller: port.poller,
                pollers: config.pollers.len(),
            });
        }
    }
    Ok(())
}
