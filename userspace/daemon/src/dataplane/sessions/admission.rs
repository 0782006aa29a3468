//! Whether a session can start at a poller, and where.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::super::port::PollerPort;
use super::super::runtime::Runtime;
use super::Sessions;

/// Why a session does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartRefusal {
    /// The poller has no port of that name.
    #[error("poller has no port {0:?}")]
    UnknownPort(String),
    /// The poller runs it already.
    #[error("session {0:016x} runs already")]
    Twice(u64),
    /// Another session receives this flow.
    #[error("another session of the port receives {0}")]
    FlowInUse(SocketAddrV4),
    /// Nothing for that destination arrives at the port.
    #[error("{destination} is neither the address of port {port:?} nor a multicast group")]
    NotOurs {
        /// The flow's destination.
        destination: Ipv4Addr,
        /// The port.
        port: String,
    },
    /// The port cannot ask for the destination's hardware address.
    #[error("{destination} is neither in the network of port {port:?} nor a multicast group")]
    NotOnLink {
        /// The flow's destination.
        destination: Ipv4Addr,
        /// The port.
        port: String,
    },
}

impl Sessions {
    /// Its port and a free entry, with the flow entered.
    pub(super) fn admit(
        &mut self,
        runtime: &Runtime,
        ports: &[PollerPort],
    ) -> Result<(usize, usize), StartRefusal> {
        if self.find(runtime.session()).is_some() {
            return Err(StartRefusal::Twice(runtime.session()));
        }
        let index = ports
            .iter()
            .position(|port| port.info.name == runtime.port());
        let index = index.ok_or_else(|| StartRefusal::UnknownPort(runtime.port().to_owned()))?;
        let info = &ports[index].info;
        let entry = self
            .entries
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.entries.len());
        if let Some(destination) = runtime.listens_to() {
            let ip = *destination.ip();
            if ip != info.address.0 && !ip.is_multicast() {
                return Err(StartRefusal::NotOurs {
                    destination: ip,
                    port: info.name.clone(),
                });
            }
            if !self.demux.add(index, destination, entry) {
                return Err(StartRefusal::FlowInUse(destination));
            }
        }
        if let Some(destination) = runtime.sends_to() {
            let ip = *destination.ip();
            if !ip.is_multicast() && !info.is_on_link(ip) {
                return Err(StartRefusal::NotOnLink {
                    destination: ip,
                    port: info.name.clone(),
                });
            }
        }
        Ok((index, entry))
    }
}
