//! What a session claims of its ports: its flows, and a receive session's multicast groups.

use std::net::{IpAddr, SocketAddr};

use onair_api::{
    Direction, Flow, GroupMembership, JoinedBy, Problem, ProblemCode, Querier, SessionSpec,
};
use onair_dataplane::{Joiner, LegTarget};
use onair_net::igmp::Version;
use onair_session::sources_of_both;

use crate::services::Services;
use crate::session::{Session, convert, receive_the_same};

/// What a session claims of its ports, and the groups that it is in there. The ports own both: this is how they are
/// asked.
#[derive(Clone, Copy)]
pub(crate) struct Flows<'a> {
    session: u64,
    spec: &'a SessionSpec,
    /// The addresses that it is about to get.
    next: Option<&'a Flow>,
    poller: usize,
}

impl Session {
    pub(crate) fn flows(&self) -> Flows<'_> {
        Flows {
            session: self.id.0,
            spec: &self.spec,
            next: self.retarget.next().map(|it| &it.flow),
            poller: self.home.poller(),
        }
    }
}

impl<'a> Flows<'a> {
    /// Its flow, and the one that it is about to have.
    fn all(&self) -> impl Iterator<Item = &'a Flow> {
        [Some(&self.spec.flow), self.next].into_iter().flatten()
    }

    /// Its destinations, of each leg, and those that it is about to get.
    pub(crate) fn destinations(&self) -> [Option<SocketAddr>; 4] {
        if !self.spec.has_packets() {
            return [None; 4];
        }
        let mut all = self.all().flat_map(|flow| flow.destinations());
        [(); 4].map(|()| all.next())
    }

    /// Whether it receives, or is about to receive, what a session of `spec` would receive.
    pub(crate) fn listen_where(&self, spec: &SessionSpec) -> bool {
        let mut all = self.all();
        all.any(|flow| receive_the_same((self.spec, flow), spec))
    }

    /// Why no session of `spec` can exist beside it.
    pub(crate) fn refuse(&self, spec: &SessionSpec, may_be_named: bool) -> Problem {
        let (who, from) = if may_be_named {
            let from = format!(" from {}", from_where(&self.spec.flow));
            (format!("session {}", self.spec.name), from)
        } else {
            ("another user's session".to_owned(), String::new())
        };
        Problem::new(
            ProblemCode::InvalidSpec,
            format!(
                "{who} already receives {} on port {}{from}: two sessions can share it only if both name their \
                 sources (flow.sources), and none that the other has",
                spec.flow.destination, spec.port,
            ),
        )
    }

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

fn from_where(flow: &Flow) -> String {
    let sources: Vec<_> = flow.accepted().map(|it| it.to_string()).collect();
    match &sources[..] {
        [] => "any source".to_owned(),
        sources => sources.join(", "),
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
