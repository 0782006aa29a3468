//! Division of one interface between a slot and the kernel: flows are the port's, all else is the kernel's.

use std::net::SocketAddr;
use std::sync::Arc;

use onair_dpdk::{Port, PortFilter};

use super::PortSlot;
use crate::plane::host_watch::{HostWatch, Watched};
use crate::poller::PollerHandle;
use crate::port::unclaimed::UnclaimedFlow;
use crate::stats::PortSnapshot;

impl PortSlot {
    fn filter(&self) -> Option<&Arc<PortFilter>> {
        self.port().and_then(Port::filter)
    }

    /// A session receives these packets.
    pub(super) fn take(&mut self, destination: SocketAddr, session: u64) {
        if self.taken.add(destination, session)
            && let Some(filter) = self.filter()
        {
            filter.take(destination);
        }
    }

    /// A session receives none any more, or `kept` alone.
    pub(super) fn untake(&mut self, session: u64, kept: Option<SocketAddr>) {
        let gone = self.taken.part(session, kept);
        if let Some(filter) = self.filter() {
            gone.into_iter().for_each(|it| filter.leave(it));
        }
    }

    /// Multicast that the kernel got, because no session receives it.
    pub(super) fn arriving_at_host(&self) -> impl Iterator<Item = UnclaimedFlow> {
        let arriving = self.filter().map(|it| it.arriving());
        arriving.into_iter().flatten().map(|it| UnclaimedFlow {
            destination: it.destination,
            payload_type: it.payload_type,
            first_ns: it.first_ns,
            last_ns: it.last_ns,
            packets: it.packets,
        })
    }

    /// Packets that the kernel took, counted as if the port had received them.
    pub(super) fn passed_now(&self) -> PortSnapshot {
        let passed = self.filter().map(|it| it.passed()).unwrap_or_default();
        let (rx_untagged, own) = match self.spec.vlan {
            Some(_) => (passed.untagged, passed.own),
            None => (0, passed.no_session),
        };
        PortSnapshot {
            rx_packets: own + rx_untagged + passed.other_vlan,
            rx_no_session: passed.no_session,
            rx_other_vlan: passed.other_vlan,
            rx_untagged,
            ..PortSnapshot::default()
        }
    }

    /// Has the kernel asked for neighbours, and its addresses watched.
    pub(crate) fn watch(&self, pollers: &[PollerHandle], watch: &mut HostWatch) {
        if let Some(filter) = self.filter() {
            watch.add(Watched::new(
                &self.spec,
                filter,
                (&self.host, self.groups.queries()),
                pollers.iter().map(|it| Arc::clone(&it.inbox)).collect(),
            ));
        }
    }
}
