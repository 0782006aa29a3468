//! The ports of a session's one or two legs.

use std::net::{IpAddr, SocketAddr};

use arrayvec::ArrayVec;

use super::SessionEntry;
use crate::port::PollerPort;
use crate::runtime::Runtime;
use crate::transmit::neighbour::NextHop;

/// The neighbours to which a send session's packets go first, with the port of each leg.
pub(super) fn hops(
    runtime: &Runtime,
    legs: [Option<usize>; 2],
    ports: &[PollerPort],
) -> impl Iterator<Item = (usize, IpAddr)> + use<> {
    let legs = legs
        .into_iter()
        .zip(runtime.sends_to())
        .map(|(port, destination)| {
            let (port, destination) = port.zip(destination)?;
            Some((port, ports[port].info.addresses.next_hop(destination.ip())?))
        });
    ArrayVec::<_, 2>::from_iter(legs.flatten()).into_iter()
}

/// The turn of a session on `port`. Returns how many packets it made.
pub(super) fn turn(
    entry: &mut SessionEntry,
    port: usize,
    ports: &mut [PollerPort],
    now_ns: u64,
) -> u64 {
    let sends_to = entry.runtime.sends_to();
    let hop = |port: &PollerPort, destination: Option<SocketAddr>| {
        let hop = destination.and_then(|it| port.info.addresses.next_hop(it.ip()));
        hop.map_or(NextHop::Unknown, |hop| port.neighbours.hop(hop))
    };
    let second = entry.second.filter(|second| *second != port);
    if let Some(second) = second
        && let Ok([one, other]) = ports.get_disjoint_mut([port, second])
    {
        let made = one.transmit.made() + other.transmit.made();
        let hops = [hop(one, sends_to[0]), hop(other, sends_to[1])];
        let sinks = [&mut one.transmit, &mut other.transmit];
        entry.runtime.turn_both(now_ns, hops, sinks);
        return one.transmit.made() + other.transmit.made() - made;
    }
    let port = &mut ports[port];
    let made = port.transmit.made();
    let hop = hop(port, sends_to[0]);
    entry.runtime.turn(now_ns, hop, &mut port.transmit);
    port.transmit.made() - made
}
