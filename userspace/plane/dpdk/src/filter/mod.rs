//! Which packets of an interface are an AF_XDP port's: those of its flows, and those for addresses that the kernel has
//! not. All others are the kernel's (`ebpf/src/port.bpf.c`).

mod host;
mod link;
pub(crate) mod program;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

use aya::maps::{HashMap, MapData};

use self::host::Host;
use self::program::Held;
use program::{FLOW_BYTES, KEY_BYTES, Key};

/// Bits of the value of a network, as in `port.bpf.c`.
const IGMP_OF_NETWORK: u32 = 1;
const MLD_OF_NETWORK: u32 = 2;
const UDP_OF_NETWORK: u32 = 4;

/// Packets of an interface that belong to a port, besides its [flows](PortFilter::take).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnPackets {
    /// Its VLAN; 0: none.
    pub vlan: u16,
    /// Its addresses. What is for one that the kernel has not is the port's.
    pub addresses: Vec<IpAddr>,
}

/// Decides which packets of its interface belong to a port. Its methods make system calls.
#[derive(Debug)]
pub struct PortFilter {
    held: Arc<Held>,
    interface: String,
    own: OwnPackets,
    host: Option<Host>,
    is_full: AtomicBool,
}

/// Packets to a multicast destination that is no flow of the port. The kernel got them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arriving {
    /// Their destination.
    pub destination: SocketAddr,
    /// Their payload type; `None` if they are not RTP.
    pub payload_type: Option<u8>,
    /// When the first came: `CLOCK_MONOTONIC`, ns.
    pub first_ns: u64,
    /// When the last came.
    pub last_ns: u64,
    /// How many came.
    pub packets: u64,
}

/// Packets that the kernel got, since the port was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Without a tag, if the port is in a VLAN.
    pub untagged: u64,
    /// With the tag of another VLAN.
    pub other_vlan: u64,
    /// UDP to groups that are no flow's.
    pub no_session: u64,
    /// All in the port's network.
    pub own: u64,
}

impl PortFilter {
    pub(crate) fn new(held: Arc<Held>, interface: &str, own: &OwnPackets) -> Self {
        let filter = Self {
            held,
            interface: interface.to_owned(),
            own: own.clone(),
            host: Host::beside(interface, own.vlan),
            is_full: AtomicBool::new(false),
        };
        filter.set_network(0);
        filter.look();
        filter
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<MapData, [u8; KEY_BYTES], u32>> {
        let taken = self.held.maps.taken.lock();
        taken.unwrap_or_else(PoisonError::into_inner)
    }

    /// Queries that the kernel has no use for are the port's.
    fn set_network(&self, more: u32) {
        let joins = |is_ipv6, own| self.joins(is_ipv6).map_or(own, |_| 0);
        let value = joins(false, IGMP_OF_NETWORK) | joins(true, MLD_OF_NETWORK) | more;
        let set = self.taken().insert(Key::network(self.own.vlan).0, value, 0);
        if let Err(error) = set {
            tracing::error!(target: "dpdk", interface = self.interface, %error, "XDP program");
        }
    }

    /// From now on the datagrams to `destination` are the port's. With no room for another flow all UDP is.
    pub fn take(&self, destination: SocketAddr) {
        let key = Key::flow(destination, self.own.vlan);
        self.inherited().retain(|it| *it != key);
        let Err(error) = self.taken().insert(key.0, 0, 0) else {
            return;
        };
        if !self.is_full.swap(true, Ordering::Relaxed) {
            tracing::error!(
                target: "dpdk",
                interface = self.interface,
                %error,
                "the port takes all UDP but PTP, also the host's: its XDP program has no room for another flow"
            );
            self.set_network(UDP_OF_NETWORK);
        }
    }

    /// The opposite of [`Self::take`].
    pub fn leave(&self, destination: SocketAddr) {
        // It may be missing.
        let _ = self
            .taken()
            .remove(&Key::flow(destination, self.own.vlan).0);
    }

    fn inherited(&self) -> MutexGuard<'_, Vec<Key>> {
        let inherited = self.held.inherited.lock();
        inherited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the flows that another process had and this one has not taken.
    pub fn forget_inherited(&self) {
        let keys = std::mem::take(&mut *self.inherited());
        for key in keys {
            // It may be missing.
            let _ = self.taken().remove(&key.0);
        }
    }

    /// Looks which of the port's addresses the kernel has, which then answers for them: packets for the others are the
    /// port's. Returns each with whether the kernel has it.
    pub fn look(&self) -> Vec<(IpAddr, bool)> {
        let looked = self.own.addresses.iter().map(|address| {
            let has = self.host.as_ref().is_some_and(|it| it.has(*address));
            let key = Key::address(*address, self.own.vlan);
            let mut taken = self.taken();
            let done = match has {
                true => taken.remove(&key.0),
                false => taken.insert(key.0, 0, 0),
            };
            // One that was not there.
            drop(done);
            (*address, has)
        });
        looked.collect()
    }

    /// The hardware address that the kernel has of a neighbour, which it is asked to resolve. May wait for the
    /// kernel's lock on interfaces.
    #[must_use]
    pub fn neighbour(&self, address: IpAddr) -> Option<[u8; 6]> {
        let answer = self.host.as_ref()?.neighbour(address);
        let said = |error: &std::io::Error| {
            tracing::debug!(target: "dpdk", interface = self.interface, %address, %error, "no neighbour");
        };
        answer.inspect_err(said).ok().flatten()
    }

    /// The kernel's interface that joins groups of IPv4, or IPv6, in the port's network: it gets the queries.
    pub(crate) fn joins(&self, is_ipv6: bool) -> Option<NonZeroU32> {
        let host = self.host.as_ref();
        Some(host.filter(|it| !is_ipv6 || it.has_ipv6())?.index())
    }

    /// Multicast in the port's network that is no flow's: at most 128.
    #[must_use]
    pub fn arriving(&self) -> Vec<Arriving> {
        let entries = self.held.maps.unclaimed.iter().filter_map(Result::ok);
        let flows = entries.filter_map(|(flow, [first_ns, last_ns, packets])| {
            let (key, rest): (_, &[u8; FLOW_BYTES - KEY_BYTES]) =
                (Key(*flow.first_chunk()?), flow.last_chunk()?);
            (key.vlan() == self.own.vlan).then(|| Arriving {
                destination: key.destination(),
                payload_type: Some(rest[0]).filter(|it| it & 0x80 == 0),
                first_ns,
                last_ns,
                packets,
            })
        });
        flows.collect()
    }

    /// The last query of IGMP and of MLD that the kernel got, from its IP header on, and when: `CLOCK_MONOTONIC`, ns.
    #[must_use]
    pub fn queries(&self) -> Vec<(u64, Vec<u8>)> {
        let all = self.held.maps.queries.iter().filter_map(Result::ok);
        let seen = all.filter_map(|query| {
            let (at_ns, packet) = query.split_first_chunk()?;
            Some((u64::from_ne_bytes(*at_ns), packet.to_vec()))
        });
        seen.filter(|(at_ns, _)| *at_ns > 0).collect()
    }

    /// Packets that the kernel took.
    #[must_use]
    pub fn passed(&self) -> Passed {
        let counts = self.held.maps.counts.get(&0, 0);
        let each = counts.iter().flat_map(|it| it.iter());
        let sum = |sum: [u64; 4], it: &[u64; 4]| std::array::from_fn(|at| sum[at] + it[at]);
        let [untagged, other_vlan, no_session, own] = each.fold([0; 4], sum);
        Passed {
            untagged,
            other_vlan,
            no_session,
            own,
        }
    }
}
