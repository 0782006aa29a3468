//! State of a session by the daemon, in the terms of BCP-008.

use onair_api::{
    Direction, Health, PtpState, SessionCounters, SessionProblemKind as Kind, SessionState,
    SessionView,
};

use super::counters::Counts;
use super::{Area, Count, Finding, Level, Set};
use crate::connection::Subscription;
use onair_control::Facts;

/// `synchronizationSourceId` without an external source.
pub(super) const INTERNAL: &str = "internal";

/// The present state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Number of activations by controllers, if it is active.
    pub(super) activations: Option<u64>,
    /// By the number of its [`Area`].
    pub(super) findings: [Finding; 4],
    /// The clock that this machine follows; `None` if it should follow one and does not.
    pub(super) source: Option<String>,
    pub(super) counts: Counts,
}

impl Truth {
    pub(super) const fn finding(&self, area: Area) -> &Finding {
        &self.findings[area as usize]
    }
}

/// The present state of a session, by the daemon's own judgement:
///
/// | status | partially healthy | unhealthy |
/// |---|---|---|
/// | link | the link of one of two ports is down | of all ports |
/// | connection (receiver) | `leg_fault`, `querier_gone` | `no_signal`, `impaired`, `link_down`, `group_not_joined`, `poller_stalled`; the daemon does not answer |
/// | transmission (sender) | `leg_fault` | `peer_unresolved`, `peer_broadcast`, `link_down`, `poller_stalled`; the daemon does not answer |
/// | stream (receiver) | `two_sources`, `sender_changed`, `timestamps` | `wrong_format`; nothing arrives |
/// | essence (sender) | `impaired`: frame times pass without a frame | `no_signal`: no frame is sent |
/// | synchronization | for a while: another grandmaster | ptp4l has no grandmaster, or does not answer any more |
///
/// The names are of the session's problems ([`Kind`]), and their details are the messages. Other problems are of clients
/// and recordings. Losses below the daemon's thresholds (`signal.loss_ppm`) are only counted. A machine that follows no
/// ptp4l, or is the grandmaster, uses no external synchronization. A receiver or sender is active while its session runs
/// and no controller has disabled it. The counts are those of the last look at the daemon, 5 s ago at most.
#[must_use]
pub fn truth(view: &SessionView, facts: &Facts, subscription: &Subscription) -> Truth {
    let is_active = view.state == SessionState::Running && subscription.active;
    let (synchronization, source) = synchronization(&facts.health);
    let (transport, essence) = match is_active {
        true => traffic(view, facts.away),
        false => (Finding::of(Level::Neutral), Finding::of(Level::Neutral)),
    };
    Truth {
        activations: is_active.then_some(subscription.activations),
        findings: [
            link(view, &facts.health),
            transport,
            synchronization,
            essence,
        ],
        source,
        counts: counts(view),
    }
}

fn link(view: &SessionView, health: &Health) -> Finding {
    let second = view.flow.second_leg.iter().map(|it| &it.port);
    let ports: Vec<_> = std::iter::once(&view.port).chain(second).collect();
    let is_up = |name: &str| {
        let mut known = health.dataplane.ports.iter();
        known.any(|it| it.name == name && it.link_up)
    };
    let down: Vec<_> = ports
        .iter()
        .filter(|it| !is_up(it))
        .map(|it| it.as_str())
        .collect();
    let level = match down.len() {
        0 => return Finding::of(Level::Healthy),
        all if all == ports.len() => Level::Unhealthy,
        _ => Level::Partial,
    };
    Finding::because(level, format!("no link: {}", down.join(", ")))
}

fn synchronization(health: &Health) -> (Finding, Option<String>) {
    let ptp = &health.clock.ptp;
    let not_used = |source: &str| (Finding::of(Level::Neutral), Some(source.to_owned()));
    if matches!(ptp.state, PtpState::Off | PtpState::Absent) {
        return not_used(INTERNAL);
    }
    match (&ptp.grandmaster, ptp.state) {
        (Some(own), PtpState::Locked | PtpState::Unlocked) if own.is_this_machine => {
            not_used(&own.identity)
        }
        (Some(master), PtpState::Locked) => {
            (Finding::of(Level::Healthy), Some(master.identity.clone()))
        }
        _ => {
            let reason = ptp.reason.clone();
            let reason = reason.unwrap_or_else(|| format!("PTP is {}", ptp.state));
            (Finding::because(Level::Unhealthy, reason), None)
        }
    }
}

