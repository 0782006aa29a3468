//! The multicast groups of one port: which sessions want which sources, and which side joins.
//!
//! The control thread owns this. Where queries reach the kernel, a socket of the kernel
//! joins ([`KernelGroups`]); elsewhere the port speaks IGMP, and MLD for IPv6, itself. Sessions of one group join once,
//! for the sources of all.

pub(crate) mod kernel;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use onair_dpdk::Port;
use onair_mutant::mutant;
use onair_net::ethernet::Mac;
use onair_net::igmp::{ALL_NODES, Filter, Host, Querier, Query, Version};
use onair_net::ipv6::solicited_node;

use crate::addresses::{Joined, KernelMembership as Socket, PortAddresses};
use crate::config::PortInfo;
use crate::groups::kernel::KernelGroups;
use crate::messages::events::Events;

/// Between two looks at the queries: the shortest time for an answer is 100 ms (RFC 3376 §4.1.1).
const LOOK: Duration = Duration::from_millis(20);

/// A group that is joined again is left for so long before. The kernel tells of a change after up to three of its ticks
/// (of 10 ms at most), and forgets one that is undone by then.
pub const REJOINS_AFTER: Duration = Duration::from_millis(100);
/// Queries that wait for the control thread.
const QUERIES: usize = 64;

/// The side that joins the groups of a port: the daemon or the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joiner {
    /// A socket of the kernel joins: the kernel answers queries.
    Kernel,
    /// The port joins and answers queries itself: the kernel does not see its packets.
    Own,
}

/// A group as its port has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupState {
    /// The side that joined it.
    pub joiner: Joiner,
    /// The sources that all sessions of the group want together; none of them for any source.
    pub sources: Vec<IpAddr>,
    /// Sessions of the group.
    pub sessions: usize,
    /// Whether the network sends the group's packets here, as far as the joiner knows.
    pub joined: bool,
    /// Why it is not joined; `None` while it is, or while the answer is on its way.
    pub problem: Option<String>,
    /// The querier of the port's link, if one has asked.
    pub querier: Option<Querier>,
    /// The querier has stopped asking: switches may drop the group.
    pub misses_querier: bool,
    /// The version of IGMP in force, if the port speaks it itself.
    pub version: Option<Version>,
}

/// Stands for the port itself among the sessions of a group.
const NO_SESSION: u64 = u64::MAX;

/// The groups of one port.
#[derive(Debug)]
pub(crate) struct PortGroups {
    /// Of IPv4 and of IPv6.
    joiners: [Joiner; 2],
    /// The filter of each session, by group.
    members: BTreeMap<IpAddr, BTreeMap<u64, Filter>>,
    /// Groups that were left to be joined again, and when.
    left: BTreeMap<IpAddr, u64>,
    /// The port's host part in IGMP (IPv4) and MLD (IPv6).
    hosts: [Host; 2],
    /// Memberships requested of the kernel, with its answers.
    sockets: BTreeMap<(IpAddr, Option<IpAddr>), Option<Joined>>,
    queries: Arc<QueryInbox>,
    /// When the queries are looked at next, at the earliest.
    look_ns: u64,
}

impl PortGroups {
    pub(crate) fn new(port: Option<&Port>, info: &PortInfo, queries: Arc<QueryInbox>) -> Self {
        let [.., a, b, c, d] = info.mac;
        let seed = u64::from(u32::from_be_bytes([a, b, c, d]));
        Self {
            joiners: [false, true].map(|is_ipv6| {
                // Without a filter the kernel's sockets are at the interface, which is in no VLAN.
                let port = port.filter(|it| info.vlan.is_none() || it.filter().is_some());
                match port.and_then(|it| it.group_joiner(is_ipv6)) {
                    Some(_) => Joiner::Kernel,
                    None => Joiner::Own,
                }
            }),
            members: BTreeMap::new(),
            left: BTreeMap::new(),
            hosts: [0, 1].map(|family| Host::new(2 * seed + family)),
            sockets: BTreeMap::new(),
            queries,
            look_ns: 0,
        }
    }

    /// The group of the port itself, to which others send what they ask of its IPv6 address. A switch that
    /// forwards only what was joined needs a report of it, too (RFC 4861 §7.2.1).
    pub(crate) fn join_own(&mut self, info: &PortAddresses) -> Option<IpAddr> {
        let (own, _) = info.ipv6?;
        let group = IpAddr::V6(solicited_node(own));
        self.join(NO_SESSION, group, &[]);
        Some(group)
    }

