//! The dataplane as the control thread sees it.

pub(crate) mod closing;
pub(crate) mod early;
pub(crate) mod host_watch;
mod manual;
pub(crate) mod placement;
pub(crate) mod reopening;
pub(crate) mod slot;

use std::collections::HashSet;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_dpdk::{Eal, Hardware, LinkStatus, Memory, Port, PortStats};
use onair_workers::{Late, ThreadRegistry};

use crate::addresses::{Joined, KernelMembership};
use crate::clock::MediaClock;
use crate::config::{DataplaneConfig, DataplaneError, PortInfo, PortJournal};
use crate::flow::ReceivedFlow;
use crate::groups::GroupState;
use crate::groups::kernel::KernelGroups;
use crate::messages::command::Command;
use crate::messages::events::{EventReceiver, Events, Outbox};
use crate::messages::inbox::Inbox;
use crate::plane::closing::{EndPort, close_all};
use crate::plane::early::EarlyPorts;
use crate::plane::host_watch::HostWatch;
use crate::plane::placement::{Load, Placement};
use crate::plane::reopening::Reopen;
use crate::plane::slot::{Cause, PortSlot};
use crate::poller::pulse::PulseChange;
use crate::poller::{PollerHandle, priority};
use crate::port::unclaimed::UnclaimedFlow;
use crate::runtime::Runtime;
use crate::stats::{PollerSnapshot, PortSnapshot};

/// Time for the pollers of a dataplane that is dropped to end.
const DROPPED: Duration = Duration::from_secs(10);

