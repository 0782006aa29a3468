//! Other addresses for a session that runs.

use std::net::IpAddr;

use onair_mutant::mutant;

use super::{SessionEntry, Sessions, hops};
use crate::config::PortInfo;
use crate::flow::demux::Demux;
use crate::flow::target::{FlowTarget, SwitchTime};
use crate::messages::events::{Outbox, PollerEvent};
use crate::port::PollerPort;
use crate::runtime::Runtime;
use crate::runtime::refusal::StartRefusal;

impl Sessions {
    /// Gives a session other addresses after the frame that is in transit at a time.
    pub(crate) fn retarget(
        &mut self,
        session: u64,
        (target, at): (Box<FlowTarget>, SwitchTime),
        ports: &mut [PollerPort],
        now_ns: u64,
    ) {
        let Some(entry) = self.find_mut(session) else {
            return;
        };
        if entry.port.is_none() {
            return;
        }
        part_target(entry, ports);
        entry.runtime.retarget(target, at);
        for (port, hop) in target_hops(entry, ports) {
            ports[port].neighbours.join(hop, now_ns);
        }
        entry.due_ns = now_ns;
    }

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

/// The neighbours of the addresses that a send session is to get, with the port of each leg.
fn target_hops(
    entry: &SessionEntry,
    ports: &[PollerPort],
) -> impl Iterator<Item = (usize, IpAddr)> + use<> {
    let [sends_to, _] = entry.runtime.sends_to();
    let target = sends_to.and_then(|_| entry.runtime.target());
    let first = target.map(|it| it.destination);
    let second = target.and_then(|it| Some(it.second.as_ref()?.destination));
    let legs = [entry.port.zip(first), entry.second.zip(second)];
    let hops = legs.map(|leg| {
        let (port, destination) = leg?;
        Some((port, ports[port].info.addresses.next_hop(destination.ip())?))
    });
    hops.into_iter().flatten()
}

/// Forgets the addresses that the session was to get.
pub(super) fn part_target(entry: &mut SessionEntry, ports: &mut [PollerPort]) {
    for (port, hop) in target_hops(entry, ports) {
        ports[port].neighbours.part(hop);
    }
    entry.runtime.forget_target();
}

/// Gives the session the addresses that wait, if it is their time and no frame is in transit.
pub(super) fn switch(
    (entry, index): (&mut SessionEntry, usize),
    demux: &mut Demux,
    ports: &mut [PollerPort],
    outbox: &mut Outbox,
    now_ns: u64,
) {
    let Some(port) = entry.port.filter(|_| entry.runtime.awaits_switch(now_ns)) else {
        return;
    };
    let Some(target) = entry.runtime.target() else {
        return;
    };
    if !mutant!(
        "retarget: amid a frame",
        true,
        entry.runtime.is_between_frames()
    ) {
        return;
    }
    let ports_of = [Some(port), entry.second];
    let legs = ports_of.into_iter().zip(entry.runtime.listens_to());
    for ((port, old), new) in legs.zip(target.legs()) {
        let (Some(port), Some(old), Some(new)) = (port, old, new) else {
            continue;
        };
        if old != new {
            demux.remove(port, old.destination, index);
            demux.add(port, new, index);
        }
    }
    for (port, hop) in hops(&entry.runtime, ports_of, ports) {
        ports[port].neighbours.part(hop);
    }
    entry.runtime.switch(now_ns);
    outbox.push(PollerEvent::Retargeted {
        session: entry.runtime.session(),
    });
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