    fn joiner(&self, group: IpAddr) -> Joiner {
        self.joiners[usize::from(group.is_ipv6())]
    }

    fn host(&self, group: IpAddr) -> &Host {
        &self.hosts[usize::from(group.is_ipv6())]
    }

    fn own_host(&mut self, group: IpAddr) -> &mut Host {
        &mut self.hosts[usize::from(group.is_ipv6())]
    }

    pub(crate) const fn queries(&self) -> &Arc<QueryInbox> {
        &self.queries
    }

    /// A session wants these sources of `group`; none of them means any.
    pub(crate) fn join(&mut self, session: u64, group: IpAddr, sources: &[IpAddr]) {
        let filter = match sources {
            [] => Filter::Any,
            sources => Filter::Include(sources.iter().copied().collect()),
        };
        let members = self.members.entry(group).or_default();
        members.insert(session, filter);
    }

    /// The opposite of [`Self::join`] for all groups but `kept`. Returns those that are to be settled.
    pub(crate) fn part(&mut self, session: u64, kept: Option<IpAddr>) -> Vec<IpAddr> {
        let mut parted = Vec::new();
        self.members.retain(|group, members| {
            if Some(*group) != kept && members.remove(&session).is_some() {
                parted.push(*group);
            }
            !members.is_empty()
        });
        parted
    }

    /// Leaves a group until [`Self::come_back`] names it. Returns whether the session is in it.
    pub(crate) fn leave_for_a_moment(&mut self, session: u64, group: IpAddr, now_ns: u64) -> bool {
        let members = self.members.get(&group);
        let is_in_it = members.is_some_and(|it| it.contains_key(&session));
        if is_in_it && !mutant!("groups: joined again without a leave") {
            let after_ns = u64::try_from(REJOINS_AFTER.as_nanos()).expect("milliseconds");
            // It comes back, however often it is asked for.
            let at_ns = now_ns.saturating_add(after_ns);
            self.left.entry(group).or_insert(at_ns);
        }
        is_in_it
    }

    /// A group that is to be joined again now.
    pub(crate) fn come_back(&mut self, now_ns: u64) -> Option<IpAddr> {
        let mut due = self.left.iter().filter(|(_, at_ns)| **at_ns <= now_ns);
        let group = *due.next()?.0;
        self.left.remove(&group);
        Some(group)
    }

    /// The groups with sessions.
    pub(crate) fn groups(&self) -> impl Iterator<Item = IpAddr> {
        self.members.keys().copied()
    }

    fn wanted(&self, group: IpAddr) -> Filter {
        let members = self.members.get(&group);
        let members = members.filter(|_| !self.left.contains_key(&group));
        let filters = members.into_iter().flat_map(BTreeMap::values);
        filters.fold(Filter::NONE, Filter::plus)
    }

    /// Joins or leaves a group as its sessions want it now.
    pub(crate) fn settle(
        &mut self,
        port: Option<&Port>,
        name: &str,
        group: IpAddr,
        kernel: &mut KernelGroups,
        now_ns: u64,
    ) {
        let wanted = self.wanted(group);
        if self.joiner(group) == Joiner::Own {
            self.own_host(group).set(group, wanted, now_ns);
            return;
        }
        let sources: BTreeSet<_> = match wanted {
            Filter::Any => [None].into(),
            Filter::Include(sources) => sources.into_iter().map(Some).collect(),
        };
        let socket = |source| Socket {
            port: name.to_owned(),
            group,
            source,
        };
        for source in &sources {
            if let Some(joiner) = port.and_then(|it| it.group_joiner(group.is_ipv6()))
                && !self.sockets.contains_key(&(group, *source))
            {
                let asked = kernel.join(socket(*source), joiner);
                self.sockets.insert((group, *source), asked.err().map(Err));
            }
        }
        self.sockets.retain(|(of, source), _| {
            let stays = *of != group || sources.contains(source);
            if !stays {
                kernel.leave(socket(*source));
            }
            stays
        });
    }

    /// The kernel's answer.
    pub(crate) fn joined(&mut self, socket: &Socket, joined: Joined) {
        if let Some(known) = self.sockets.get_mut(&(socket.group, socket.source)) {
            *known = Some(joined);
        }
    }

