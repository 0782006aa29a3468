//! Whether a session can start on a poller, and in which entry.

use super::super::port::PollerPort;
use super::super::refusal::StartRefusal;
use super::super::runtime::Runtime;
use super::Sessions;

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
        if let Some(flow) = runtime.listens_to() {
            let ip = *flow.destination.ip();
            if ip != info.address.0 && !ip.is_multicast() {
                return Err(StartRefusal::NotOurs {
                    destination: ip,
                    port: info.name.clone(),
                });
            }
            if !self.demux.add(index, flow, entry) {
                return Err(StartRefusal::FlowInUse(flow.destination));
            }
        }
        if let Some(destination) = runtime.sends_to() {
            let ip = *destination.ip();
            if info.next_hop(ip).is_none() {
                return Err(StartRefusal::NotOnLink {
                    destination: ip,
                    port: info.name.clone(),
                });
            }
        }
        Ok((index, entry))
    }
}
