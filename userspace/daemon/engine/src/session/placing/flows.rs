//! Claims of a session on its ports: its flows, and a receive session's multicast groups.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use onair_api::{Direction, Flow, GroupMembership, JoinedBy, Querier, SessionSpec, SessionState};
use onair_dataplane::{Joiner, LegTarget, REJOINS_AFTER};
use onair_mutant::mutant;
use onair_net::igmp::Version;
use onair_session::sources_of_both;
use onair_settings::config::Port;

use crate::services::Services;
use crate::session::{Session, convert};

/// One leg may bring a packet this much later than the other: 450 ms by ST 2022-7, and a look.
const APART: Duration = Duration::from_millis(500);
/// Longest wait for packets of a leg: it may have had none before.
const LONGEST: Duration = Duration::from_secs(3);

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

    /// Leaves the groups that it is in, and joins them again. No effect unless it receives and runs.
    pub(crate) fn rejoin(&mut self, services: &mut Services) {
        let receives = self.spec.direction == Direction::Receive;
        if !receives || self.core.state() != SessionState::Running {
            return;
        }
        let has_two = self.spec.flow.second.is_some();
        if !has_two || self.rejoin.begin(services.machine.now()) {
            self.flows().rejoin(services, 0);
        }
    }

    /// The second leg follows the first one.
    pub(in crate::session) fn look_at_rejoin(&mut self, services: &mut Services, now: Instant) {
        if self.core.state() != SessionState::Running {
            return self.rejoin.end();
        }
        let legs = self.stats.legs();
        let packets = legs.map_or([0; 2], |(legs, _)| legs.map(|it| it.packets));
        if let Some(leg) = self.rejoin.look(packets, now) {
            self.flows().rejoin(services, leg);
        }
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

/// A leg has left its group, and the other one waits.
#[derive(Debug)]
struct Away {
    leg: usize,
    left_at: Instant,
    /// Its packets at the first look after it was to join again.
    packets: Option<u64>,
    /// A look has seen more of them.
    back_at: Option<Instant>,
    /// All begins anew once both legs are back.
    again: bool,
}

/// The part of a rejoin of two legs that is still to be done.
#[derive(Debug, Default)]
pub(in crate::session) struct Rejoin(Option<Away>);

impl Rejoin {
    /// Asked for. Whether the first leg leaves its group now: not while a leg is away.
    const fn begin(&mut self, now: Instant) -> bool {
        if let Some(away) = &mut self.0 {
            away.again = true;
            return false;
        }
        self.leave(0, now);
        true
    }

    const fn leave(&mut self, leg: usize, now: Instant) {
        self.0 = Some(Away {
            leg,
            left_at: now,
            packets: None,
            back_at: None,
            again: false,
        });
    }

    /// Nothing more is to be done: the session has other groups, or none.
    pub(in crate::session) const fn end(&mut self) {
        self.0 = None;
    }

    /// The leg that leaves its group next, if it is time, by the packets that each has brought until now.
    fn look(&mut self, packets: [u64; 2], now: Instant) -> Option<usize> {
        let away = self.0.as_mut()?;
        let passed = now.saturating_duration_since(away.left_at);
        match away.packets {
            None if passed > REJOINS_AFTER => away.packets = Some(packets[away.leg]),
            Some(before) if packets[away.leg] > before => {
                away.back_at.get_or_insert(now);
            }
            _ => {}
        }
        let is_back = |at: Instant| now.saturating_duration_since(at) >= APART;
        if !away.back_at.is_some_and(is_back) && passed < LONGEST {
            return None;
        }
        let (leg, again) = (away.leg, away.again);
        self.end();
        let next = if leg == 0 {
            Some(1)
        } else {
            again.then_some(0)
        }?;
        self.leave(next, now);
        if let Some(away) = &mut self.0 {
            away.again = leg == 0 && again;
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(250);

    /// The looks in which a leg leaves, if each has so many packets in each look.
    fn turns(rejoin: &mut Rejoin, packets: impl Fn(u32) -> u64) -> Vec<(u32, usize)> {
        let start = Instant::now();
        assert!(rejoin.begin(start));
        let mut looks = (1..40).map(|it| (it, rejoin.look([packets(it); 2], start + LOOK * it)));
        let turns = looks.by_ref().filter_map(|(look, leg)| Some((look, leg?)));
        turns.collect()
    }

    #[test]
    fn first_leg_back_then_the_second_follows_after_the_skew() {
        // The first look counts from where it is, the second one sees more.
        let turned = turns(&mut Rejoin::default(), |look| u64::from(look) * 9);
        assert_eq!(turned, [(4, 1)]);
        let turned = turns(&mut Rejoin::default(), |look| u64::from(look > 4));
        assert_eq!(turned, [(7, 1)]);
        // It may have had no packets before.
        assert_eq!(turns(&mut Rejoin::default(), |_| 7), [(12, 1)]);
    }

    #[test]
    fn asked_for_again_while_a_leg_is_away_then_once_more() {
        let (mut rejoin, start) = (Rejoin::default(), Instant::now());
        assert!(rejoin.begin(start));
        let mut left = vec![];
        for look in 1..30 {
            let now = start + LOOK * look;
            left.extend(rejoin.look([u64::from(look); 2], now));
            if [2, 3, 6].contains(&look) {
                assert!(!rejoin.begin(now));
            }
        }
        assert_eq!(left, [1, 0, 1]);
        assert!(rejoin.begin(start));
    }

    #[test]
    fn packets_before_it_left_then_it_is_not_back() {
        let (mut rejoin, start) = (Rejoin::default(), Instant::now());
        assert!(rejoin.begin(start));
        for (ms, packets) in [(10, 1), (90, 50), (600, 60), (850, 60), (2900, 60)] {
            let now = start + Duration::from_millis(ms);
            assert_eq!(rejoin.look([packets; 2], now), None);
        }
        rejoin.end();
        assert_eq!(rejoin.look([99; 2], start + 2 * LONGEST), None);
    }
}
