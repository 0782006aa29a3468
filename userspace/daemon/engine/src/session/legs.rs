//! The two legs of a session (ST 2022-7): their ports, their state, and the problem of one of them.

use std::time::Duration;

use onair_api::{
    Direction, LegState, Legs, Problem, SessionProblem, SessionProblemKind, SessionSpec, SpecError,
    SpecErrors,
};
use onair_dataplane::{JointSnapshot, LegSnapshot, PortInfo, SessionStats, Ssrc};
use onair_essence::legs::{Class, Skew};

use super::convert;
use super::convert::second_leg;
use super::problem::problem;
use super::traffic::Traffic;
use super::traffic::leg::{LegFault, LegWatch};
use super::traffic::look::TrafficLook;
use super::traffic::signal::expects;
use crate::clock::Clocks;
use crate::services::Services;

/// A leg without a packet for this long, while the other has some, is a problem.
const ABSENT: Duration = Duration::from_secs(1);

/// The port of the second leg, which has a poller of `first`.
///
/// # Errors
/// `no_such_port`, `invalid_spec`.
pub(super) fn second_port<'a>(
    spec: &SessionSpec,
    first: &PortInfo,
    services: &'a Services,
) -> Result<Option<&'a PortInfo>, Problem> {
    let Some(leg) = &spec.flow.second else {
        return Ok(None);
    };
    let port = services.port_named(&leg.port)?;
    let serves = |port, poller| serves(port, poller, spec.direction, services);
    if first
        .pollers
        .iter()
        .any(|it| serves(first, *it) && serves(port, *it))
    {
        return Ok(Some(port));
    }
    let detail = format!(
        "ports {} and {} have no poller in common, and one poller has both legs: give both [[port]] the same \
         poller",
        first.name, port.name
    );
    Err(SpecErrors(vec![SpecError::new("flow.second_leg.port", detail)]).into())
}

/// Most memory for the packets of two legs that wait, in bytes. Ports that do not exist have none.
pub(super) fn merge_bytes(spec: &SessionSpec, services: &Services) -> u64 {
    let legs = spec.flow.second.as_ref();
    let Some(leg) = legs.filter(|_| spec.direction == Direction::Receive && spec.has_packets())
    else {
        return 0;
    };
    let ports = [&spec.port, &leg.port].map(|name| services.port_named(name).ok());
    match ports {
        [Some(port), second] => convert::receive_config(spec, (port, second)).merge_bytes(),
        _ => 0,
    }
}

/// Whether a poller can receive from the port, or send with it.
pub(super) fn serves(
    port: &PortInfo,
    poller: usize,
    direction: Direction,
    services: &Services,
) -> bool {
    let sends = || services.machine.dataplane().sends(port, poller);
    port.pollers.contains(&poller) && (direction == Direction::Receive || sends())
}

impl Traffic {
    pub(super) fn legs(
        &self,
        spec: &SessionSpec,
        stats: &SessionStats,
        clock: &Clocks,
    ) -> Option<Legs> {
        let second = second_leg(spec)?;
        let (legs, joint) = stats.legs()?;
        let parts = self.legs.iter().zip([&spec.port, &second.port]);
        let mut states = legs
            .iter()
            .zip(parts)
            .map(|(counted, (leg, port))| LegState {
                port: port.clone(),
                link_up: leg.link_up,
                group: leg.group.clone(),
                ..state(counted)
            });
        let lost = legs.iter().map(|it| it.packets_lost).sum::<u64>();
        let now_ns = clock.monotonic_ns();
        let of_now = |at_ns| Skew::is_recent(at_ns, now_ns);
        Some(Legs {
            first: states.next()?,
            second: states.next()?,
            packets_lost: joint.packets_lost,
            packets_recovered: lost.saturating_sub(2 * joint.packets_lost + joint.packets_late),
            packets_held: joint.packets_held,
            restarts: joint.restarts,
            skew_ns: of_now(joint.skew_at_ns).then(|| skew(&joint)),
            skew_p99_ns: of_now(joint.skew_ended_ns).then_some(joint.skew_p99_ns),
            skew_max_ns: of_now(joint.skew_ended_ns).then_some(joint.skew_max_ns),
        })
    }
}