    /// The port has another device, and its link may be another one.
    pub(crate) fn renew(
        &mut self,
        port: &Port,
        name: &str,
        kernel: &mut KernelGroups,
        now_ns: u64,
    ) {
        kernel.forget(name);
        self.sockets.clear();
        for group in self.groups().collect::<Vec<_>>() {
            self.settle(Some(port), name, group, kernel, now_ns);
        }
        self.announce(now_ns);
    }

    /// The link is up again: a switch may have forgotten the groups.
    pub(crate) fn announce(&mut self, now_ns: u64) {
        self.hosts.iter_mut().for_each(|it| it.announce(now_ns));
    }

    /// When [`Self::turn`] next has work.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        let look_ns = (!self.queries.is_empty()).then_some(self.look_ns);
        let due = self.hosts.iter().filter_map(Host::due_ns);
        let left = self.left.values().copied();
        look_ns.into_iter().chain(due).chain(left).min()
    }

    /// Handles the queries that arrived. Returns the frames to send.
    pub(crate) fn turn(&mut self, info: &PortInfo, now_ns: u64) -> Vec<Vec<u8>> {
        if self.look_ns <= now_ns && !self.queries.is_empty() {
            while let Some(query) = self.queries.pop() {
                self.own_host(query.querier).query(&query, now_ns);
            }
            let look_ns = u64::try_from(LOOK.as_nanos()).expect("milliseconds");
            self.look_ns = now_ns.saturating_add(look_ns);
        }
        let hosts = self.hosts.iter_mut();
        let reports = hosts.flat_map(|it| it.turn(now_ns));
        let own = info.addresses.ipv4;
        let own = own.map_or(Ipv4Addr::UNSPECIFIED, |it| it.0);
        let frame = |report: onair_net::igmp::MembershipReport| report.to_frame(Mac(info.mac), own);
        reports.map(frame).collect()
    }

    /// The Ethernet addresses of the groups.
    pub(crate) fn macs(&self) -> Vec<[u8; 6]> {
        let has_ipv6 = self.groups().any(|it| it.is_ipv6());
        // Where queries about all groups go.
        let queries = has_ipv6.then_some(IpAddr::V6(ALL_NODES));
        let groups = self.groups().chain(queries);
        let macs: BTreeSet<_> = groups.map(|it| Mac::of_multicast(it).0).collect();
        macs.into_iter().collect()
    }

    /// A group as the port has it; `None` if no session wants it.
    pub(crate) fn membership(&self, group: IpAddr, now_ns: u64) -> Option<GroupState> {
        let members = self.members.get(&group)?;
        let sockets = self.sockets.iter().filter(|((of, _), _)| *of == group);
        let answers: Vec<_> = sockets.map(|(_, answer)| answer).collect();
        let problem = answers.iter().find_map(|it| it.as_ref()?.as_ref().err());
        Some(GroupState {
            joiner: self.joiner(group),
            sources: match self.wanted(group) {
                Filter::Any => Vec::new(),
                Filter::Include(sources) => sources.into_iter().collect(),
            },
            sessions: members.len(),
            joined: match self.joiner(group) {
                Joiner::Own => true,
                Joiner::Kernel => {
                    !answers.is_empty() && answers.iter().all(|it| matches!(it, Some(Ok(()))))
                }
            },
            problem: problem.map(ToString::to_string),
            querier: self.host(group).querier(),
            misses_querier: self.host(group).misses_querier(now_ns),
            version: (self.joiner(group) == Joiner::Own)
                .then(|| self.host(group).version_at(now_ns)),
        })
    }
}

/// Queries that arrived at one port. What does not fit is dropped: queriers ask again.
#[derive(Debug)]
pub(crate) struct QueryInbox {
    queue: ArrayQueue<Query>,
    events: Arc<Events>,
}

impl QueryInbox {
    pub(crate) fn new(events: Arc<Events>) -> Self {
        Self {
            queue: ArrayQueue::new(QUERIES),
            events,
        }
    }

    /// False if too many wait. A flood wakes the control thread only as often as it looks.
    pub(crate) fn push(&self, query: Query) -> bool {
        let fits = self.queue.push(query).is_ok();
        if fits {
            self.events.wake();
        }
        fits
    }

    pub(crate) fn pop(&self) -> Option<Query> {
        self.queue.pop()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests;
