//! What is wrong with a session's traffic: found by comparing its counters from look to look.

mod lasting;
pub(super) mod leg;
mod pauses;
pub(super) mod presence;
pub(super) mod recent;
mod recurring;
pub(super) mod sender_clock;
mod shortage;
pub(super) mod signal;
pub(super) mod stamps;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use onair_api::{
    Direction, EventKind, GroupMembership, PeerState, SessionProblem, SessionProblemKind as Kind,
    SessionState, Signal, SignalState,
};
use onair_dataplane::{PortInfo, SessionSnapshot, Ssrc};
use onair_essence::Monitor;
use onair_ipc::event::EventKind as ClientEvent;
use onair_session::PollerFact;
use onair_settings::diagnostics::growth::{Growth, SideBySide};

use self::lasting::Lasting;
use self::leg::LegWatch;
use self::recent::Looks;
use self::signal::SignalWatch;
use super::Session;
use super::convert::network;
use super::problem::{problem, signal_during};
use crate::clients::inspection::{Finding, Inspection, InspectionTask};
use crate::services::Services;

/// Time limit for a look at a client's process.
const LOOK: Duration = Duration::from_secs(1);
/// A receiver that does not answer ARP for this long is a problem: five requests.
const ARP_TIMEOUT: Duration = Duration::from_secs(1);
/// In a second so many changes of the sender are two that send: one that restarts is one.
const FEWEST_CHANGES: u64 = 4;

/// What is known of the frames that a client missed because it had used its quota.
#[derive(Debug, Default)]
struct SlowClient {
    attachment: u64,
    dropped: Growth,
    /// How many of them the client was told of.
    told: u64,
    /// A helper thread looks whether its process is stopped.
    is_asked: bool,
    /// Whether it is; `None`: not known yet.
    is_stopped: Option<bool>,
}

/// Problems of one session's traffic.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) problems: Vec<SessionProblem>,
    pub(super) link_up: Option<bool>,
    /// Whether the link of the second leg's port is up; `None`: not known, or no second leg.
    pub(super) second_link: Option<bool>,
    /// The multicast group that it receives, as of the last look; `None`: it receives none.
    pub(super) group: Option<GroupMembership>,
    /// The multicast group of the second leg.
    pub(super) second_group: Option<GroupMembership>,
    pub(super) legs: [LegWatch; 2],
    /// How often both legs began anew.
    pub(super) leg_restarts: u64,
    pub(super) leg_fault: Lasting,
    /// Receive: the newest measurement of the packets' timing.
    pub(super) timing: Option<Box<Monitor>>,
    pub(super) recent: Looks,
    waiting_since: Option<Instant>,
    /// Packets of the source that the session follows, and of others.
    sources: SideBySide,
    two_sources: Growth,
    mixed: Lasting,
    pub(super) signal: SignalWatch,
    pub(super) state: Option<Signal>,
    slow: Vec<SlowClient>,
    /// The recordings that do not keep all packets, each with its reason.
    pub(super) degraded_recordings: Vec<String>,
}

