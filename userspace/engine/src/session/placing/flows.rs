//! What a session claims of its ports: its flows, and a receive session's multicast groups.

use std::net::IpAddr;

use onair_api::{Direction, Flow, GroupMembership, JoinedBy, Querier, SessionSpec};
use onair_dataplane::{Joiner, LegTarget};
use onair_net::igmp::Version;
use onair_session::sources_of_both;

use crate::services::Services;
use crate::session::{Session, convert};

/// What a session claims of its ports, and the groups that it is in there. The ports own both: this is how they are
/// asked.
#[derive(Clone, Copy)]
pub(crate) struct Flows<'a> {
    session: u64,
    spec: &'a SessionSpec,
    poller: usize,
}

impl Session {
    pub(crate) fn flows(&self) -> Flows<'_> {
        Flows {
            session: self.id.0,
            spec: &self.spec,
            poller: self.home.poller(),
        }
    }

    /// Takes note of its groups as they are now.
    pub(crate) fn look_at_groups(&mut self, services: &Services) {
        let groups = self.flows().groups(services);
        for (leg, group) in self.traffic.legs.iter_mut().zip(groups) {
            leg.group = group;
        }
    }
}

impl Flows<'_> {
    fn receives(&self) -> bool {
        self.spec.direction == Direction::Receive && self.spec.has_packets()
    }

    /// Joins its group, if it receives from one, until [`onair_dataplane::Dataplane::part`]. A stopped
    /// session stays in it.
    pub(crate) fn join(&self, services: &mut Services) {
        if !self.receives() {
            return;
        }
        for (port, flow) in convert::received(&self.spec.port, &self.spec.flow) {
            let group = flow.destination.ip();
            if group.is_multicast() {
                let sources: Vec<_> = flow.sources.iter().map(|it| it.address).collect();
                services
                    .machine
                    .dataplane_mut()
                    .join(port, self.session, group, &sources);
            }
        }
    }

    /// The group of each leg, as its port has it now.
    fn groups(&self, services: &Services) -> [Option<GroupMembership>; 2] {
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
        self.receives().then(|| GroupMembership {
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

    /// Claims what `next` receives, of all legs or of none, also if sessions `with` it have it.
    pub(in crate::session) fn claim(
        &self,
        services: &mut Services,
        next: &Flow,
        with: &[u64],
    ) -> bool {
        let (session, poller) = (self.session, self.poller);
        let machine = &mut services.machine;
        let mut legs = convert::received(&self.spec.port, next);
        let is_free = legs.all(|(port, flow)| {
            machine
                .dataplane_mut()
                .claim(port, flow.received(), poller, session, with)
        });
        if !is_free {
            self.keep(services);
        }
        is_free
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

    /// Joins the groups of `next`. One that is the present one, for the sources of both.
    pub(in crate::session) fn join_next(&self, services: &mut Services, next: &Flow) {
        let present: Vec<_> = convert::received(&self.spec.port, &self.spec.flow).collect();
        for ((port, next), (_, now)) in convert::received(&self.spec.port, next).zip(present) {
            let group = next.destination.ip();
            if !group.is_multicast() {
                continue;
            }
            let of = |flow: &LegTarget| flow.sources.iter().map(|it| it.address).collect();
            let sources: Vec<_> = match now.destination.ip() == group {
                true => sources_of_both(of(&now), of(&next)),
                false => of(&next),
            };
            services
                .machine
                .dataplane_mut()
                .join(port, self.session, group, &sources);
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
