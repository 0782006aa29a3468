//! The multicast groups of a slot: the wishes of its sessions, and the filters of the port and the kernel.

use std::net::IpAddr;

use onair_dpdk::MulticastFilter;

use super::{PortSlot, PortState};
use crate::config::PortInfo;
use crate::groups::GroupState;
use crate::groups::kernel::KernelGroups;
use crate::membership::{Joined, KernelMembership};
use crate::messages::command::Command;
use crate::poller::PollerHandle;

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
}