impl Session {
    /// Compares the counters with those of the last look, and publishes the problems that began or
    /// ended.
    pub fn look_at_traffic(&mut self, services: &mut Services, now: Instant) {
        let is_own = |port: &&PortInfo| !self.is_converted() && port.name == self.spec.port;
        let port = services.machine.dataplane().ports().iter().find(is_own);
        let link = port.and_then(|port| services.machine.dataplane().link_seen(&port.name));
        self.traffic.link_up = link;
        self.traffic.group = self.group_membership(services);
        self.stats.take_timing(&mut self.traffic.timing);
        self.look_at_rates();
        self.look_at_second_leg(services);
        self.stats.note_link(!self.has_link());
        let poller = services.poller_fact(self.placement.poller());
        let found = match (self.state(), port, poller) {
            (SessionState::Running, _, PollerFact::Stalled(why)) => {
                vec![problem(Kind::PollerStalled, why)]
            }
            (SessionState::Running, Some(port), _) => {
                let port = port.clone();
                self.find_problems(services, &port, now)
            }
            (SessionState::Running, None, _) => self.converted_problems(services, now),
            (SessionState::Draining, ..) => self.drain_problem().into_iter().collect(),
            _ => Vec::new(),
        };
        let before = std::mem::replace(&mut self.traffic.problems, found);
        self.note_signal(self.clock.wall());
        let is_in = |list: &[SessionProblem], kind| list.iter().any(|it| it.problem == kind);
        for kind in Kind::ALL {
            let listed = &self.traffic.problems;
            let (was, is) = (is_in(&before, kind), is_in(listed, kind));
            if was && !is {
                let over = EventKind::SessionProblemOver { problem: kind };
                self.publish(services, self.requested_by, over);
            } else if is && !was {
                let Some(problem) = listed.iter().find(|it| it.problem == kind).cloned() else {
                    continue;
                };
                let name = &self.spec.name;
                let more = services.lines.sessions.note_caused(self.requested_by, now);
                if let Some(more) = more {
                    tracing::warn!(session = %name, problem = %kind, detail = problem.detail, more);
                }
                let begun = EventKind::SessionProblem { problem };
                self.publish(services, self.requested_by, begun);
            }
        }
    }

    /// The problems at the last look.
    pub fn problems(&self) -> &[SessionProblem] {
        &self.traffic.problems
    }

    /// What a running send session knows of its receiver.
    pub(super) fn peer(&self) -> Option<PeerState> {
        let is_sending =
            self.spec.direction == Direction::Send && self.state() == SessionState::Running;
        let waits = self.stats.snapshot().waiting_for_arp == 1;
        is_sending.then(|| match () {
            () if self.spec.flow.destination.ip().is_multicast() => PeerState::Multicast,
            () if self.is_broadcast => PeerState::Broadcast,
            () if waits => PeerState::Unresolved,
            () => PeerState::Resolved,
        })
    }

    /// Whether the link of a leg's port is up.
    fn has_link(&self) -> bool {
        [self.traffic.link_up, self.traffic.second_link].contains(&Some(true))
    }

    fn find_problems(
        &mut self,
        services: &Services,
        port: &PortInfo,
        now: Instant,
    ) -> Vec<SessionProblem> {
        let counted = self.stats.snapshot();
        let mut found = Vec::new();
        if !self.has_link() {
            let detail = services.link_problem(&port.name);
            found.push(problem(Kind::LinkDown, detail));
        }
        found.extend(self.peer_problem(port, now));
        found.extend(self.group_problem());
        found.extend(self.querier_problem());
        let hold = Duration::from_millis(services.config.signal.hold_ms);
        found.extend(self.two_sources(&counted, hold, now));
        found.extend(self.leg_problem(services, now));
        let has_cause = found
            .iter()
            .any(|it| signal_during(it.problem) == SignalState::Absent);
        found.extend(self.signal_problems(services, &counted, has_cause, now));
        found.extend(self.slow_clients(services, now));
        found.extend(self.recording_problem());
        found
    }

    fn converted_problems(&mut self, services: &Services, now: Instant) -> Vec<SessionProblem> {
        let mut found = Vec::from_iter(self.source_problem());
        found.extend(self.slow_clients(services, now));
        found
    }

    /// A destroy that still waits when the first warning is due.
    fn drain_problem(&self) -> Option<SessionProblem> {
        let (_, is_blocked) = self.core.warnings();
        is_blocked.then(|| {
            let name = &self.spec.name;
            let detail = format!(
                "its destroy waits for users that do not leave: `onairctl session blockers {name}` names them"
            );
            problem(Kind::DrainBlocked, detail)
        })
    }

