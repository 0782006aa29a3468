//! Claims of a session on its ports: its flows, and a receive session's multicast groups.

use std::net::IpAddr;

use onair_api::{Direction, Flow, GroupMembership, JoinedBy, Querier, SessionSpec};
use onair_dataplane::{Joiner, LegTarget};
use onair_mutant::mutant;
use onair_net::igmp::Version;
use onair_session::sources_of_both;
use onair_settings::config::Port;

use crate::services::Services;
use crate::session::{Session, convert};

/// Claims of a session on its ports, with the groups that it is in there. The ports own both: this is how they are
/// asked.
#[derive(Clone, Copy)]
pub(crate) struct Flows<'a> {
    session: u64,
    spec: &'a SessionSpec,
    poller: usize,
    /// A poller has its runtime.
    is_away: bool,
}

impl Session {
    pub(crate) fn flows(&self) -> Flows<'_> {
        Flows {
            session: self.id.0,
            spec: &self.spec,
            poller: self.home.poller(),
            is_away: self.core.runtime().is_none(),
        }
    }

    /// Joins the groups that it is to be in now, and leaves the others.
    pub(crate) fn settle_groups(&mut self, services: &mut Services) {
        self.flows().settle(services);
        (self.traffic).note_groups(self.flows().groups(services));
    }
}

impl<'a> Flows<'a> {
    fn receives(&self) -> bool {
        self.spec.direction == Direction::Receive && self.spec.has_packets()
    }

    /// Whether it is to be in a group of `port`: while a poller has it, and always if stopped sessions stay joined there.
    fn is_in(&self, services: &Services, port: &str) -> bool {
        let mut ports = services.config.port.iter();
        let stays = |it: &Port| it.name == port && it.stopped_stay_joined;
        let stays = ports.any(stays) || mutant!("groups: a stopped session stays joined");
        self.receives() && (self.is_away || stays)
    }

    fn settle(&self, services: &mut Services) {
        let legs = convert::received(&self.spec.port, &self.spec.flow);
        let legs = legs.filter(|(port, flow)| {
            flow.destination.ip().is_multicast() && self.is_in(services, port)
        });
        let legs: Vec<_> = legs.collect();
        let dataplane = services.machine.dataplane_mut();
        for (port, flow) in &legs {
            let sources: Vec<_> = flow.sources.iter().map(|it| it.address).collect();
            dataplane.join(port, self.session, flow.destination.ip(), &sources);
        }
        dataplane.part(self.session, |name| {
            let mut legs = legs.iter();
            Some(legs.find(|(port, _)| *port == name)?.1.destination.ip())
        });
    }

    /// Leaves the group of this leg, if it has one, and joins it again soon after.
    pub(in crate::session) fn rejoin(&self, services: &mut Services, leg: usize) {
        let mut legs = convert::received(&self.spec.port, &self.spec.flow);
        let leg = legs.nth(leg).filter(|_| self.receives());
        let leg = leg.map(|(port, flow)| (port, flow.destination.ip()));
        if let Some((port, group)) = leg.filter(|(_, group)| group.is_multicast()) {
            (services.machine.dataplane_mut()).rejoin(port, self.session, group);
        }
    }

    /// The group of each leg, as its port has it now.
    pub(crate) fn groups(&self, services: &Services) -> [Option<GroupMembership>; 2] {
        let second = self.spec.flow.second.as_ref();
        let first = Some((&self.spec.port, self.spec.flow.group()));
        [first, second.map(|it| (&it.port, it.group()))].map(|leg| {
            let (port, group) = leg?;
            self.membership(services, port, group?)
        })
    }

    fn membership(
        &self,
        services: &Services,
        port: &str,
        group: IpAddr,
    ) -> Option<GroupMembership> {
        let state = services.machine.dataplane().membership(port, group)?;
        self.is_in(services, port).then(|| GroupMembership {
            group: group.to_string(),
            sources: state.sources.iter().map(ToString::to_string).collect(),
            sessions: u32::try_from(state.sessions).unwrap_or(u32::MAX),
            joined_by: match state.joiner {
                Joiner::Kernel => JoinedBy::Kernel,
                Joiner::Own => JoinedBy::Igmp,
            },
            joined: state.joined,
            problem: state.problem,
            igmp_version: state.version.map(|version| number(group, version)),
            querier: state.querier.map(|querier| Querier {
                address: querier.address.to_string(),
                version: number(group, querier.version),
                age_ms: services
                    .machine
                    .clock()
                    .monotonic_ns()
                    .saturating_sub(querier.seen_ns)
                    / 1_000_000,
                is_gone: state.misses_querier,
            }),
        })
    }

    /// Gives up all that it has claimed, but what it receives now.
    pub(crate) fn keep(&self, services: &mut Services) {
        for (port, flow) in convert::received(&self.spec.port, &self.spec.flow) {
            let kept = Some(flow.received());
            services
                .machine
                .dataplane_mut()
                .release(port, self.session, kept);
        }
    }

    /// Claims what `next` receives, and joins its groups. One that is the present one, for the sources of both.
    pub(in crate::session) fn join_next(&self, services: &mut Services, next: &Flow) {
        let present: Vec<_> = convert::received(&self.spec.port, &self.spec.flow).collect();
        for ((port, next), (_, now)) in convert::received(&self.spec.port, next).zip(present) {
            let dataplane = services.machine.dataplane_mut();
            dataplane.claim(port, next.received(), self.poller, self.session);
            let group = next.destination.ip();
            if !group.is_multicast() {
                continue;
            }
            let of = |flow: &LegTarget| flow.sources.iter().map(|it| it.address).collect();
            let sources: Vec<_> = match now.destination.ip() == group {
                true => sources_of_both(of(&now), of(&next)),
                false => of(&next),
            };
            dataplane.join(port, self.session, group, &sources);
        }
    }
}

/// A version of IGMP, or of MLD, whose versions are one less for the same rules.
fn number(group: IpAddr, version: Version) -> u32 {
    let number = u32::from(version.number());
    match group {
        IpAddr::V4(_) => number,
        IpAddr::V6(_) => number.saturating_sub(1).max(1),
    }
}
