//! A receive session's multicast group.

use std::net::IpAddr;

use onair_api::{Direction, GroupMembership, JoinedBy, Querier};
use onair_dataplane::Joiner;
use onair_net::igmp::Version;

use super::{Session, convert};
use crate::services::Services;

impl Session {
    /// Joins its group, if it receives from one, until [`onair_dataplane::Dataplane::part`]. A stopped
    /// session stays in it.
    pub fn join_group(&mut self, services: &mut Services) {
        if self.is_converted() {
            return;
        }
        if self.spec.direction != Direction::Receive {
            return;
        }
        for (port, flow) in convert::received(&self.spec.port, &self.spec.flow) {
            let group = flow.destination.ip();
            if group.is_multicast() {
                let sources: Vec<_> = flow.sources.iter().map(|it| it.address).collect();
                services
                    .machine
                    .dataplane_mut()
                    .join(port, self.id.0, group, &sources);
            }
        }
        self.traffic.group = self.group_membership(services);
        self.traffic.second_group = self.second_membership(services);
    }

    /// Its group as the port has it now.
    pub(super) fn group_membership(&self, services: &Services) -> Option<GroupMembership> {
        self.membership(services, &self.spec.port, self.spec.flow.group()?)
    }

    /// The group of its second leg.
    pub(super) fn second_membership(&self, services: &Services) -> Option<GroupMembership> {
        let leg = self.spec.flow.second.as_ref()?;
        self.membership(services, &leg.port, leg.group()?)
    }

    fn membership(
        &self,
        services: &Services,
        port: &str,
        group: IpAddr,
    ) -> Option<GroupMembership> {
        let state = services.machine.dataplane().membership(port, group)?;
        (self.spec.direction == Direction::Receive && !self.is_converted()).then(|| {
            GroupMembership {
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
                    age_ms: self.clock.monotonic_ns().saturating_sub(querier.seen_ns) / 1_000_000,
                    is_gone: state.misses_querier,
                }),
            }
        })
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