    fn peer_problem(&mut self, port: &PortInfo, now: Instant) -> Option<SessionProblem> {
        let address = self.spec.flow.destination.ip();
        let own = network(port, address);
        let peer = self.peer();
        if peer == Some(PeerState::Broadcast) {
            return Some(problem(
                Kind::PeerBroadcast,
                format!(
                    "{address} is the broadcast address of {own}, and nothing is sent to it: \
                     give the receiver's own address"
                ),
            ));
        }
        // Without a link no request leaves: that is the problem then.
        let hop = port.addresses.next_hop(address).unwrap_or(address);
        let waits = peer == Some(PeerState::Unresolved) && self.traffic.link_up == Some(true);
        let since = waits.then(|| *self.traffic.waiting_since.get_or_insert(now));
        self.traffic.waiting_since = since;
        let waited = since.map(|since| now.saturating_duration_since(since))?;
        let request = match address {
            IpAddr::V4(_) => "ARP request",
            IpAddr::V6(_) => "neighbour solicitation",
        };
        // It has left its requests unanswered already.
        let is_silent = self.stats.snapshot().silent_neighbour == 1;
        let (answers, sent) = if is_silent {
            let held = "go to its last hardware address for 30 s, then none are sent";
            (
                format!("answers no {request} any more"),
                format!("packets to {address} {held}"),
            )
        } else {
            (
                format!("answers no {request}"),
                format!("nothing is sent to {address}"),
            )
        };
        let whose = if hop == address {
            "receiver"
        } else {
            "gateway"
        };
        (is_silent || waited >= ARP_TIMEOUT).then(|| {
            problem(
                Kind::PeerUnresolved,
                format!(
                    "{hop} {answers} on port {}, and {sent}: check that the {whose} is up, has this address \
                     and is in the network of {own}",
                    port.name
                ),
            )
        })
    }

    /// Two synchronisation sources in one flow.
    fn two_sources(
        &mut self,
        counted: &SessionSnapshot,
        hold: Duration,
        now: Instant,
    ) -> Option<SessionProblem> {
        if let Some(mixed) = self.mixed_senders(counted, hold, now) {
            return Some(mixed);
        }
        let others = counted.packets_other_ssrc;
        // A sender that restarts with another SSRC is no second one.
        let followed = counted.packets.saturating_sub(others);
        let both = self.traffic.sources.look([followed, others]);
        let lasts = self.traffic.two_sources.lasts_for(both, now, hold);
        let (ssrc, other) = (Ssrc::of(counted.ssrc)?, Ssrc::of(counted.other_ssrc)?);
        // The session follows the other one by now, if they are the same.
        (lasts && ssrc != other).then(|| {
            let detail = format!(
                "SSRC {other:#010x} sends into the flow of SSRC {ssrc:#010x}, which the session \
                 follows ({others} packets dropped): stop one sender, or set flow.source"
            );
            SessionProblem {
                ssrc: Some(ssrc),
                other_ssrc: Some(other),
                ..problem(Kind::TwoSources, detail)
            }
        })
    }

    /// Two senders with one synchronisation source: their packets come in turn, whatever their numbers are.
    fn mixed_senders(
        &mut self,
        counted: &SessionSnapshot,
        hold: Duration,
        now: Instant,
    ) -> Option<SessionProblem> {
        let changes = self.traffic.recent.sender_changes();
        let senders = counted.sender_address().zip(counted.sender_before());
        let seen = senders.filter(|_| changes >= FEWEST_CHANGES);
        let seen = seen.map(|(one, other)| {
            let (first, second) = (one.min(other), one.max(other));
            let ssrc = Ssrc::of(counted.ssrc).map_or_else(String::new, |it| format!("SSRC {it:#010x}"));
            format!(
                "packets of two senders are mixed, {first} and {second}, which have the same {ssrc}: stop one sender, or \
                 set flow.source"
            )
        });
        let told = self.traffic.mixed.look(seen, now, hold)?;
        Some(problem(Kind::TwoSources, told))
    }

