//! The services that every session uses, in one place that the actor owns.

mod arriving;
pub mod durable;
mod pollers;
mod port_watch;
pub mod reply;
mod ring_watch;
pub mod rooms;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use onair_api::{
    EventKind, PortHealth, PortMulticast, PortSteering, PortWake, PortXdp, Probe as ProbeDocument,
    ProbeState, Problem, ProblemCode, PtpState, Reload, WatchedFile, WatchedSite, did_you_mean,
};
use onair_dataplane::{Command, PollerEvent, PortInfo};
use onair_dpdk::{MulticastFilter, Wake};
use onair_mutant::mutant;
use onair_probe::SiteKind;
use onair_settings::config::Config;
use onair_settings::diagnostics::rate_limit::LineLimits;

use self::port_watch::PortWatch;
use self::rooms::{Capacity, Rooms};
use crate::clients::waking::Waking;
use crate::events::Hub;
use crate::machine::Machine;
use crate::pending_reclaim::PendingReclaim;
use crate::persistence::{Archive, Store};
use reply::TestDelay;

pub(crate) use self::arriving::Expected;
pub use self::pollers::PollerDown;
pub use reply::Identity;

/// Services and shared state of the sessions.
#[derive(Debug)]
pub struct Services {
    /// The configuration in force.
    pub config: Config,
    /// Identity of this daemon.
    pub identity: Identity,
    /// The world.
    pub machine: Box<dyn Machine>,
    /// Stored certificates.
    pub archive: Archive,
    /// Persisted sessions.
    pub store: Store,
    /// Owners of the sessions that were not restored, with the reason.
    pub missing: Vec<(u32, String)>,
    /// The result of the last reload.
    pub last_reload: Option<Reload>,
    /// Memory that waits for W4.
    pub pending_reclaim: PendingReclaim,
    /// Slows down steps of the control thread, in tests.
    pub test_delay: TestDelay,
    /// Sleepers that are still to be woken.
    pub waking: Waking,
    /// Publishes events to their readers.
    pub hub: Hub,
    /// Limits the lines that a user can cause again and again.
    pub lines: LineLimits,
    /// Capacity that sessions reserve on each poller.
    pub rooms: Rooms,
    probe_published: (ProbeState, Option<String>),
    /// Commands that wait, by poller.
    outbox: BTreeMap<usize, VecDeque<Command>>,
    /// Pollers that do not work.
    down: BTreeMap<usize, PollerDown>,
    gone: HashMap<String, String>,
    port_watch: PortWatch,
    bounced: Vec<Command>,
}

impl Services {
    /// Lets senders follow the kernel's clock, and publishes that it was set.
    pub fn follow_clock(&mut self) {
        if let Some(by_ns) = self.machine.dataplane().clock().follow() {
            tracing::warn!(
                by_ns,
                "the clock was set: timestamps of senders make a jump"
            );
            self.hub.publish(None, EventKind::ClockSet { by_ns });
        }
    }

    /// Now, by the clock of send sessions: ns of TAI.
    pub(crate) fn tai_ns(&self) -> u64 {
        let machine = &self.machine;
        let now_ns = machine.clock().monotonic_ns();
        now_ns.saturating_add(machine.dataplane().clock().ahead_ns())
    }

    /// Takes over what ptp4l said last, and publishes what has changed.
    pub fn follow_ptp(&mut self, now: Instant) {
        for event in self.machine.follow_ptp(now) {
            match &event {
                EventKind::PtpGrandmaster {
                    grandmaster,
                    domain,
                } => tracing::info!(grandmaster, domain, "ptp4l has another grandmaster"),
                EventKind::PtpState {
                    state: state @ (PtpState::Unlocked | PtpState::Lost),
                    reason,
                } => {
                    tracing::warn!(%state, reason, "the clock does not follow a PTP grandmaster");
                }
                EventKind::PtpState { state, .. } => tracing::info!(%state, "PTP"),
                _ => {}
            }
            self.hub.publish(None, event);
        }
    }

