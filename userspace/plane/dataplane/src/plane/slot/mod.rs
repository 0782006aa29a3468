//! A configured port, with or without its device.

mod groups;

use std::collections::HashMap;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;

use onair_dpdk::{Eal, FlowRule, Port, PortConfig};
use onair_mutant::mutant;

use crate::clock::MediaClock;
use crate::config::{DataplaneConfig, DataplaneError, Idle, PortInfo, PortSpec};
use crate::flow::ReceivedFlow;
use crate::groups::kernel::KernelGroups;
use crate::groups::{PortGroups, QueryInbox};
use crate::host::{HostLine, HostShare};
use crate::messages::command::Command;
use crate::messages::events::{Events, PollerEvent};
use crate::messages::inbox::Inbox;
use crate::plane::early::{EarlyPort, port_config};
use crate::plane::reopening::{Reopen, Reopening};
use crate::plane::slot::groups::TakenFlows;
use crate::poller::PollerHandle;
use crate::port::PollerPort;
use crate::port::hand_over::{HandOver, Share};
use crate::port::unclaimed::{self, UnclaimedFlow, UnclaimedFlows};
use crate::port_queues::PortQueues;
use crate::stats::{PortCounters, PortSnapshot};

/// A configured port, with or without its device.
#[derive(Debug)]
pub(crate) struct PortSlot {
    spec: PortSpec,
    config: PortConfig,
    state: PortState,
    /// Of each poller, in the order of the configuration.
    counters: Vec<Arc<PortCounters>>,
    unclaimed: Vec<Arc<UnclaimedFlows>>,
    /// Of a port with several pollers.
    hand_over: Option<Arc<HandOver>>,
    /// The device's rules.
    rules: HashMap<SocketAddr, Steered>,
    groups: PortGroups,
    /// Flows that its sessions take.
    taken: TakenFlows,
    host: Arc<HostShare>,
    /// Packets that the kernel took from its interface before the port was opened again.
    passed: PortSnapshot,
    clock: Arc<MediaClock>,
    /// The pollers that have the queues of those that died, by place.
    heirs: HashMap<usize, usize>,
    /// The state of the link that was last published.
    published_up: bool,
    /// [`PortCounters::tx_stale`] when the port was last opened.
    stale_seen: u64,
}

/// A flow's rule of the device, as long as this session or another one of its lane receives the flow.
#[derive(Debug)]
struct Steered {
    session: u64,
    lane: usize,
    _rule: FlowRule,
}

#[derive(Debug)]
enum PortState {
    Open {
        port: Port,
        /// Pollers that still have to get their queues: they took no commands, or the port was open before its
        /// sessions.
        unserved: Vec<usize>,
    },
    /// It is to be opened anew.
    Unplugging {
        port: Port,
        cause: Cause,
        /// Pollers that still have to be asked for their queues.
        unasked: Vec<usize>,
        /// Pollers that still have their queues.
        serving: Vec<usize>,
    },
    /// A thread opens it again.
    Reopening(Reopening, Cause),
    /// That thread could not be started.
    Lost,
    /// Of a simulated machine: it has no device, and its link is up.
    Simulated,
}

/// Why a port is opened anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its device is gone.
    Gone,
    /// Its link went down, and the kernel keeps packets that would be sent late.
    Stale,
}

impl PortSlot {
    /// Opens it, if it is not open already: then its pollers get its queues with [`Self::check`], once the sessions
    /// run that receive what waits in them.
    pub(crate) fn open(
        (eal, early): (&Eal, Option<EarlyPort>),
        spec: &PortSpec,
        plane: &DataplaneConfig,
        inboxes: &[Arc<Inbox>],
        (events, clock): (&Arc<Events>, &Arc<MediaClock>),
    ) -> Result<(Self, PortInfo), DataplaneError> {
        let rests = |poller: &usize| plane.pollers[*poller].idle == Idle::Adaptive;
        let config = PortConfig {
            interrupt: spec.pollers.iter().any(rests),
            ..port_config(spec, plane.port_busy)
        };
        let mut unserved = Vec::new();
        let port = match early {
            None => Port::open(eal, &config),
            Some(EarlyPort::Prepared(port)) => port.open(eal, &config),
            Some(EarlyPort::Open(port)) => {
                unserved.clone_from(&spec.pollers);
                Ok(port)
            }
        };
        let port = port.map_err(|source| DataplaneError::Port {
            port: spec.name.clone(),
            source,
        })?;
        let info = info(spec, &port);
        let state = PortState::Open { port, unserved };
        let slot = Self::new((spec, config), &info, state, inboxes, (events, clock));
        Ok((slot, info))
    }

