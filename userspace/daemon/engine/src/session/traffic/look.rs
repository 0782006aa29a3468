//! One look at the traffic of a running session, and the problems that it shows.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use onair_api::{
    PeerState, SessionId, SessionProblem, SessionProblemKind as Kind, SessionSpec, SignalState,
};
use onair_dataplane::{PortInfo, Runtime, SessionSnapshot, SessionStats, Ssrc};
use onair_ipc::event::EventKind as ClientEvent;
use onair_session::SessionCore;
use onair_settings::config;

use super::super::converted;
use super::{SlowClient, Traffic};
use crate::clients::inspection::{Finding, Inspection, InspectionTask};
use crate::clock::Clocks;
use crate::services::Services;
use crate::session::convert::{network, second_leg};
use crate::session::problem::{problem, signal_during};

/// Time limit for a look at a client's process.
const LOOK: Duration = Duration::from_secs(1);
/// A receiver that does not answer ARP for this long is a problem: five requests.
const ARP_TIMEOUT: Duration = Duration::from_secs(1);
/// In a second so many changes of the sender are two that send: one that restarts is one.
const FEWEST_CHANGES: u64 = 4;

/// A session that runs, with the counters of this look.
pub(in crate::session) struct TrafficLook<'a> {
    pub(in crate::session) id: SessionId,
    pub(in crate::session) spec: &'a SessionSpec,
    pub(in crate::session) core: &'a SessionCore<Runtime>,
    pub(in crate::session) clock: &'a Clocks,
    pub(in crate::session) stats: &'a SessionStats,
    pub(in crate::session) traffic: &'a mut Traffic,
    /// State of the peer, for a send session.
    pub(in crate::session) peer: Option<PeerState>,
    pub(in crate::session) services: &'a Services,
    pub(in crate::session) counted: &'a SessionSnapshot,
    pub(in crate::session) settings: config::Signal,
    pub(in crate::session) now: Instant,
}