    /// A poller's room for sessions.
    pub fn capacity(&self, poller: usize) -> Capacity<'_> {
        let of = self.config.poller.get(poller);
        Capacity {
            poller,
            name: of.map_or("", |it| &it.name),
            percent: of.map_or(0, |it| it.capacity_percent),
            shares: self.config.limits.percent(),
        }
    }

    /// Combines the parts.
    pub fn new(
        config: Config,
        identity: Identity,
        machine: Box<dyn Machine>,
        archive: Archive,
        store: Store,
    ) -> Self {
        Self {
            hub: Hub::new(
                machine.clock().clone(),
                identity.incarnation,
                config.limits.readers_share(),
            ),
            config,
            probe_published: machine.probe_state(),
            identity,
            pending_reclaim: PendingReclaim::new(machine.now()),
            machine,
            archive,
            store,
            lines: LineLimits::default(),
            rooms: Rooms::default(),
            missing: Vec::new(),
            last_reload: None,
            test_delay: TestDelay::default(),
            waking: Waking::default(),
            outbox: BTreeMap::new(),
            down: BTreeMap::new(),
            gone: HashMap::new(),
            port_watch: PortWatch::default(),
            bounced: Vec::new(),
        }
    }

    /// Takes longer for a step of `kind` if a test wants it.
    pub fn slow_down(&self, kind: &str) {
        if let Some(longer) = self.test_delay.of(kind) {
            self.machine.pause(longer);
        }
    }

    /// Bytes of ended sessions that are not given back.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.pending_reclaim.bytes(&*self.machine)
    }

    /// When memory that waits is to be looked at.
    #[must_use]
    pub fn memory_due(&self) -> Option<Instant> {
        self.pending_reclaim.wake_at(&*self.machine)
    }

    /// The next sweep of memory that waits is due now: some may have become free.
    pub fn sweep_soon(&mut self) {
        self.pending_reclaim.sweep_soon(self.machine.now());
    }

    /// Sends a command to a poller, after the ones that wait because its queue was full.
    pub fn command(&mut self, poller: usize, command: Command) {
        self.outbox.entry(poller).or_default().push_back(command);
        self.flush();
    }

    /// Sends waiting commands. Returns whether there is no reason to try again soon: everything is sent, but
    /// for what waits for a poller that makes no turn, and no command has bounced.
    pub fn flush(&mut self) -> bool {
        let mut is_done = true;
        for (poller, waiting) in &mut self.outbox {
            let down = self.down.get(poller);
            while let Some(command) = waiting.pop_front() {
                match self.machine.dataplane_mut().send(*poller, command) {
                    Ok(()) => {}
                    // A dead poller takes no command; its sessions come back by themselves.
                    Err(rejected) if matches!(down, Some(PollerDown::Died { .. })) => {
                        if matches!(rejected, Command::Start(_) | Command::Attach { .. }) {
                            self.bounced.push(rejected);
                        }
                    }
                    Err(rejected) => {
                        waiting.push_front(rejected);
                        if mutant!("outbox: a full queue holds other pollers") {
                            return false;
                        }
                        is_done &= down.is_some();
                        break;
                    }
                }
            }
        }
        self.outbox.retain(|_, waiting| !waiting.is_empty());
        is_done && self.bounced.is_empty()
    }

    /// Commands for sessions and attachments that were in transit to a poller that died.
    pub fn take_bounced(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.bounced)
    }

    /// Logs and records events that concern no session.
    pub fn report(&mut self, event: &PollerEvent) {
        match event {
            PollerEvent::Died { poller, message } => {
                tracing::error!(poller, message, "a poller died: its sessions are stopped");
                let down = PollerDown::Died {
                    at: self.machine.clock().wall(),
                    message: message.clone(),
                };
                if !mutant!("poller: a death is not noted") {
                    self.down.insert(*poller, down);
                }
                let died = EventKind::PollerDied {
                    poller: self.poller_name(*poller),
                    message: message.clone(),
                };
                self.hub.publish(None, died);
            }
            PollerEvent::PortGone { port } => {
                tracing::error!(port, "the device under a port is gone");
                let reason = "its device has just gone".to_owned();
                self.gone.insert(port.clone(), reason);
                self.hub
                    .publish(None, EventKind::PortGone { port: port.clone() });
            }
            PollerEvent::GroupJoined { membership, joined } => {
                if let Err(error) = joined {
                    let (port, group) = (&membership.port, membership.group);
                    tracing::error!(port, %group, %error, "the kernel did not join a group");
                }
                self.machine
                    .dataplane_mut()
                    .joined(membership, joined.clone());
            }
            PollerEvent::Unplugged { poller, port } => {
                self.machine.dataplane_mut().unplugged(port, *poller)
            }
            PollerEvent::PortBack { port } => {
                let was_missed = self.gone.remove(port).is_some();
                if self.machine.dataplane_mut().plug(port) || was_missed {
                    tracing::info!(port, "the device under a port is back");
                    self.hub
                        .publish(None, EventKind::PortBack { port: port.clone() });
                }
            }
            PollerEvent::PortMissing { port, reason } => {
                tracing::warn!(port, reason, "a port cannot be opened again yet");
                self.gone.insert(port.clone(), reason.clone());
            }
            PollerEvent::PortLink { port, up } => {
                let (port, up) = (port.clone(), *up);
                if up {
                    tracing::info!(port, "the link is up");
                } else {
                    tracing::warn!(port, "the link is down");
                }
                self.hub.publish(None, EventKind::PortLink { port, up });
            }
            other => tracing::warn!(?other, "unexpected poller event"),
        }
    }

    /// Publishes whether the probe sees, if that has changed since it was last published.
    pub fn publish_probe_state(&mut self) {
        let now = self.machine.probe_state();
        if now == self.probe_published {
            return;
        }
        let (state, reason) = now.clone();
        self.probe_published = now;
        self.hub
            .publish(None, EventKind::ProbeState { state, reason });
    }

    /// Publishes that places for certificates are about to run out, once for each kind.
    pub fn publish_fills(&mut self) {
        for it in self.archive.take_fills() {
            let (kept, limit) = (it.used as u64, it.limit as u64);
            let what = it.kind.what().to_owned();
            self.hub
                .publish(None, EventKind::CertificatesFill { what, kept, limit });
        }
    }

    /// A port by its name.
    ///
    /// # Errors
    /// `no_such_port`.
    pub(crate) fn port_named(&self, name: &str) -> Result<&PortInfo, Problem> {
        let ports = self.machine.dataplane().ports();
        let port = ports.iter().find(|port| port.name == name);
        port.ok_or_else(|| {
            let names = ports.iter().map(|port| port.name.as_str());
            let hint = did_you_mean(name, names);
            let detail = format!("no port is called {name:?}{hint}");
            Problem::new(ProblemCode::NoSuchPort, detail)
        })
    }

    /// A port as the API shows it.
    pub fn port_health(&self, port: &PortInfo, problems: &mut Vec<String>) -> PortHealth {
        let name = &port.name;
        let link = self.machine.dataplane().link(name);
        let is_up = link.is_some_and(|link| link.is_up);
        if !is_up || self.gone.contains_key(name) {
            problems.push(self.link_problem(name));
        }
        problems.extend_from_slice(self.port_problems(name));
        let hardware = self
            .machine
            .dataplane()
            .hardware(name)
            .cloned()
            .unwrap_or_default();
        let counted = self
            .machine
            .dataplane()
            .port_counters(&port.name)
            .unwrap_or_default();
        let refused = counted.rx_untagged + counted.rx_other_vlan;
        if let Some(vlan) = port.vlan
            && counted.rx_untagged > 0
            && counted.rx_packets == refused
        {
            problems.push(format!(
                "port {name} takes packets of VLAN {} and gets none, but {} without a tag: let the switch send tags; on AF_XDP also keep them in the packets (`ethtool -K INTERFACE rxvlan off`, for a veth `ethtool -K PEER txvlan off` at its other end)",
                vlan.id, counted.rx_untagged
            ));
        }
        let driver = self.machine.dataplane().port_stats(&port.name);
        let missed = driver.map_or(0, |stats| stats.missed());
        let [a, b, c, d, e, f] = port.mac;
        let poller = |at: &usize| self.config.poller[*at].name.clone();
        let ring = self.ring_of(port);
        PortHealth {
            name: port.name.clone(),
            device: port.device.clone(),
            backend: backend(&port.driver),
            address: (port.addresses.ipv4)
                .map_or_else(String::new, |(own, prefix)| format!("{own}/{prefix}")),
            ipv6: (port.addresses.ipv6).map(|(own, prefix)| format!("{own}/{prefix}")),
            mac: format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"),
            mtu: port.mtu,
            vlan: port.vlan.map(|vlan| vlan.id),
            link_up: is_up,
            link_mbps: link.and_then(|link| link.mbps),
            wake: match hardware.wake {
                Wake::Socket => PortWake::Socket,
                Wake::Interrupt => PortWake::Interrupt,
                Wake::Timer => PortWake::Timer,
            },
            xdp: hardware.xdp.map(|xdp| PortXdp {
                native: xdp.native,
                zero_copy: xdp.zero_copy,
            }),
            multicast: match hardware.multicast {
                MulticastFilter::Promiscuous => PortMulticast::Promiscuous,
                MulticastFilter::AllMulticast => PortMulticast::AllMulticast,
                MulticastFilter::Groups => PortMulticast::Groups,
            },
            numa_node: hardware.numa_node,
            max_queues: hardware.max_rx_queues.min(hardware.max_tx_queues),
            rx_ring: ring.map(|(packets, _)| packets),
            rx_ring_ms: ring.and_then(|(_, keeps_ms)| keeps_ms),
            memory_bytes: hardware.memory_bytes,
            offloads: hardware.offloads,
            poller: poller(&port.pollers[0]),
            pollers: port.pollers.iter().map(poller).collect(),
            queues: port.queues,
            steering: match port.pollers.len() {
                1 => PortSteering::None,
                _ if port.steers => PortSteering::FlowRules,
                _ => PortSteering::HandOver,
            },
            rx_packets: counted.rx_packets,
            tx_packets: counted.tx_packets,
            rx_missed: missed + counted.rx_hand_over_full,
            rx_handed_over: counted.rx_handed_over,
            rx_unclaimed: counted.rx_no_session,
            rx_malformed: counted.rx_malformed,
            rx_cut: counted.rx_cut,
            rx_untagged: counted.rx_untagged,
            rx_other_vlan: counted.rx_other_vlan,
        }
    }

    /// The probe as the API shows it, with these files.
    pub fn probe_document(&self, files: Vec<WatchedFile>) -> ProbeDocument {
        let (state, reason) = self.machine.probe_state();
        ProbeDocument {
            mode: self.machine.probe_mode(),
            state,
            reason,
            canary_at: self.machine.canary_at(),
            files,
        }
    }
}

/// The common name of DPDK's driver.
fn backend(driver: &str) -> String {
    driver.strip_prefix("net_").unwrap_or(driver).to_owned()
}

/// A watched file as the API shows it.
pub fn file_document(file: &onair_probe::WatchedFile) -> WatchedFile {
    let sites = file.sites.iter().map(|site| WatchedSite {
        name: match site.kind {
            SiteKind::WaitBegin => "onair:wait_begin".into(),
            SiteKind::WaitEnd => "onair:wait_end".into(),
        },
        file_offset: site.offset,
    });
    WatchedFile {
        path: onair_api::printable(&file.path),
        device: file.device,
        inode: file.inode,
        build_id: file.build_id.clone(),
        sites: sites.collect(),
    }
}
