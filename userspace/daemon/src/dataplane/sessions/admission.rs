//! Whether a session can start on a poller, and in which entry.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::super::port::PollerPort;
use super::super::runtime::Runtime;
use super::Sessions;

/// Why a session cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartRefusal {
    /// The poller has no port with this name.
    #[error("poller has no port {0:?}")]
    UnknownPort(String),
    /// The poller already runs this session.
    #[error("session {0:016x} is already running")]
    Twice(u64),
    /// Another session receives this flow.
    #[error("another session of the port receives {0}")]
    FlowInUse(SocketAddrV4),
    /// Packets to this destination do not reach the port.
    #[error("{destination} is neither the address of port {port:?} nor a multicast group")]
    NotOurs {
        /// The flow's destination.
        destination: Ipv4Addr,
        /// Name of the port.
        port: String,
    },
    /// ARP on this port cannot resolve the destination.
    #[error("{destination} is neither in the network of port {port:?} nor a multicast group")]
    NotOnLink {
        /// The flow's destination.
        destination: Ipv4Addr,
        /// Name of the port.
        port: String,
    },
}

impl Sessions {
    /// The session's port and a free entry. The flow is added.
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
