//! The dataplane as the control thread sees it.

use std::collections::HashSet;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use onair_dpdk::{Eal, Hardware, LinkStatus, Memory, Port, PortConfig, PortStats};
use onair_mutant::mutant;

use super::command::{Command, EventReceiver, Events, Outbox, PollerEvent, PortQueues};
use super::config::{DataplaneConfig, DataplaneError, Idle, PortInfo, PortJournal, PortSpec};
use super::poller::PollerHandle;
use super::port::PollerPort;
use super::reopening::{Reopen, Reopening};
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
    ports: Vec<PortSlot>,
    infos: Vec<PortInfo>,
    eal: Option<Arc<Eal>>,
    events: Arc<Events>,
    journal: Arc<dyn PortJournal>,
    without_iommu: bool,
}

/// A configured port, with or without its device.
#[derive(Debug)]
struct PortSlot {
    spec: PortSpec,
    config: PortConfig,
    state: PortState,
    counters: Arc<PortCounters>,
    /// The state of the link that was last published.
    published_up: bool,
    /// The poller still has to get the queues: it took no commands.
    is_unserved: bool,
}

#[derive(Debug)]
enum PortState {
    Open(Port),
    /// Its device is gone, and the poller is asked for the queues.
    Unplugging(Port),
    /// A thread opens it again.
    Reopening(Reopening),
    /// That thread could not be started.
    Lost,
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
            journal: Arc::clone(&config.journal),
            without_iommu: config.eal.without_iommu,
        };
        for spec in &config.ports {
            let (slot, info) = PortSlot::open(&eal, spec, &config)?;
            plane.infos.push(info);
            plane.ports.push(slot);
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
        own.filter_map(|(info, slot)| {
            let queues = queues(slot.port()?, info.clone());
            Some(PollerPort::new(queues, Arc::clone(&slot.counters)))
        })
        .collect()
    }

    /// The ports, in the order of the configuration; of one without its device, what it was last.
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
        Some(self.find(name)?.port()?.stats())
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
        Some(self.find(name)?.port()?.link())
    }

    /// Whether the link of port `name` was up at the last [`Self::check_ports`]; `None` without a
    /// device.
    #[must_use]
    pub fn link_seen(&self, name: &str) -> Option<bool> {
        let slot = self.ports.iter().find(|slot| slot.spec.name == name)?;
        slot.port().map(|_| slot.published_up)
    }

    /// The device of port `name`.
    #[must_use]
    pub fn hardware(&self, name: &str) -> Option<&Hardware> {
        Some(self.find(name)?.port()?.hardware())
    }

    /// Checks whether the device under each port still exists and whether its link is up, with
    /// three system calls a port: no driver reports either. Queues [`PollerEvent::PortGone`] for
    /// each missing device, whose port is then opened again when the device is back, and
    /// [`PollerEvent::PortLink`] for each change of a link.
    pub fn check_ports(&mut self) {
        for (slot, info) in self.ports.iter_mut().zip(&self.infos) {
            let PortState::Open(open) = &slot.state else {
                continue;
            };
            if slot.is_unserved {
                let plug = Command::Plug(Box::new(queues(open, info.clone())));
                slot.is_unserved = self.pollers[slot.spec.poller].inbox.send(plug).is_err();
            }
            let port = slot.spec.name.clone();
            if !open.is_present() {
                let poller = &self.pollers[slot.spec.poller];
                let unplug = Command::Unplug { port: port.clone() };
                // A full queue: at the next check.
                if poller.inbox.send(unplug).is_ok() {
                    // With a full queue of events it is published by what follows.
                    let _ = self.events.push(PollerEvent::PortGone { port });
                    slot.unplugging();
                }
                continue;
            }
            let up = open.link().is_up;
            if up != slot.published_up
                && self.events.push(PollerEvent::PortLink { port, up }).is_ok()
            {
                slot.published_up = up;
            }
        }
    }

    /// The poller has given up the queues of port `name`: a thread opens it again.
    pub fn unplugged(&mut self, name: &str) {
        let (eal, events, journal) = (self.eal.clone(), &self.events, &self.journal);
        let slot = self.ports.iter_mut().find(|slot| slot.spec.name == name);
        let Some((slot, eal)) = slot.zip(eal) else {
            return;
        };
        let state = mem::replace(&mut slot.state, PortState::Lost);
        let PortState::Unplugging(port) = state else {
            slot.state = state;
            return;
        };
        let reopen = Reopen {
            eal,
            spec: slot.spec.clone(),
            config: slot.config.clone(),
            without_iommu: self.without_iommu,
            journal: Arc::clone(journal),
            events: Arc::clone(events),
        };
        match Reopening::start(reopen, port) {
            Ok(reopening) => slot.state = PortState::Reopening(reopening),
            Err(error) => {
                tracing::error!(port = name, %error, "no thread to open the port again: restart the daemon");
            }
        }
    }

    /// Port `name` is open again: its poller gets the queues.
    pub fn plug(&mut self, name: &str) {
        let mut slots = self.ports.iter_mut().zip(&mut self.infos);
        let Some((slot, known)) = slots.find(|(slot, _)| slot.spec.name == name) else {
            return;
        };
        let state = mem::replace(&mut slot.state, PortState::Lost);
        let PortState::Reopening(reopening) = state else {
            slot.state = state;
            return;
        };
        // The thread ends: opening the port was the last thing that it did.
        let Some(port) = reopening.end() else {
            return;
        };
        *known = info(&slot.spec, &port);
        let plug = Command::Plug(Box::new(queues(&port, known.clone())));
        slot.is_unserved = self.pollers[slot.spec.poller].inbox.send(plug).is_err();
        slot.published_up = true;
        slot.state = PortState::Open(port);
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

    /// Whether the device under a port is gone: packets queued for it cannot be sent.
    #[must_use]
    pub fn has_lost_a_port(&self) -> bool {
        let is_there = |slot: &PortSlot| slot.port().is_some_and(Port::is_present);
        !self.ports.iter().all(is_there)
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
                .map(|slot| (slot.spec.name.clone(), slot.counters.snapshot()))
                .collect(),
        };
        let mut result = Ok(());
        for slot in self.ports.drain(..) {
            let open = match slot.state {
                PortState::Open(port) | PortState::Unplugging(port) => Some(port),
                PortState::Reopening(reopening) => reopening.end(),
                PortState::Lost => None,
            };
            let Some(open) = open else {
                continue;
            };
            if mutant!("ports: not closed at the end") {
                mem::forget(open);
                continue;
            }
            let port = slot.spec.name;
            let closed = open.close();
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

    fn find(&self, name: &str) -> Option<&PortSlot> {
        self.ports.iter().find(|slot| slot.spec.name == name)
    }
}

impl Drop for Dataplane {
    fn drop(&mut self) {
        self.end_pollers();
    }
}

impl PortSlot {
    fn open(
        eal: &Eal,
        spec: &PortSpec,
        plane: &DataplaneConfig,
    ) -> Result<(Self, PortInfo), DataplaneError> {
        let mut config = PortConfig::new(&spec.name, &spec.device);
        config.netns.clone_from(&spec.netns);
        config.busy = plane.port_busy;
        config.xdp = spec.xdp;
        config.interrupt = plane.pollers[spec.poller].idle == Idle::Adaptive;
        let port = Port::open(eal, &config).map_err(|source| DataplaneError::Port {
            port: spec.name.clone(),
            source,
        })?;
        let info = info(spec, &port);
        let slot = Self {
            spec: spec.clone(),
            config,
            state: PortState::Open(port),
            counters: Arc::new(PortCounters::default()),
            published_up: true,
            is_unserved: false,
        };
        Ok((slot, info))
    }

    /// The port, while it has its device or the poller still has its queues.
    fn port(&self) -> Option<&Port> {
        match &self.state {
            PortState::Open(port) | PortState::Unplugging(port) => Some(port),
            PortState::Reopening(_) | PortState::Lost => None,
        }
    }

    fn unplugging(&mut self) {
        self.state = match mem::replace(&mut self.state, PortState::Lost) {
            PortState::Open(port) => PortState::Unplugging(port),
            other => other,
        };
    }
}

fn info(spec: &PortSpec, port: &Port) -> PortInfo {
    PortInfo {
        name: spec.name.clone(),
        device: spec.device.clone(),
        netns: spec.netns.clone(),
        driver: port.driver().to_owned(),
        mac: port.mac(),
        address: spec.address,
        poller: spec.poller,
        mtu: port.mtu(),
    }
}

/// The queues of a port that was just opened.
fn queues(port: &Port, info: PortInfo) -> PortQueues {
    PortQueues {
        info,
        receive: port.rx_queue().expect("a new port has its queues"),
        transmit: port.tx_queue().expect("a new port has its queues"),
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
