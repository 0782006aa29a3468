//! Other addresses for a session that runs.

use std::net::Ipv4Addr;

use onair_mutant::mutant;

use super::{SessionEntry, Sessions, next_hop};
use crate::config::PortInfo;
use crate::flow::demux::Demux;
use crate::flow::target::FlowTarget;
use crate::messages::events::{Outbox, PollerEvent};
use crate::port::PollerPort;
use crate::runtime::Runtime;

impl Sessions {
    /// Gives a session other addresses after the frame in transit.
    pub(crate) fn retarget(
        &mut self,
        session: u64,
        target: Box<FlowTarget>,
        ports: &mut [PollerPort],
        now_ns: u64,
    ) {
        let Some(entry) = self.find_mut(session) else {
            return;
        };
        let Some(port) = entry.port.map(|port| &mut ports[port]) else {
            return;
        };
        part_target(entry, port);
        entry.runtime.retarget(Some(target));
        if let Some(hop) = target_hop(&entry.runtime, &port.info) {
            port.neighbours.join(hop, now_ns);
        }
        entry.due_ns = now_ns;
    }
}

/// The same of the addresses that it is to get.
fn target_hop(runtime: &Runtime, port: &PortInfo) -> Option<Ipv4Addr> {
    runtime.sends_to()?;
    port.next_hop(*runtime.target()?.destination.ip())
}

/// Forgets the addresses that the session was to get.
pub(super) fn part_target(entry: &mut SessionEntry, port: &mut PollerPort) {
    if let Some(hop) = target_hop(&entry.runtime, &port.info) {
        port.neighbours.part(hop);
    }
    entry.runtime.retarget(None);
}

/// Gives the session the addresses that wait, if no frame is in transit.
pub(super) fn switch(
    entry: &mut SessionEntry,
    index: usize,
    demux: &mut Demux,
    ports: &mut [PollerPort],
    outbox: &mut Outbox,
) {
    let (Some(target), Some(port)) = (entry.runtime.target(), entry.port) else {
        return;
    };
    if !mutant!(
        "retarget: amid a frame",
        true,
        entry.runtime.is_between_frames()
    ) {
        return;
    }
    if let Some(old) = entry.runtime.listens_to()
        && old != target.received()
    {
        if !demux.add(port, target.received(), index) {
            // The session that has the flow is on its way back to the control thread.
            return;
        }
        if old.destination != target.destination {
            demux.remove(port, old.destination, index);
        }
    }
    let port = &mut ports[port];
    if let Some(hop) = next_hop(&entry.runtime, &port.info) {
        port.neighbours.part(hop);
    }
    entry.runtime.switch();
    outbox.push(PollerEvent::Retargeted {
        session: entry.runtime.session(),
    });
}
