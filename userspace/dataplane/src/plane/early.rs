//! Ports that are open, or prepared, before the dataplane is: beside another process, which has them, too, and leaves
//! them later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use onair_dpdk::{Eal, Error, Port, PortConfig, PreparedPort};

use crate::config::PortSpec;

/// DPDK, and what was done for the ports already. No session receives from them until the dataplane serves them.
///
/// Dropping it closes them, and leaves the interfaces to the other process as they are.
#[derive(Debug)]
pub struct EarlyPorts {
    /// By name.
    ports: BTreeMap<String, EarlyPort>,
    /// One could not be opened.
    is_short: bool,
    // Dropped after them.
    pub(crate) eal: Arc<Eal>,
}

/// A port before the dataplane is.
#[derive(Debug)]
pub(crate) enum EarlyPort {
    /// Two processes can have it at once.
    Open(Port),
    /// The other process still has its queues.
    Prepared(PreparedPort),
}

impl EarlyPort {
    fn of(eal: &Eal, config: &PortConfig) -> Result<Option<Self>, Error> {
        if config.opens_beside() {
            return Port::open(eal, config).map(|port| Some(Self::Open(port)));
        }
        Ok(Port::prepare(eal, config)?.map(Self::Prepared))
    }
}

impl EarlyPorts {
    /// None of the ports.
    #[must_use]
    pub fn none(eal: Eal) -> Self {
        Self {
            ports: BTreeMap::new(),
            is_short: false,
            eal: Arc::new(eal),
        }
    }

    /// Those of `specs` that two processes can have at once, and what can be prepared of the others. One that fails, as
    /// where memory is short for two, is left out: the start of the dataplane opens it.
    #[must_use]
    pub fn beside(eal: Eal, specs: &[PortSpec]) -> Self {
        let mut early = Self::none(eal);
        for spec in specs {
            let config = PortConfig {
                beside: true,
                ..port_config(spec, Duration::ZERO)
            };
            match EarlyPort::of(&early.eal, &config) {
                Ok(port) => early
                    .ports
                    .extend(port.map(|port| (spec.name.clone(), port))),
                Err(error) => {
                    early.is_short = true;
                    tracing::info!(port = spec.name, %error, "opened later, once no other daemon has it");
                }
            }
        }
        early
    }

    /// Whether one could not be opened: it is opened when the other process has ended.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        self.is_short
    }

    /// What comes from now on is for the sessions that the dataplane will have; what came before is dropped. The other
    /// process goes on for a unit at least: it has all that began before, these ports all that begins from now on.
    pub fn listen(&mut self) {
        for port in self.ports.values_mut() {
            if let EarlyPort::Open(port) = port {
                port.drain();
            }
        }
    }

    /// What was done for the port of `spec`: the other process has left it. One that cannot be taken is closed.
    pub(crate) fn take(&mut self, spec: &PortSpec) -> Option<EarlyPort> {
        let mut early = self.ports.remove(&spec.name)?;
        if let EarlyPort::Open(port) = &mut early
            && let Err(error) = port.take()
        {
            tracing::warn!(port = spec.name, %error, "opened again");
            return None;
        }
        Some(early)
    }
}

/// What `spec` asks for.
pub(crate) fn port_config(spec: &PortSpec, busy: Duration) -> PortConfig {
    PortConfig {
        netns: spec.netns.clone(),
        busy,
        xdp: spec.xdp,
        mtu: spec.mtu,
        rx_ring: spec.rx_ring,
        queues: u16::try_from(spec.pollers.len()).unwrap_or(u16::MAX),
        ..PortConfig::new(&spec.name, &spec.device)
    }
}
