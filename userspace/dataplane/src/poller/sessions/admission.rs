//! Whether a session can start on a poller, and in which entry.

use super::Sessions;
use crate::port::PollerPort;
use crate::runtime::Runtime;
use crate::runtime::refusal::StartRefusal;

impl Sessions {
    /// The session's port, unless it converts, and a free entry. The flow is added.
    pub(super) fn admit(
        &mut self,
        runtime: &Runtime,
        ports: &[PollerPort],
    ) -> Result<(Option<usize>, usize), StartRefusal> {
        if self.find(runtime.session()).is_some() {
            return Err(StartRefusal::Twice(runtime.session()));
        }
        let entry = self
            .entries
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.entries.len());
        let Some(name) = runtime.port() else {
            return Ok((None, entry));
        };
        let index = ports.iter().position(|port| port.info.name == name);
        let index = index.ok_or_else(|| StartRefusal::UnknownPort(name.to_owned()))?;
        let info = &ports[index].info;
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
        Ok((Some(index), entry))
    }
}
