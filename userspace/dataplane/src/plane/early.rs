//! Ports that are open before the dataplane is: beside another process, which has them, too, and leaves them later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use onair_dpdk::{Eal, Port, PortConfig};

use crate::config::PortSpec;
use crate::plane::slot::port_config;

/// DPDK, and the ports that are open already. No session receives from them until the dataplane serves them.
///
/// Dropping it closes them, and leaves the interfaces to the other process as they are.
#[derive(Debug)]
pub struct EarlyPorts {
    /// By name.
    ports: BTreeMap<String, Port>,
    /// One could not be opened.
    is_short: bool,
    // Dropped after them.
    pub(crate) eal: Arc<Eal>,
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

    /// Those of `specs` that two processes can have at once. One that cannot be opened, as where memory is short for
    /// two, is left out: the start of the dataplane opens it.
    #[must_use]
    pub fn beside(eal: Eal, specs: &[PortSpec]) -> Self {
        let mut early = Self::none(eal);
        for spec in specs {
            let config = PortConfig {
                beside: true,
                ..port_config(spec, Duration::ZERO)
            };
            if !config.opens_beside() {
                continue;
            }
            match Port::open(&early.eal, &config) {
                Ok(port) => {
                    early.ports.insert(spec.name.clone(), port);
                }
                Err(error) => {
                    early.is_short = true;
                    tracing::info!(port = spec.name, %error, "opened later, when the running daemon has ended");
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
        self.ports.values_mut().for_each(Port::drain);
    }

    /// The port of `spec`, if it is open: the other process has left it. One that cannot be taken is closed.
    pub(crate) fn take(&mut self, spec: &PortSpec) -> Option<Port> {
        let mut port = self.ports.remove(&spec.name)?;
        let taken = port.take();
        taken
            .inspect_err(|error| tracing::warn!(port = spec.name, %error, "opened again"))
            .ok()
            .map(|()| port)
    }
}