impl TrafficLook<'_> {
    /// How long a problem is told, and how long a fault lasts before it is one.
    pub(in crate::session) fn hold(&self) -> Duration {
        config::ms(self.settings.hold_ms)
    }

    /// The problems of a session with a port of its own.
    pub(super) fn problems(&mut self, port: &PortInfo) -> Vec<SessionProblem> {
        let mut found = Vec::new();
        if !self.traffic.has_link() {
            let detail = self.services.link_problem(&port.name);
            found.push(problem(Kind::LinkDown, detail));
        }
        found.extend(self.peer_problem(port));
        found.extend(self.group_problem());
        found.extend(self.querier_problem());
        found.extend(self.two_sources());
        found.extend(self.leg_problem());
        let has_cause = found
            .iter()
            .any(|it| signal_during(it.problem) == SignalState::Absent);
        found.extend(self.signal_problems(has_cause));
        found.extend(self.slow_clients());
        found.extend(self.recording_problem());
        found
    }

    fn peer_problem(&mut self, port: &PortInfo) -> Option<SessionProblem> {
        let address = self.spec.flow.destination.ip();
        let own = network(port, address);
        if self.peer == Some(PeerState::Broadcast) {
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
        let waits =
            self.peer == Some(PeerState::Unresolved) && self.traffic.legs[0].link_up == Some(true);
        let since = waits.then(|| *self.traffic.waiting_since.get_or_insert(self.now));
        self.traffic.waiting_since = since;
        let waited = since.map(|since| self.now.saturating_duration_since(since))?;
        let request = match address {
            IpAddr::V4(_) => "ARP request",
            IpAddr::V6(_) => "neighbour solicitation",
        };
        // It has left its requests unanswered already.
        let is_silent = self.counted.silent_neighbour == 1;
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
    fn two_sources(&mut self) -> Option<SessionProblem> {
        if let Some(mixed) = self.mixed_senders() {
            return Some(mixed);
        }
        let others = self.counted.packets_other_ssrc;
        // A sender that restarts with another SSRC is no second one.
        let followed = self.counted.packets.saturating_sub(others);
        let both = self.traffic.sources.look([followed, others]);
        let hold = self.hold();
        let lasts = self.traffic.two_sources.lasts_for(both, self.now, hold);
        let (ssrc, other) = (
            Ssrc::of(self.counted.ssrc)?,
            Ssrc::of(self.counted.other_ssrc)?,
        );
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
    fn mixed_senders(&mut self) -> Option<SessionProblem> {
        let changes = self.traffic.recent.sender_changes();
        let senders = self
            .counted
            .sender_address()
            .zip(self.counted.sender_before());
        let seen = senders.filter(|_| changes >= FEWEST_CHANGES);
        let seen = seen.map(|(one, other)| {
            let (first, second) = (one.min(other), one.max(other));
            let ssrc = Ssrc::of(self.counted.ssrc).map_or_else(String::new, |it| format!("SSRC {it:#010x}"));
            format!(
                "packets of two senders are mixed, {first} and {second}, which have the same {ssrc}: stop one sender, or \
                 set flow.source"
            )
        });
        let hold = self.hold();
        let told = self.traffic.mixed.look(seen, self.now, hold)?;
        Some(problem(Kind::TwoSources, told))
    }

    /// The clients whose frames are dropped because they have used their quota: those that run, and those whose
    /// processes are stopped.
    pub(super) fn slow_clients(&mut self) -> Vec<SessionProblem> {
        let attached: Vec<_> = self.core.clients().attached().map(|it| it.number).collect();
        let slow = &mut self.traffic.slow;
        slow.retain(|it| attached.contains(&it.attachment));
        let now_ns = self.clock.monotonic_ns();
        let (mut named, mut stopped) = (Vec::new(), Vec::new());
        for number in attached {
            let dropped = dropped_by(self.stats, number);
            let slow = &mut self.traffic.slow;
            let known = slow.iter().position(|it| it.attachment == number);
            let at = known.unwrap_or_else(|| {
                slow.push(SlowClient {
                    attachment: number,
                    ..SlowClient::default()
                });
                slow.len() - 1
            });
            let Some(it) = self.core.clients().get(number) else {
                continue;
            };
            let slow = &mut slow[at];
            if dropped > slow.told {
                // One event a look, however many frames: the ring has room for few events.
                it.memory.notify(ClientEvent::Dropped, dropped - slow.told);
                slow.told = dropped;
            }
            if !slow.dropped.lasts(dropped, self.now) {
                slow.is_stopped = None;
                continue;
            }
            if !std::mem::replace(&mut slow.is_asked, true) {
                ask_whether_stopped(self.services, self.id.0, it);
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

    fn querier_problem(&self) -> Option<SessionProblem> {
        let group = self.traffic.legs[0].group.as_ref()?;
        let querier = group.querier.as_ref().filter(|it| it.is_gone)?;
        Some(problem(
            Kind::QuerierGone,
            format!(
                "the querier {} of port {} has not asked for {} s, so switches may stop forwarding {}: look after it, or \
                 enable another one",
                querier.address,
                self.spec.port,
                querier.age_ms / 1000,
                group.group
            ),
        ))
    }

    fn group_problem(&self) -> Option<SessionProblem> {
        // With two legs it is a problem of one of them.
        let group = self.traffic.legs[0].group.as_ref();
        let group = group.filter(|_| second_leg(self.spec).is_none())?;
        let reason = group.problem.as_ref()?;
        Some(problem(
            Kind::GroupNotJoined,
            format!(
                "port {} has not joined {}, so switches may not forward its packets: {reason}",
                self.spec.port, group.group
            ),
        ))
    }

    /// The problem of the recordings that were noted.
    fn recording_problem(&self) -> Option<SessionProblem> {
        let degraded = &self.traffic.degraded_recordings;
        let detail = degraded.join("; ");
        (!degraded.is_empty()).then(|| problem(Kind::RecordingLoses, detail))
    }

    /// Why no frames come to the readers of a local session. With no client it lies idle, which is no fault.
    pub(in super::super) fn filler_problem(&mut self) -> Option<SessionProblem> {
        if !self.spec.is_local() {
            return None;
        }
        let Some(filler) = converted::filler(self.core) else {
            self.core.clients().attached().next()?;
            let detail = format!(
                "no client fills it, so its readers wait: start one, such as `onairctl pipe {} --send`",
                self.spec.name
            );
            return Some(problem(Kind::NoFiller, detail));
        };
        let (command, pid) = (&filler.who.command, filler.who.pid);
        let since = self.absent_since(self.counted.frames_complete)?;
        let detail = format!(
            "{command} ({pid}) fills it, and has submitted no frame since {since}: look after that process"
        );
        Some(problem(Kind::NoSignal, detail))
    }
}

/// Frames that an attachment missed because it had used its quota.
pub(in crate::session) fn dropped_by(stats: &SessionStats, attachment: u64) -> u64 {
    let published = stats.attachment(attachment);
    published.map_or(0, |it| it.frames_dropped_slow)
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
pub(in crate::session) fn oldest_held_ms(
    it: &onair_session::Attachment,
    now_ns: u64,
) -> Option<u64> {
    let held = it.memory.held();
    let since = held
        .iter()
        .map(|(frame, ..)| it.memory.loaned_since(*frame));
    let oldest = since.min()?;
    Some(now_ns.saturating_sub(oldest) / 1_000_000)
}