impl TrafficLook<'_> {
    /// A leg brings nothing: what arrives in its place, or what to check.
    fn no_packets_on(&self, name: &str) -> String {
        let mut legs = convert::received(&self.spec.port, &self.spec.flow);
        let leg = legs.find(|(port, _)| *port == name);
        let instead = leg.and_then(|(port, leg)| {
            let expected = expects(port, &leg);
            Some(expected.instead(&self.services.arrives_instead(expected)?, self.clock))
        });
        let what = instead.unwrap_or_else(|| "check the network behind it, and its sender".into());
        format!("no packet arrives on the leg of port {name}: {what}")
    }

    /// The problem of one leg while the other carries the session.
    pub(super) fn leg_problem(&mut self) -> Option<SessionProblem> {
        let (counted, joint) = self.stats.legs()?;
        let receives = self.spec.direction == Direction::Receive;
        // Two legs that begin anew together are one sender that does.
        let restarts = std::mem::replace(&mut self.traffic.leg_restarts, joint.restarts);
        if restarts != joint.restarts {
            self.traffic.legs.iter_mut().for_each(LegWatch::restart);
        }
        let wall = self.clock.wall();
        let watches = self.traffic.legs.iter_mut().zip(&counted);
        let seen: Vec<_> = watches
            .map(|(watch, counted)| {
                let absent = watch
                    .packets
                    .look(counted.packets, self.now, wall, ABSENT)
                    .is_some();
                if absent {
                    watch.restart();
                }
                let fault = watch.look(*counted, self.settings.loss_ppm, self.now);
                let of = (Ssrc::of(counted.other_ssrc), counted.late_ns);
                (absent, fault.filter(|_| receives), of)
            })
            .collect();
        let legs = self.traffic.legs(self.spec, self.stats, self.clock)?;
        let links = [legs.first.link_up, legs.second.link_up];
        let all_absent = seen.iter().all(|(absent, ..)| *absent);
        let are_all_others = seen
            .iter()
            .all(|(_, it, _)| matches!(it, Some(LegFault::OtherStream(..))));
        let types = self.spec.flow.payload_types();
        let mut found = Vec::new();
        let states = [(&legs.first, types.first), (&legs.second, types.second)];
        for ((leg, payload_type), (absent, fault, (ssrc, late_ns))) in states.into_iter().zip(seen)
        {
            let port = &leg.port;
            let refused = leg.group.as_ref().and_then(|it| it.problem.as_deref());
            if leg.link_up != Some(true) && links.contains(&Some(true)) {
                found.push(self.services.link_problem(port));
            } else if let Some(reason) = refused {
                found.push(format!("port {port} has not joined its group: {reason}"));
            } else if absent && !all_absent {
                found.push(match self.spec.direction {
                    Direction::Receive | Direction::Local => self.no_packets_on(port),
                    Direction::Send => format!(
                        "nothing is sent on the leg of port {port}: check that its receiver, or the gateway, answers"
                    ),
                });
            } else if let Some(LegFault::OtherStream(count, of)) = fault {
                let ssrc = ssrc.map_or_else(String::new, |it| format!(" (SSRC {it:#010x})"));
                if !are_all_others {
                    found.push(format!(
                        "the leg of port {port} brings another stream{ssrc}, which is not used ({count} of {of} packets \
                         in the last second): check its addresses"
                    ));
                }
            } else if let Some(late @ LegFault::Late(..)) = fault {
                // What the other one loses breaks frames because of this one.
                let class = self.spec.flow.second.as_ref().map(|it| it.class);
                let bytes = self.spec.format.bytes_per_second();
                let behind = behind(class.unwrap_or_default(), bytes, late_ns);
                let text = format!(
                    "the session is not protected: of the leg of port {port}, {late}, {behind}"
                );
                found.insert(0, text);
            } else if let Some(fault) = fault {
                let expected = match fault {
                    LegFault::Refused(..) => format!(", which is to be {payload_type}"),
                    _ => String::new(),
                };
                found.push(format!("the leg of port {port}: {fault}{expected}"));
            }
        }
        let seen = (!found.is_empty()).then(|| found.join("; "));
        let hold = self.hold();
        let told = self.traffic.leg_fault.hold(seen, self.now, hold)?;
        Some(problem(SessionProblemKind::LegFault, told))
    }
}

/// How far a leg is behind, how long the other one waits, and what to do.
fn behind(class: Class, bytes: u64, late_ns: u64) -> String {
    let classes = [Class::D, Class::A, Class::B, Class::C];
    let enough = classes
        .into_iter()
        .find(|it| it.differential_ns(bytes) >= late_ns);
    let ms = |ns: u64| format!("{}.{:02} ms", ns / 1_000_000, ns % 1_000_000 / 10_000);
    let advice = match enough.filter(|_| late_ns > class.differential_ns(bytes)) {
        Some(enough) => format!("create the session with `--class {enough}`, or shorten the path"),
        None => "shorten the path".to_owned(),
    };
    format!(
        "{} behind, and class {class} waits {}: {advice}",
        ms(late_ns),
        ms(class.differential_ns(bytes))
    )
}

fn state(counted: &LegSnapshot) -> LegState {
    LegState {
        port: String::new(),
        link_up: None,
        group: None,
        other_ssrc: Ssrc::of(counted.other_ssrc),
        packets: counted.packets,
        packets_used: counted.packets_used,
        packets_duplicate: counted.packets_duplicate,
        packets_late: counted.packets_late,
        packets_other_stream: counted.packets_other_stream,
        packets_before_restart: counted.packets_before_restart,
        packets_oversized: counted.packets_oversized,
        packets_malformed: counted.packets_malformed,
        packets_reordered: counted.packets_reordered,
        packets_lost: counted.packets_lost,
        ssrc_changes: counted.ssrc_changes,
    }
}

fn skew(joint: &JointSnapshot) -> i64 {
    let ns = i64::try_from(joint.skew_ns).unwrap_or(i64::MAX);
    if joint.second_is_later == 1 { ns } else { -ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leg_that_is_late_then_the_class_that_is_enough_is_named() {
        let of = |late_ms: u64| behind(Class::A, 100_000, late_ms * 1_000_000);
        assert_eq!(
            of(30),
            "30.00 ms behind, and class a waits 10.00 ms: create the session with `--class b`, or shorten the path"
        );
        assert!(of(60).contains("`--class c`"));
        assert!(of(700).ends_with("10.00 ms: shorten the path"));
    }
}
