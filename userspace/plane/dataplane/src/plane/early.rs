//! Ports that are open, or prepared, before the dataplane is: beside another process, which has them, too, and leaves
//! them later.

use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use onair_dpdk::{Eal, Error, OwnPackets, Port, PortConfig, PreparedPort, wait_for_grace_period};

use crate::config::PortSpec;

/// How long a port on AF_XDP waits for its queues; after that it is opened with the others. The other process has left them
/// some milliseconds after its sessions have stopped.
const LEAVE: Duration = Duration::from_secs(10);

/// DPDK, and what was done for the ports already. No session receives from them until the dataplane serves them.
///
/// Dropping it closes those that are open, and leaves the interfaces to the other process as they are.
#[derive(Debug)]
pub struct EarlyPorts {
    /// By name.
    open: BTreeMap<String, Port>,
    /// The other process still has their queues.
    prepared: Vec<(PortConfig, PreparedPort)>,
    /// Opens these as soon as it has left them.
    opening: Option<JoinHandle<Vec<Port>>>,
    /// One could not be opened.
    is_short: bool,
    // Dropped after them.
    pub(crate) eal: Arc<Eal>,
}

/// A port before the dataplane is.
#[derive(Debug)]
pub(crate) enum EarlyPort {
    /// Whatever it receives is for the sessions.
    Open(Port),
    /// Its queues are free now.
    Prepared(PreparedPort),
}

impl EarlyPorts {
    /// None of the ports.
    #[must_use]
    pub fn none(eal: Eal) -> Self {
        Self {
            open: BTreeMap::new(),
            prepared: Vec::new(),
            opening: None,
            is_short: false,
            eal: Arc::new(eal),
        }
    }

    /// The ports of `specs` that two processes can have at once, and what can be prepared of the others. One that fails, as
    /// where memory is short for two, is left out: the start of the dataplane opens it.
    #[must_use]
    pub fn beside(eal: Eal, specs: &[PortSpec]) -> Self {
        let mut early = Self::none(eal);
        for spec in specs {
            let config = PortConfig {
                beside: true,
                ..port_config(spec, LEAVE)
            };
            if let Err(error) = early.begin(config) {
                early.is_short = true;
                tracing::info!(port = spec.name, %error, "opened later, once no other daemon has it");
            }
        }
        early
    }

    fn begin(&mut self, config: PortConfig) -> Result<(), Error> {
        if config.opens_beside() {
            let port = Port::open(&self.eal, &config)?;
            self.open.insert(config.name, port);
        } else if let Some(port) = Port::prepare(&self.eal, &config)? {
            self.prepared.push((config, port));
        }
        Ok(())
    }

    /// Whether one could not be opened: it is opened when the other process has ended.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        self.is_short
    }

    /// Drops the packets that have come so far; later ones are for the sessions that the dataplane will have. The
    /// other process goes on for a unit at least: it has all that began before, these ports all that begins from now
    /// on.
    pub fn listen(&mut self) {
        for port in self.open.values_mut() {
            port.drain();
        }
    }

    /// The other process has left its queues: opens their ports on a thread, as soon as the kernel has freed them. That
    /// process has more to do meanwhile, and an attempt that fails would take a core from it: a port that cannot look waits
    /// for most of the time before.
    pub fn open_left(&mut self) {
        let (eal, prepared) = (Arc::clone(&self.eal), mem::take(&mut self.prepared));
        let open = move || {
            if !prepared.iter().all(|(_, port)| port.looks()) {
                wait_for_grace_period();
            }
            let ports = prepared.into_iter().filter_map(|(config, port)| {
                let opened = port.open(&eal, &config);
                let said = |error: &Error| {
                    tracing::info!(port = config.name, %error, "opened again with the others");
                };
                opened.inspect_err(said).ok()
            });
            ports.collect()
        };
        let opening = Builder::new().name("start-ports".into()).spawn(open);
        let said = |error: &io::Error| tracing::info!(%error, "ports are opened with the others");
        self.opening = opening.inspect_err(said).ok();
    }

    /// Closes the ports that the other process has left: to undo what that process has done to their interfaces takes the
    /// packets of these, too.
    pub fn close_taken(&mut self) {
        drop(self.taken());
    }

    /// Ports that the other process has left, once they are open.
    fn taken(&mut self) -> Vec<Port> {
        // A panic was logged, and the start of the dataplane opens them.
        let opened = self.opening.take().map(JoinHandle::join);
        opened.and_then(Result::ok).unwrap_or_default()
    }

    /// The prepared port of `spec`, once the other process has left it. One that cannot be taken is closed.
    pub(crate) fn take(&mut self, spec: &PortSpec) -> Option<EarlyPort> {
        for mut port in self.taken() {
            // Parts of units that are long over.
            port.drain();
            self.open.insert(port.name().to_owned(), port);
        }
        let is_it = |(config, _): &(PortConfig, _)| config.name == spec.name;
        if let Some(at) = self.prepared.iter().position(is_it) {
            return Some(EarlyPort::Prepared(self.prepared.swap_remove(at).1));
        }
        let mut port = self.open.remove(&spec.name)?;
        match port.take() {
            Ok(()) => Some(EarlyPort::Open(port)),
            Err(error) => {
                tracing::warn!(port = spec.name, %error, "opened again");
                None
            }
        }
    }
}

/// The configuration of the port of `spec`.
pub(crate) fn port_config(spec: &PortSpec, busy: Duration) -> PortConfig {
    PortConfig {
        netns: spec.netns.clone(),
        busy,
        xdp: spec.xdp,
        own: Some(OwnPackets {
            vlan: spec.vlan.map_or(0, |it| it.id),
            addresses: spec.addresses.own().collect(),
        }),
        mtu: spec.mtu,
        rx_ring: spec.rx_ring,
        queues: u16::try_from(spec.pollers.len()).unwrap_or(u16::MAX),
        ..PortConfig::new(&spec.name, &spec.device)
    }
}