/// Transport and essence of an active session.
fn traffic(view: &SessionView, is_away: bool) -> (Finding, Finding) {
    let of = |index: usize| {
        let problems = view.problems.iter();
        let levels = problems.map(|it| (levels(view.direction, it.problem)[index], &it.detail));
        let worst = levels
            .clone()
            .map(|it| it.0)
            .max()
            .filter(|it| *it > Level::Healthy);
        let Some(worst) = worst else {
            return Finding::of(Level::Healthy);
        };
        let reasons: Vec<_> = levels
            .filter(|it| it.0 == worst)
            .map(|it| it.1.as_str())
            .collect();
        Finding::because(worst, reasons.join("; "))
    };
    let transport = match is_away {
        true => Finding::because(Level::Unhealthy, "onaird does not answer".to_owned()),
        false => of(0),
    };
    (transport, of(1))
}

/// Levels of the transport and of the essence under a problem.
const fn levels(direction: Direction, problem: Kind) -> [Level; 2] {
    use Level::{Healthy, Partial, Unhealthy};
    match (direction, problem) {
        (Direction::Receive, Kind::Impaired) => [Unhealthy, Healthy],
        (
            Direction::Receive,
            Kind::NoSignal | Kind::LinkDown | Kind::GroupNotJoined | Kind::PollerStalled,
        ) => [Unhealthy, Unhealthy],
        (Direction::Receive, Kind::WrongFormat) => [Healthy, Unhealthy],
        (Direction::Receive, Kind::TwoSources | Kind::SenderChanged | Kind::Timestamps) => {
            [Healthy, Partial]
        }
        (_, Kind::LegFault | Kind::QuerierGone) => [Partial, Healthy],
        (
            Direction::Send,
            Kind::PeerUnresolved | Kind::PeerBroadcast | Kind::LinkDown | Kind::PollerStalled,
        ) => [Unhealthy, Healthy],
        (Direction::Send, Kind::NoSignal) => [Healthy, Unhealthy],
        (Direction::Send, Kind::Impaired) => [Healthy, Partial],
        _ => [Healthy, Healthy],
    }
}

/// The daemon's counters of each set.
const COUNTED: [(Set, Direction, &str); 7] = [
    (Set::Lost, Direction::Receive, "packets_lost"),
    (Set::Late, Direction::Receive, "packets_late"),
    (Set::Unsent, Direction::Send, "frames_no_link"),
    (Set::Unsent, Direction::Send, "slots_missed"),
    (Set::Unsent, Direction::Send, "underruns"),
    (Set::Unsent, Direction::Send, "underruns_open"),
    (Set::Unsent, Direction::Send, "packets_not_filled"),
];

fn counts(view: &SessionView) -> Counts {
    let own = COUNTED.iter().filter(|it| it.1 == view.direction);
    let own = own.filter_map(|(set, _, name)| {
        let counter = SessionCounters::ALL.iter().find(|it| it.name == *name)?;
        Some(Count {
            set: *set,
            name: (*name).to_owned(),
            help: counter.help,
            value: (counter.value)(&view.counters),
        })
    });
    let mut all: Vec<_> = own.collect();
    for leg in view.legs.iter().flat_map(|it| [&it.first, &it.second]) {
        let mut add = |set, name: &str, help, value| {
            let name = format!("{name} {}", leg.port);
            all.push(Count {
                set,
                name,
                help,
                value,
            });
        };
        add(
            Set::Lost,
            "packets_lost",
            "Packets that did not come on this leg.",
            leg.packets_lost,
        );
        let late = "Packets that came on this leg when the stream no longer waited for them.";
        add(Set::Late, "packets_late", late, leg.packets_late);
    }
    Counts {
        session: view.id,
        packets: view.counters.packets,
        all,
    }
}