    /// The clients whose frames are dropped because they have used their quota: those that run, and those whose
    /// processes are stopped.
    fn slow_clients(&mut self, services: &Services, now: Instant) -> Vec<SessionProblem> {
        let attached: Vec<_> = self.core.attachments().map(|it| it.number).collect();
        let slow = &mut self.traffic.slow;
        slow.retain(|it| attached.contains(&it.attachment));
        let now_ns = self.clock.monotonic_ns();
        let (mut named, mut stopped) = (Vec::new(), Vec::new());
        for number in attached {
            let dropped = self.dropped_by(number);
            let slow = &mut self.traffic.slow;
            let known = slow.iter().position(|it| it.attachment == number);
            let at = known.unwrap_or_else(|| {
                slow.push(SlowClient {
                    attachment: number,
                    ..SlowClient::default()
                });
                slow.len() - 1
            });
            let Some(it) = self.core.attachment(number) else {
                continue;
            };
            let slow = &mut slow[at];
            if dropped > slow.told {
                // One event a look, however many frames: the ring has room for few events.
                it.memory.notify(ClientEvent::Dropped, dropped - slow.told);
                slow.told = dropped;
            }
            if !slow.dropped.lasts(dropped, now) {
                slow.is_stopped = None;
                continue;
            }
            if !std::mem::replace(&mut slow.is_asked, true) {
                ask_whether_stopped(services, self.id.0, it);
            }
            let held = oldest_held_ms(it, now_ns)
                .map(|ms| format!(", oldest frame held for {ms} ms"))
                .unwrap_or_default();
            let (command, pid) = (&it.who.command, it.who.pid);
            let list = match slow.is_stopped {
                Some(true) => &mut stopped,
                Some(false) => &mut named,
                None => continue,
            };
            list.push(format!("{command} ({pid}): {dropped} frames{held}"));
        }
        let slow = (!named.is_empty()).then(|| {
            let detail = format!(
                "a client has used its quota of {} frames and misses frames: {}; a faster client or a \
                 higher quota ends that",
                self.spec.quota,
                named.join(", ")
            );
            problem(Kind::SlowClient, detail)
        });
        let stopped = (!stopped.is_empty()).then(|| {
            let detail = format!(
                "the process of a client is stopped (SIGSTOP or a debugger) and misses frames: {}; `kill -CONT PID` \
                 lets it go on",
                stopped.join(", ")
            );
            problem(Kind::ClientStopped, detail)
        });
        slow.into_iter().chain(stopped).collect()
    }

    /// A helper thread has looked whether the process of a client is stopped; `None`: it could not say.
    pub fn note_stopped_client(&mut self, attachment: u64, is_stopped: Option<bool>) {
        let mut slow = self.traffic.slow.iter_mut();
        if let Some(it) = slow.find(|it| it.attachment == attachment) {
            it.is_asked = false;
            it.is_stopped = is_stopped.or(it.is_stopped).or(Some(false));
        }
    }

    /// Frames that an attachment missed because it had used its quota.
    pub(super) fn dropped_by(&self, attachment: u64) -> u64 {
        let published = self.stats.attachment(attachment);
        published.map_or(0, |it| it.frames_dropped_slow)
    }
}

/// A helper thread looks whether the client's process is stopped.
fn ask_whether_stopped(services: &Services, session: u64, client: &onair_session::Attachment) {
    let (attachment, pid) = (client.number, client.who.pid);
    let finding = move |is_stopped| Finding::Stopped {
        session,
        attachment,
        is_stopped,
    };
    services.machine.inspect(Inspection {
        about: u64::from(pid),
        limit: LOOK,
        look: InspectionTask::Alone(Box::new(move |processes| {
            finding(Some(processes.is_stopped(pid)))
        })),
        late: Box::new(move |_| finding(None)),
    });
}

/// How long a client has held its oldest frame, in milliseconds.
pub(super) fn oldest_held_ms(it: &onair_session::Attachment, now_ns: u64) -> Option<u64> {
    let held = it.memory.held();
    let since = held
        .iter()
        .map(|(frame, ..)| it.memory.loaned_since(*frame));
    let oldest = since.min()?;
    Some(now_ns.saturating_sub(oldest) / 1_000_000)
}