    /// A port of a simulated machine: without a device, with a link that is up.
    pub(crate) fn without_device(
        spec: &PortSpec,
        info: &PortInfo,
        inboxes: &[Arc<Inbox>],
        (events, clock): (&Arc<Events>, &Arc<MediaClock>),
    ) -> Self {
        let config = PortConfig::new(&spec.name, &spec.device);
        Self::new(
            (spec, config),
            info,
            PortState::Simulated,
            inboxes,
            (events, clock),
        )
    }

    fn new(
        (spec, config): (&PortSpec, PortConfig),
        info: &PortInfo,
        state: PortState,
        inboxes: &[Arc<Inbox>],
        (events, clock): (&Arc<Events>, &Arc<MediaClock>),
    ) -> Self {
        let port = match &state {
            PortState::Open { port, .. } => Some(port),
            _ => None,
        };
        let queries = Arc::new(QueryInbox::new(Arc::clone(events)));
        let groups = PortGroups::new(port, info, queries);
        let lanes = spec
            .pollers
            .iter()
            .map(|poller| Arc::clone(&inboxes[*poller].poller));
        Self {
            spec: spec.clone(),
            config,
            state,
            counters: spec.pollers.iter().map(|_| Arc::default()).collect(),
            unclaimed: spec.pollers.iter().map(|_| Arc::default()).collect(),
            hand_over: (spec.pollers.len() > 1).then(|| Arc::new(HandOver::new(lanes))),
            rules: HashMap::new(),
            groups,
            taken: TakenFlows::default(),
            host: Arc::default(),
            passed: PortSnapshot::default(),
            clock: Arc::clone(clock),
            heirs: HashMap::new(),
            published_up: true,
            stale_seen: 0,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(crate) const fn spec(&self) -> &PortSpec {
        &self.spec
    }

    pub(crate) const fn config(&self) -> &PortConfig {
        &self.config
    }

    /// The port, while it has its device or a poller still has queues of it.
    pub(crate) fn port(&self) -> Option<&Port> {
        match &self.state {
            PortState::Open { port, .. } | PortState::Unplugging { port, .. } => Some(port),
            PortState::Reopening(..) | PortState::Lost | PortState::Simulated => None,
        }
    }

    /// The state of the link that was last published; `None` while the port has no device.
    pub(crate) fn published_up(&self) -> Option<bool> {
        match self.state {
            PortState::Simulated => Some(true),
            PortState::Reopening(_, Cause::Stale) => Some(false),
            _ => self.port().map(|_| self.published_up),
        }
    }

    /// The port, to be closed: its pollers have ended.
    pub(crate) fn into_port(mut self) -> Option<Port> {
        self.rules.clear();
        // Its packets go back to the port's pool.
        if let Some(hand_over) = self.hand_over {
            hand_over.clear();
        }
        match self.state {
            PortState::Open { port, .. } | PortState::Unplugging { port, .. } => Some(port),
            PortState::Reopening(reopening, _) => reopening.end(),
            PortState::Lost | PortState::Simulated => None,
        }
    }

    /// The part of the port that belongs to `poller`; `None` if it does not serve it.
    pub(crate) fn poller_port(&self, info: &PortInfo, poller: usize) -> Option<PollerPort> {
        let lane = self.lane(poller)?;
        let queues = match &self.state {
            PortState::Open { port, unserved } if unserved.is_empty() => {
                queues(port, info.clone(), lane)
            }
            _ => PortQueues {
                info: info.clone(),
                queues: None,
            },
        };
        let share = self.hand_over.as_ref();
        let share = share.map(|all| Share::new(Arc::clone(all), lane));
        let counters = Arc::clone(&self.counters[lane]);
        let unclaimed = Arc::clone(&self.unclaimed[lane]);
        let queries = Arc::clone(self.groups.queries());
        let mut port = PollerPort::new(queues, (counters, unclaimed), share, queries);
        port.neighbours.host = Some(HostLine::new(Arc::clone(&self.host), poller));
        Some(port)
    }

    /// The place of `poller` among those of the port.
    fn lane(&self, poller: usize) -> Option<usize> {
        self.spec.pollers.iter().position(|it| *it == poller)
    }

    /// The counters of all pollers together.
    pub(crate) fn counted(&self) -> PortSnapshot {
        let each = self.counters.iter().map(|it| it.snapshot());
        let all = self.passed.plus(self.passed_now());
        each.fold(all, PortSnapshot::plus)
    }

    /// Flows that arrive and no session claims, the busiest first.
    pub(crate) fn unclaimed(&self) -> Vec<UnclaimedFlow> {
        let read = self.unclaimed.iter().flat_map(|it| it.read());
        unclaimed::joined(read.chain(self.arriving_at_host()))
    }

    /// Sends a flow to `poller`, whichever queue it arrives at.
    pub(crate) fn claim(&mut self, flow: ReceivedFlow<'_>, poller: usize, session: u64) {
        self.take(flow.destination, session);
        // A poller alone knows its flows; one without the port refuses the session.
        if let Some((hand_over, lane)) = self.hand_over.as_ref().zip(self.lane(poller)) {
            hand_over.claim(flow, lane, session);
            self.steer(flow.destination, lane, session);
        }
    }

    /// Lets the device put the packets to a destination into the queue of its poller, if it can. Other
    /// pollers with sessions of the destination get its packets from that poller.
    fn steer(&mut self, flow: SocketAddr, lane: usize, session: u64) {
        if self.rules.contains_key(&flow) {
            return;
        }
        // The rules are of IPv4; pollers hand the packets of IPv6 over.
        let SocketAddr::V4(destination) = flow else {
            return;
        };
        let queue = u16::try_from(lane).unwrap_or(u16::MAX);
        let Some(port) = self
            .port()
            .filter(|_| self.spec.vlan.is_none())
            .filter(|port| queue < port.queues() && port.can_steer())
        else {
            return;
        };
        match port.steer(destination, queue) {
            Ok(rule) => {
                let steered = Steered {
                    session,
                    lane,
                    _rule: rule,
                };
                self.rules.insert(flow, steered);
            }
            Err(error) => {
                tracing::info!(port = self.spec.name, %error, "pollers hand the packets of a flow over, because the device has no rule for it");
            }
        }
    }

    /// The session has no flow any more, or `kept` alone.
    pub(crate) fn release(&mut self, session: u64, kept: Option<ReceivedFlow<'_>>) {
        if let Some(hand_over) = &self.hand_over {
            hand_over.release(session, kept);
        }
        let kept = kept.map(|it| it.destination);
        self.untake(session, kept);
        let flows = self.hand_over.as_ref().map(|all| all.flows());
        let flows = flows.unwrap_or_default();
        let mut over = Vec::new();
        self.rules.retain(|flow, rule| {
            let is_over = rule.session == session && Some(*flow) != kept;
            let mut beside = flows.iter().filter(|it| it.0 == *flow);
            match beside.find(|it| it.1 == rule.lane) {
                _ if !is_over => return true,
                Some((.., other)) => rule.session = *other,
                None => over.push(*flow),
            }
            !over.contains(flow)
        });
        for (flow, lane, session) in flows.into_iter().filter(|it| over.contains(&it.0)) {
            self.steer(flow, lane, session);
        }
    }

    /// Looks whether the device is there and its link up, and asks the pollers for the queues of a
    /// device that is gone.
    pub(crate) fn check(&mut self, info: &PortInfo, pollers: &[PollerHandle], events: &Events) {
        let name = || self.spec.name.clone();
        let stale = self.counted().tx_stale;
        match &mut self.state {
            PortState::Open { port, unserved } if port.is_present() => {
                unserved.retain(|poller| !serve(port, info, &self.spec, *poller, pollers));
                bequeath(port, info, &mut self.heirs, pollers);
                let up = port.link().is_up;
                let change = PollerEvent::PortLink { port: name(), up };
                if up != self.published_up && events.push(change).is_ok() {
                    self.published_up = up;
                    if up {
                        self.groups.announce(self.clock.monotonic_ns());
                    }
                }
                if stale == self.stale_seen {
                    return;
                }
                tracing::info!(
                    port = name(),
                    "opened anew: the kernel keeps packets from before the link went down"
                );
                self.unplug(Cause::Stale);
            }
            PortState::Open { .. } => {
                // With a full queue of events it is published by what follows.
                let _ = events.push(PollerEvent::PortGone { port: name() });
                self.unplug(Cause::Gone);
            }
            PortState::Unplugging { .. } => {}
            PortState::Reopening(..) | PortState::Lost | PortState::Simulated => return,
        }
        if let PortState::Unplugging {
            unasked, serving, ..
        } = &mut self.state
        {
            // A full queue: at the next check. A poller that has died has no queues any more.
            serving.retain(|poller| !pollers[*poller].inbox.poller.is_closed());
            unasked.retain(|poller| {
                let port = self.spec.name.clone();
                let asked = pollers[*poller].inbox.send(Command::Unplug { port });
                asked.is_err()
            });
        }
    }

    fn unplug(&mut self, cause: Cause) {
        self.rules.clear();
        self.state = match mem::replace(&mut self.state, PortState::Lost) {
            PortState::Open { port, .. } => PortState::Unplugging {
                port,
                cause,
                unasked: self.spec.pollers.clone(),
                serving: self.spec.pollers.clone(),
            },
            other => other,
        };
    }

    /// `poller` has given up its queues: after the last of them, `reopen` opens the port again.
    pub(crate) fn unplugged(&mut self, poller: usize, reopen: Reopen) {
        let PortState::Unplugging { serving, cause, .. } = &mut self.state else {
            return;
        };
        let cause = *cause;
        serving.retain(|it| *it != poller);
        if !serving.is_empty() {
            return;
        }
        if let Some(hand_over) = &self.hand_over {
            hand_over.clear();
        }
        self.passed = self.passed.plus(self.passed_now());
        if let PortState::Unplugging { port, .. } = mem::replace(&mut self.state, PortState::Lost) {
            match Reopening::start(reopen, port) {
                Ok(reopening) => self.state = PortState::Reopening(reopening, cause),
                Err(error) => {
                    tracing::error!(port = self.spec.name, %error, "no thread to open the port again: restart the daemon");
                }
            }
        }
    }

    /// The port is open again: its pollers get the queues. Returns why it was closed.
    pub(crate) fn plug(
        &mut self,
        known: &mut PortInfo,
        pollers: &[PollerHandle],
        kernel: &mut KernelGroups,
    ) -> Option<Cause> {
        let state = mem::replace(&mut self.state, PortState::Lost);
        let PortState::Reopening(reopening, cause) = state else {
            self.state = state;
            return None;
        };
        // The thread ends: opening the port was the last thing that it did.
        let port = reopening.end()?;
        // No poller has a queue: what it counts from now on is new.
        self.stale_seen = self.counted().tx_stale;
        if cause == Cause::Gone {
            self.published_up = true;
        }
        *known = info(&self.spec, &port);
        self.taken.apply(&port);
        self.heirs.clear();
        let mut unserved = self.spec.pollers.clone();
        unserved.retain(|poller| !serve(&port, known, &self.spec, *poller, pollers));
        self.groups
            .renew(&port, &self.spec.name, kernel, self.clock.monotonic_ns());
        self.state = PortState::Open { port, unserved };
        let flows = self.hand_over.as_ref().map(|all| all.flows());
        for (flow, lane, session) in flows.into_iter().flatten() {
            self.steer(flow, lane, session);
        }
        self.filter_groups();
        Some(cause)
    }
}

/// Gives `poller` its queues. False if it takes no commands now.
fn serve(
    port: &Port,
    info: &PortInfo,
    spec: &PortSpec,
    poller: usize,
    pollers: &[PollerHandle],
) -> bool {
    let lane = spec.pollers.iter().position(|it| *it == poller);
    let lane = lane.expect("one of the port's");
    let plug = Command::Plug(Box::new(queues(port, info.clone(), lane)));
    pollers[poller].inbox.send(plug).is_ok()
}

/// Gives the queues of pollers that have died to living ones of the port: their packets are handed over
/// from there. `heirs` are those that have such queues, by the place of the dead.
fn bequeath(
    port: &Port,
    info: &PortInfo,
    heirs: &mut HashMap<usize, usize>,
    pollers: &[PollerHandle],
) {
    let lives = |poller: &usize| !pollers[*poller].inbox.poller.is_closed();
    let with_queue = usize::from(info.queues).min(info.pollers.len());
    for (lane, first) in info.pollers.iter().take(with_queue).enumerate() {
        if lives(heirs.get(&lane).unwrap_or(first)) || mutant!("poller: its queues die with it") {
            continue;
        }
        let (own, others) = info.pollers.split_at(with_queue);
        // One without a queue of its own first.
        let Some(heir) = others.iter().chain(own).copied().find(lives) else {
            return;
        };
        // Without them its thread has not ended yet.
        let queues = queues(port, info.clone(), lane);
        if queues.queues.is_some()
            && pollers[heir]
                .inbox
                .send(Command::Adopt(Box::new(queues)))
                .is_ok()
        {
            tracing::warn!(
                port = info.name,
                queue = lane,
                heir = pollers[heir].name,
                "the queues of a dead poller have another one"
            );
            heirs.insert(lane, heir);
        }
    }
}

fn info(spec: &PortSpec, port: &Port) -> PortInfo {
    PortInfo {
        name: spec.name.clone(),
        device: spec.device.clone(),
        netns: spec.netns.clone(),
        driver: port.driver().to_owned(),
        mac: port.mac(),
        addresses: spec.addresses,
        vlan: spec.vlan,
        pollers: spec.pollers.clone(),
        queues: port.queues(),
        // The rules are for packets without a tag.
        steers: spec.vlan.is_none() && port.can_steer(),
        mtu: port.mtu(),
    }
}

/// The queues at `lane` of a port that was just opened, if it has so many.
fn queues(port: &Port, info: PortInfo, lane: usize) -> PortQueues {
    let lane = u16::try_from(lane).unwrap_or(u16::MAX);
    PortQueues {
        info,
        queues: port.rx_queue(lane).zip(port.tx_queue(lane)),
    }
}
