//! The multicast groups of a slot: the wishes of its sessions, and the filters of the port and the kernel.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use onair_dpdk::{MulticastFilter, Port, PortFilter};

use super::{PortSlot, PortState};
use crate::addresses::{Joined, KernelMembership};
use crate::config::PortInfo;
use crate::groups::GroupState;
use crate::groups::kernel::KernelGroups;
use crate::messages::command::Command;
use crate::plane::host_watch::{HostWatch, Watched};
use crate::poller::PollerHandle;
use crate::port::unclaimed::UnclaimedFlow;
use crate::stats::PortSnapshot;

impl PortSlot {
    /// A session wants these sources of `group`; none of them means any.
    pub(crate) fn join(
        &mut self,
        session: u64,
        group: IpAddr,
        sources: &[IpAddr],
        kernel: &mut KernelGroups,
    ) {
        self.groups.join(session, group, sources);
        self.settle(group, kernel);
    }

    /// Joins the group of the port's own IPv6 address.
    pub(crate) fn join_own(&mut self, kernel: &mut KernelGroups) {
        if let Some(group) = self.groups.join_own(&self.spec.addresses) {
            self.settle(group, kernel);
        }
    }

    /// A session wants no group any more, or `kept` alone.
    pub(crate) fn part(&mut self, session: u64, kept: Option<IpAddr>, kernel: &mut KernelGroups) {
        for group in self.groups.part(session, kept) {
            self.settle(group, kernel);
        }
    }

    /// Leaves a group in which the session is, and joins it again later.
    pub(crate) fn rejoin(&mut self, session: u64, group: IpAddr, kernel: &mut KernelGroups) {
        let now_ns = self.clock.monotonic_ns();
        if self.groups.leave_for_a_moment(session, group, now_ns) {
            self.settle(group, kernel);
        }
    }

    fn settle(&mut self, group: IpAddr, kernel: &mut KernelGroups) {
        let port = match &self.state {
            PortState::Open { port, .. } => Some(port),
            _ => None,
        };
        let name = &self.spec.name;
        self.groups
            .settle(port, name, group, kernel, self.clock.monotonic_ns());
        self.filter_groups();
    }

    /// Lets the device receive the groups' packets, if it does not receive all.
    pub(super) fn filter_groups(&self) {
        let port = self.port();
        let port = port.filter(|it| it.hardware().multicast == MulticastFilter::Groups);
        if let Some(port) = port
            && let Err(error) = port.set_groups(&self.groups.macs())
        {
            tracing::error!(port = self.spec.name, %error, "the device does not receive all groups");
        }
    }

    /// The kernel's answer.
    pub(crate) fn joined(&mut self, membership: &KernelMembership, joined: Joined) {
        self.groups.joined(membership, joined);
    }

    pub(crate) fn membership(&self, group: IpAddr) -> Option<GroupState> {
        self.groups.membership(group, self.clock.monotonic_ns())
    }

    /// When [`Self::serve_groups`] next has work.
    pub(crate) fn groups_due_ns(&self) -> Option<u64> {
        self.groups.due_ns()
    }

    /// The pollers that have a queue of the port, and so can send.
    pub(crate) fn senders(&self, info: &PortInfo) -> Vec<usize> {
        let own = info.pollers.iter().take(info.queues.into()).enumerate();
        let heir = |(lane, poller)| self.heirs.get(&lane).copied().unwrap_or(poller);
        own.map(|(lane, poller)| heir((lane, *poller))).collect()
    }

    /// Answers queries and reports changes of the groups, through the first living poller.
    pub(crate) fn serve_groups(
        &mut self,
        info: &PortInfo,
        pollers: &[PollerHandle],
        kernel: &mut KernelGroups,
    ) {
        while let Some(group) = self.groups.come_back(self.clock.monotonic_ns()) {
            self.settle(group, kernel);
        }
        let frames = self.groups.turn(info, self.clock.monotonic_ns());
        let senders = self.senders(info).into_iter();
        let mut senders = senders.map(|poller| &pollers[poller].inbox);
        let Some(sender) = senders.find(|inbox| !inbox.poller.is_closed()) else {
            return;
        };
        if !frames.is_empty() {
            let port = self.spec.name.clone();
            // With a full queue the report is lost, as on a bad network: it is repeated.
            let _ = sender.send(Command::Emit { port, frames });
        }
    }

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

/// Each destination with its sessions.
#[derive(Debug, Default)]
pub(super) struct TakenFlows(BTreeSet<(SocketAddr, u64)>);

impl TakenFlows {
    /// Returns whether the port had no session of `destination` before.
    pub(super) fn add(&mut self, destination: SocketAddr, session: u64) -> bool {
        let is_new = !self.has(destination);
        self.0.insert((destination, session));
        is_new
    }

    /// The session has none any more, or `kept` alone. Returns the destinations without a session now.
    pub(super) fn part(&mut self, session: u64, kept: Option<SocketAddr>) -> Vec<SocketAddr> {
        let is_over =
            |it: &(SocketAddr, u64)| it.1 == session && kept.is_none_or(|kept| kept != it.0);
        let over: Vec<_> = self.0.extract_if(.., is_over).collect();
        let gone = over.into_iter().map(|(destination, _)| destination);
        gone.filter(|it| !self.has(*it)).collect()
    }

    fn has(&self, destination: SocketAddr) -> bool {
        let of = (destination, 0)..=(destination, u64::MAX);
        self.0.range(of).next().is_some()
    }

    /// Tells a port that was just opened.
    pub(super) fn apply(&self, port: &Port) {
        if let Some(filter) = port.filter() {
            self.0.iter().for_each(|(it, _)| filter.take(*it));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destination_of_two_sessions_is_taken_until_the_last_parts() {
        let mut taken = TakenFlows::default();
        let [one, other] = [5004, 5006].map(|port| SocketAddr::from(([239, 0, 0, 1], port)));
        assert!(taken.add(one, 7) && !taken.add(one, 7) && !taken.add(one, 8));
        assert!(taken.add(other, 7));
        assert_eq!(taken.part(7, Some(one)), [other]);
        assert_eq!(taken.part(7, None), []);
        assert_eq!(taken.part(8, None), [one]);
        assert!(taken.add(one, 9));
    }
}
