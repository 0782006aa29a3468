//! Whether a session can start on a poller, and in which entry.

use std::net::IpAddr;

use super::Sessions;
use crate::config::PortInfo;
use crate::port::PollerPort;
use crate::runtime::Runtime;
use crate::runtime::refusal::StartRefusal;

impl Sessions {
    /// The session's ports, of each leg, unless it has none, and a free entry. The flows are added.
    pub(super) fn admit(
        &mut self,
        runtime: &Runtime,
        ports: &[PollerPort],
    ) -> Result<([Option<usize>; 2], usize), StartRefusal> {
        if self.find(runtime.session()).is_some() {
            return Err(StartRefusal::Twice(runtime.session()));
        }
        let entry = self
            .entries
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.entries.len());
        let [Some(name), second] = runtime.ports() else {
            return Ok(([None; 2], entry));
        };
        let find = |name: &str| {
            let index = ports.iter().position(|port| port.info.name == name);
            index.ok_or_else(|| StartRefusal::UnknownPort(name.to_owned()))
        };
        let index = find(name)?;
        let second = second.map(find).transpose()?;
        let ports_of = [Some(index), second];
        let legs = || {
            ports_of
                .into_iter()
                .zip(runtime.listens_to())
                .filter_map(|(at, flow)| at.zip(flow))
        };
        for (index, flow) in legs() {
            is_ours(flow.destination.ip(), &ports[index].info)?;
        }
        let sent = ports_of.into_iter().zip(runtime.sends_to());
        for (index, destination) in sent.filter_map(|(at, to)| at.zip(to)) {
            let (ip, info) = (destination.ip(), &ports[index].info);
            if info.addresses.next_hop(ip).is_none() {
                return Err(StartRefusal::NotOnLink {
                    destination: ip,
                    port: info.name.clone(),
                });
            }
        }
        for (index, flow) in legs() {
            self.demux.add(index, flow, entry);
        }
        Ok(([Some(index), second], entry))
    }
}

/// Whether packets to `destination` reach the port.
fn is_ours(destination: IpAddr, port: &PortInfo) -> Result<(), StartRefusal> {
    let addresses = &port.addresses;
    let is_group = destination.is_multicast() && addresses.beside(destination).is_some();
    if is_group || addresses.is_own(destination) {
        return Ok(());
    }
    Err(StartRefusal::NotOurs {
        destination,
        port: port.name.clone(),
    })
}