/// Ports and pollers, from start to shutdown.
///
/// Drop stops the pollers and closes the ports. [`Dataplane::shutdown`] also returns errors and
/// totals.
#[derive(Debug)]
pub struct Dataplane {
    // Fields drop in this order.
    /// The pollers of the configuration.
    pollers: Vec<PollerHandle>,
    ports: Vec<PortSlot>,
    infos: Vec<PortInfo>,
    /// Load of each poller.
    pub(crate) loads: Vec<Load>,
    eal: Option<Arc<Eal>>,
    clock: Arc<MediaClock>,
    kernel_groups: KernelGroups,
    host_watch: HostWatch,
    pub(crate) events: Arc<Events>,
    journal: Arc<dyn PortJournal>,
    /// The pollers' cores.
    pub(crate) cores: Vec<usize>,
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
    /// Opens the ports that are not open already, starts the pollers. Blocks for some 30 ms for each AF_XDP port.
    ///
    /// # Errors
    /// [`DataplaneError`]. Ports are then closed and pollers stopped.
    pub fn start(
        mut early: EarlyPorts,
        config: DataplaneConfig,
        threads: &ThreadRegistry,
    ) -> Result<Self, DataplaneError> {
        check(&config)?;
        let events = Events::new().map_err(|source| DataplaneError::System {
            what: "make an eventfd",
            source,
        })?;
        let events = Arc::new(events);
        let eal = Arc::clone(&early.eal);
        let mut plane = Self {
            pollers: Vec::new(),
            ports: Vec::new(),
            infos: Vec::new(),
            loads: config.pollers.iter().map(|_| Load::default()).collect(),
            eal: Some(Arc::clone(&eal)),
            clock: Arc::new(MediaClock::of_kernel()),
            kernel_groups: KernelGroups::new(Arc::clone(&events)),
            host_watch: HostWatch::default(),
            events,
            journal: Arc::clone(&config.journal),
            cores: config.pollers.iter().map(|it| it.core).collect(),
        };
        let inboxes = config.pollers.iter().map(|_| Inbox::new().map(Arc::new));
        let inboxes =
            inboxes
                .collect::<Result<Vec<_>, _>>()
                .map_err(|source| DataplaneError::System {
                    what: "make an eventfd",
                    source,
                })?;
        for spec in &config.ports {
            let open = (&*eal, early.take(spec));
            let (slot, info) =
                PortSlot::open(open, spec, &config, &inboxes, (&plane.events, &plane.clock))?;
            plane.infos.push(info);
            plane.ports.push(slot);
        }
        let shares = priority::is_confined_to(&plane.cores);
        for (index, (spec, inbox)) in config.pollers.iter().zip(inboxes).enumerate() {
            let slots = plane.ports.iter().zip(&plane.infos);
            let ports = slots.filter_map(|(slot, info)| slot.poller_port(info, index));
            let ports = ports.collect();
            let outbox = Outbox::new(Arc::clone(&plane.events));
            plane.pollers.push(PollerHandle::start(
                &eal,
                index,
                spec,
                ports,
                (inbox, outbox),
                threads,
                shares,
            )?);
        }
        for slot in &mut plane.ports {
            slot.join_own(&mut plane.kernel_groups);
            slot.watch(&plane.pollers, &mut plane.host_watch);
        }
        Ok(plane)
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

    /// The counters of port `name`, of all its pollers together.
    #[must_use]
    pub fn port_counters(&self, name: &str) -> Option<PortSnapshot> {
        Some(self.find(name)?.counted())
    }

    /// Flows that arrive at port `name` and no running session claims: at most 64 flows a poller, the busiest first.
    #[must_use]
    pub fn unclaimed(&self, name: &str) -> Vec<UnclaimedFlow> {
        self.find(name).map(PortSlot::unclaimed).unwrap_or_default()
    }

    /// The core of poller `index`.
    #[must_use]
    pub fn core(&self, index: usize) -> Option<usize> {
        self.cores.get(index).copied()
    }

    /// Counters of poller `index`.
    #[must_use]
    pub fn poller_counters(&self, index: usize) -> Option<PollerSnapshot> {
        Some(self.pollers.get(index)?.counters.snapshot())
    }

    /// Looks whether each poller makes turns, and wakes it for the next look. Returns what has
    /// changed, by its number. Call it a few times a second.
    pub fn look_at_turns(&mut self, now: Instant) -> Vec<(usize, PulseChange)> {
        let pollers = self.pollers.iter_mut().enumerate();
        let looked = pollers.filter_map(|(index, poller)| Some((index, poller.look(now)?)));
        looked.collect()
    }

    /// Since when a poller makes no turn; `None`: it makes turns, or has died.
    #[must_use]
    pub fn stalled_since(&self, poller: usize) -> Option<Instant> {
        self.pollers.get(poller)?.stalled_since()
    }

    /// Whether a poller has made no turn for so long, 5 s, that it is waited for no more.
    #[must_use]
    pub fn is_lost(&self, poller: usize) -> bool {
        self.pollers.get(poller).is_some_and(PollerHandle::is_lost)
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
        self.find(name)?.published_up()
    }

    /// The MTU that the interface under port `name` has now, if there is one. A few system calls.
    #[must_use]
    pub fn interface_mtu(&self, name: &str) -> Option<u32> {
        self.find(name)?.port()?.interface_mtu()
    }

    /// The device of port `name`.
    #[must_use]
    pub fn hardware(&self, name: &str) -> Option<&Hardware> {
        Some(self.find(name)?.port()?.hardware())
    }

    /// The clock of send sessions.
    #[must_use]
    pub const fn clock(&self) -> &Arc<MediaClock> {
        &self.clock
    }

    /// Checks whether the device under each port still exists and whether its link is up, with
    /// three system calls a port: no driver reports either. Queues [`PollerEvent::PortGone`] for
    /// each missing device, whose port is then opened again when the device is back, and
    /// [`PollerEvent::PortLink`] for each change of a link.
    pub fn check_ports(&mut self) {
        for (slot, info) in self.ports.iter_mut().zip(&self.infos) {
            slot.check(info, &self.pollers, &self.events);
        }
    }

    /// Poller `poller` has given up its queues of port `name`: when all have, a thread opens it again.
    pub fn unplugged(&mut self, name: &str, poller: usize) {
        let slot = self.ports.iter_mut().find(|slot| slot.name() == name);
        if let Some((slot, eal)) = slot.zip(self.eal.as_ref()) {
            let reopen = Reopen {
                eal: Arc::clone(eal),
                spec: slot.spec().clone(),
                config: slot.config().clone(),
                journal: Arc::clone(&self.journal),
                events: Arc::clone(&self.events),
            };
            slot.unplugged(poller, reopen);
        }
    }

    /// Port `name` is open again: its pollers get the queues. Returns whether its device was gone: else its link was
    /// down.
    pub fn plug(&mut self, name: &str) -> bool {
        let mut slots = self.ports.iter_mut().zip(&mut self.infos);
        let slot = slots.find(|(slot, _)| slot.name() == name);
        let cause = slot.and_then(|(slot, info)| {
            let cause = slot.plug(info, &self.pollers, &mut self.kernel_groups);
            slot.watch(&self.pollers, &mut self.host_watch);
            cause
        });
        cause == Some(Cause::Gone)
    }

    /// Whether `poller` has a queue to send with on `port`.
    #[must_use]
    pub fn sends(&self, port: &PortInfo, poller: usize) -> bool {
        let slot = self.find(&port.name);
        slot.is_some_and(|slot| slot.senders(port).contains(&poller))
    }

    /// Places a session of `bytes_per_second` on one of the pollers of `port` for which `works` is
    /// true: the one with the least load. One that sends needs a transmit queue. `None` if there is
    /// no such poller.
    #[must_use]
    pub fn place(
        &self,
        port: &PortInfo,
        sends: bool,
        bytes_per_second: u64,
        works: impl Fn(usize) -> bool,
    ) -> Option<Placement> {
        let senders = || Some(self.find(&port.name)?.senders(port));
        let pollers = if sends {
            senders().unwrap_or_default()
        } else {
            port.pollers.clone()
        };
        let pollers = pollers.into_iter().filter(|poller| works(*poller));
        Placement::on_one_of(pollers, &self.loads, bytes_per_second)
    }

    /// Places a session without a port on one of the pollers for which `works` is true: the one with the least load,
    /// to which it adds none. `None` if there is no such poller.
    #[must_use]
    pub fn place_local(&self, works: impl Fn(usize) -> bool) -> Option<Placement> {
        let pollers = (0..self.pollers.len()).filter(|poller| works(*poller));
        Placement::on_one_of(pollers, &self.loads, 0)
    }

    /// Sends a command to poller `poller` and wakes it.
    ///
    /// # Errors
    /// Returns the command: there is no such poller, the poller has died, or its queue is full.
    pub fn send(&mut self, poller: usize, command: Command) -> Result<(), Command> {
        let Some(handle) = self.pollers.get(poller) else {
            return Err(command);
        };
        match command {
            Command::Start(runtime) => {
                let inbox = Arc::clone(&handle.inbox);
                self.start_session(poller, &inbox, runtime)
            }
            other => handle.inbox.send(other),
        }
    }

    /// Sends a session to its poller, and its flow to that poller from all others of the port.
    fn start_session(
        &mut self,
        poller: usize,
        inbox: &Inbox,
        runtime: Box<Runtime>,
    ) -> Result<(), Command> {
        let legs = runtime.ports().into_iter().zip(runtime.listens_to());
        for (port, flow) in legs.filter_map(|(port, flow)| port.zip(flow)) {
            self.claim(port, flow, poller, runtime.session());
        }
        inbox.send(Command::Start(runtime)).inspect_err(|command| {
            if let Command::Start(runtime) = command {
                self.returned(runtime);
            }
        })
    }

    /// A poller gave `runtime` back, or did not take it: its flows are free. Call it for each that
    /// comes back in an event.
    pub fn returned(&mut self, runtime: &Runtime) {
        for port in runtime.ports().into_iter().flatten() {
            self.release(port, runtime.session(), None);
        }
    }

    /// A running session is to receive `flow`, too: all pollers of port `name` give its packets to
    /// `poller`, and to those of the other sessions that receive it.
    pub fn claim(&mut self, name: &str, flow: ReceivedFlow<'_>, poller: usize, session: u64) {
        if let Some(slot) = self.ports.iter_mut().find(|slot| slot.name() == name) {
            slot.claim(flow, poller, session);
        }
    }

    /// A session has no flow of port `name` any more, or `kept` alone.
    pub fn release(&mut self, name: &str, session: u64, kept: Option<ReceivedFlow<'_>>) {
        if let Some(slot) = self.ports.iter_mut().find(|slot| slot.name() == name) {
            slot.release(session, kept);
        }
    }

    /// A session wants these sources of `group` on port `name`; none of them means any. Call
    /// [`Self::part`] when it ends.
    pub fn join(&mut self, name: &str, session: u64, group: IpAddr, sources: &[IpAddr]) {
        if let Some(slot) = self.ports.iter_mut().find(|slot| slot.name() == name) {
            slot.join(session, group, sources, &mut self.kernel_groups);
        }
        self.serve_groups();
    }

    /// A session wants no group of a port any more, or the one that `kept` says of the port's name. The last
    /// one of a group leaves it.
    pub fn part(&mut self, session: u64, kept: impl Fn(&str) -> Option<IpAddr>) {
        for slot in &mut self.ports {
            slot.part(session, kept(slot.name()), &mut self.kernel_groups);
        }
        self.serve_groups();
    }

    /// Leaves `group` on port `name`, and joins it again [`REJOINS_AFTER`](crate::REJOINS_AFTER) later, if `session` is in
    /// it. The other sessions of the group have no packets until then, either.
    pub fn rejoin(&mut self, name: &str, session: u64, group: IpAddr) {
        if let Some(slot) = self.ports.iter_mut().find(|slot| slot.name() == name) {
            slot.rejoin(session, group, &mut self.kernel_groups);
        }
        self.serve_groups();
    }

    /// The kernel's answer, from [`PollerEvent::GroupJoined`].
    pub fn joined(&mut self, membership: &KernelMembership, joined: Joined) {
        let mut slots = self.ports.iter_mut();
        if let Some(slot) = slots.find(|slot| slot.name() == membership.port) {
            slot.joined(membership, joined);
        }
    }

    /// Group `group` as port `name` has it; `None` if no session there wants it.
    #[must_use]
    pub fn membership(&self, name: &str, group: IpAddr) -> Option<GroupState> {
        self.find(name)?.membership(group)
    }

    /// How long until [`Self::serve_groups`] has work.
    #[must_use]
    pub fn groups_due(&self) -> Option<Duration> {
        let due_ns = self
            .ports
            .iter()
            .filter_map(PortSlot::groups_due_ns)
            .min()?;
        let left_ns = due_ns.saturating_sub(self.clock.monotonic_ns());
        Some(Duration::from_nanos(left_ns))
    }

    /// Answers queries about groups, and reports changes, as far as they are due.
    pub fn serve_groups(&mut self) {
        for (slot, info) in self.ports.iter_mut().zip(&self.infos) {
            slot.serve_groups(info, &self.pollers, &mut self.kernel_groups);
        }
    }

    /// The event queue of all pollers. It stays readable after shutdown.
    #[must_use]
    pub fn events(&self) -> EventReceiver {
        EventReceiver(Arc::clone(&self.events))
    }

    /// Tells each poller to transmit its buffers, and waits for those that are not lost.
    ///
    /// # Errors
    /// [`Late`]: the pollers whose buffers were not empty after `timeout`.
    pub fn flush(&self, threads: &ThreadRegistry, timeout: Duration) -> Result<(), Late> {
        let wake = || self.pollers.iter().for_each(|poller| poller.inbox.wake());
        let names = self.pollers.iter().filter(|poller| !poller.is_lost());
        let names = names.map(|poller| poller.name.as_str());
        threads.flush(names, timeout, wake).map(drop)
    }

    /// Whether the device under a port is gone: packets queued for it cannot be sent.
    #[must_use]
    pub fn has_lost_a_port(&self) -> bool {
        let is_there = |slot: &PortSlot| slot.port().is_some_and(Port::is_present);
        !self.ports.iter().all(is_there)
    }

    /// Stops the pollers, closes the ports, cleans up DPDK. Running sessions come back unchanged as
    /// events. Blocks for some 50 ms with AF_XDP ports. Names ports that are not closed after
    /// `timeout` in the log. A poller that does not end within `timeout` is left behind with its sessions and
    /// its ports; one that is lost, at once.
    ///
    /// # Errors
    /// The first failure. The remaining steps still run.
    pub fn shutdown(self, timeout: Duration) -> Result<Summary, DataplaneError> {
        self.end(timeout, Port::close)
    }

    /// As [`Self::shutdown`], for a daemon that takes over: ports that both can have ([`onair_dpdk::PortConfig::opens_beside`])
    /// stay open until this process ends, those on AF_XDP give their queues up, and all these interfaces are left as
    /// they are.
    ///
    /// # Errors
    /// As [`Self::shutdown`].
    pub fn leave(self, timeout: Duration) -> Result<Summary, DataplaneError> {
        let stays = |slot: &PortSlot| slot.config().leaves_interface();
        // What stays needs DPDK until this process ends.
        let needed = self.eal.clone().filter(|_| self.ports.iter().any(stays));
        let ended = self.end(timeout, Port::leave);
        mem::forget(needed);
        ended
    }

    fn end(mut self, timeout: Duration, end_port: EndPort) -> Result<Summary, DataplaneError> {
        let hung = self.end_pollers(timeout);
        let summary = Summary {
            pollers: self
                .pollers
                .iter()
                .map(|poller| poller.counters.snapshot())
                .collect(),
            ports: self
                .ports
                .iter()
                .map(|slot| (slot.name().to_owned(), slot.counted()))
                .collect(),
        };
        // The drop waits for none of them again.
        self.pollers.clear();
        let mut result = hung.map_or(Ok(()), Err);
        drop(mem::take(&mut self.host_watch));
        let ports = mem::take(&mut self.ports);
        result = result.and(close_all(ports, timeout, end_port));
        if let Some(eal) = self.eal.take().and_then(Arc::into_inner) {
            result = result.and(eal.cleanup().map_err(DataplaneError::Eal));
        }
        result.map(|()| summary)
    }

    /// Ends the pollers. Those that do not end within `timeout` keep their ports, which nothing may close then:
    /// they are the error.
    fn end_pollers(&mut self, timeout: Duration) -> Option<DataplaneError> {
        self.pollers.iter().for_each(|poller| poller.inbox.stop());
        let until = Instant::now() + timeout;
        let all = self.pollers.iter_mut().enumerate();
        let hung = all.filter_map(|(index, poller)| (!poller.join(until)).then_some(index));
        let hung: Vec<usize> = hung.collect();
        if hung.is_empty() {
            return None;
        }
        let has_hung = |info: &PortInfo| info.pollers.iter().any(|it| hung.contains(it));
        let slots = mem::take(&mut self.ports).into_iter().zip(&self.infos);
        let (held, free): (Vec<_>, Vec<_>) = slots.partition(|(_, info)| has_hung(info));
        self.ports = free.into_iter().map(|(slot, _)| slot).collect();
        let ports = held.iter().map(|(_, info)| info.name.clone()).collect();
        held.into_iter().for_each(|(slot, _)| mem::forget(slot));
        let pollers = hung.iter().map(|it| self.pollers[*it].name.clone());
        Some(DataplaneError::Hung {
            pollers: pollers.collect(),
            ports,
        })
    }

    fn find(&self, name: &str) -> Option<&PortSlot> {
        self.ports.iter().find(|slot| slot.name() == name)
    }
}

impl Drop for Dataplane {
    fn drop(&mut self) {
        if let Some(hung) = self.end_pollers(DROPPED) {
            tracing::error!("{hung}");
        }
    }
}

/// Checks the configuration.
fn check(config: &DataplaneConfig) -> Result<(), DataplaneError> {
    let mut names = HashSet::new();
    for port in &config.ports {
        if !names.insert(&port.name) {
            return Err(DataplaneError::PortTwice(port.name.clone()));
        }
        if let Some(prefix) = port.addresses.wrong_prefix() {
            let port = port.name.clone();
            return Err(DataplaneError::Prefix { port, prefix });
        }
        let mut pollers = HashSet::new();
        if port.pollers.is_empty() || !port.pollers.iter().all(|it| pollers.insert(it)) {
            return Err(DataplaneError::Pollers(port.name.clone()));
        }
        let unknown = port.pollers.iter().find(|it| **it >= config.pollers.len());
        if let Some(poller) = unknown {
            return Err(DataplaneError::UnknownPoller {
                port: port.name.clone(),
                poller: *poller,
                pollers: config.pollers.len(),
            });
        }
    }
    Ok(())
}
