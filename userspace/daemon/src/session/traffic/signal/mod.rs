//! Whether a running session has a picture, and the right one: found by comparing its counters from look to
//! look, and by surveys of what arrives.

mod mismatch;
mod timestamps;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use onair_api::{
    Arriving, Direction, SessionProblem, SessionProblemKind as Kind, Signal, SignalState, Timestamp,
};
use onair_dataplane::SessionSnapshot;

use super::presence::{Absence, Presence};
use super::sender_clock::SenderClock;
use crate::config;
use crate::diagnostics::growth::Growth;
use crate::services::Services;
use crate::session::Session;
use crate::session::problem::{problem, signal_during};

/// Looks that must show a fault before it is one.
const LOOKS: u32 = 2;

/// What the looks at a running session have shown.
#[derive(Debug, Default)]
pub(crate) struct SignalWatch {
    /// Packets that fit, or sent frames.
    fitting: Presence,
    /// Packets from the session's sources, of any kind, or sent frames.
    any: Presence,
    /// Packets from other sources.
    strangers: Growth,
    /// Packets whose headers belong to another format.
    refused: Growth,
    survey_at: Option<Instant>,
    /// The survey under way, or the next one, waits for what the last one did not know.
    survey_is_long: bool,
    arriving: Option<(Arriving, bool)>,
    /// Surveys in a row that showed another format.
    others: u32,
    ssrc: u64,
    ssrc_at: Option<Instant>,
    senders: Senders,
    losses: u32,
    lost: u64,
    impaired: Growth,
    clock: SenderClock,
    drifts: u32,
    clock_faults: Growth,
    clock_fault: String,
}

impl SignalWatch {
    /// The session does not run: what comes next may be another source.
    fn pause(&mut self) {
        self.fitting = Presence::default();
        self.any = Presence::default();
        self.survey_at = None;
        self.survey_is_long = false;
        self.arriving = None;
        self.others = 0;
        self.losses = 0;
        self.clock.restart();
    }

    /// Whether `lost` grew at several looks, each time by many, within `hold`.
    fn is_impaired(&mut self, lost: u64, is_many: bool, now: Instant, hold: Duration) -> bool {
        let grew = std::mem::replace(&mut self.lost, lost) < lost;
        self.losses = match (is_many, grew) {
            (false, _) => 0,
            (true, grew) => self.losses + u32::from(grew),
        };
        let seen = match self.losses {
            LOOKS.. => lost,
            _ => self.impaired.seen(),
        };
        self.impaired.lasts_for(seen, now, hold)
    }
}

/// Where the packets come from.
#[derive(Debug, Default)]
struct Senders {
    last: Option<SocketAddr>,
    followed: Option<SocketAddr>,
    before: Option<SocketAddr>,
    changes: u64,
    changed: Growth,
}

impl Senders {
    /// The sender before, for some time after the packets of two looks came from another address.
    fn look(
        &mut self,
        sender: Option<SocketAddr>,
        now: Instant,
        hold: Duration,
    ) -> Option<SocketAddr> {
        let is_settled = sender == self.last && sender.is_some();
        self.last = sender;
        if is_settled && sender != self.followed {
            let before = std::mem::replace(&mut self.followed, sender);
            if before.is_some() {
                self.before = before;
                self.changes += 1;
            }
        }
        let lasts = self.changed.lasts_for(self.changes, now, hold);
        self.before.filter(|_| lasts)
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn percent(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100)
}

impl Session {
    /// The problems of the session's signal. `has_cause`: a problem that was found already says why nothing
    /// comes.
    pub(crate) fn signal_problems(
        &mut self,
        services: &Services,
        counted: &SessionSnapshot,
        has_cause: bool,
        now: Instant,
    ) -> Vec<SessionProblem> {
        let settings = services.config.signal;
        let patience = ms(settings.absent_ms).max(self.frame_times(3));
        let watch = &mut self.traffic.signal;
        let (fitting, any) = match self.spec.direction {
            Direction::Receive => {
                let malformed = counted.packets_malformed;
                (counted.packets.saturating_sub(malformed), counted.packets)
            }
            Direction::Send => (counted.frames_sent, counted.frames_sent),
        };
        let none_fits = watch.fitting.look(fitting, now, patience).is_some();
        let absent = watch.any.look(any, now, patience);
        let strangers = watch
            .strangers
            .lasts_for(counted.packets_wrong_source, now, patience);
        let Some(absence) = absent else {
            return match self.spec.direction {
                Direction::Receive => self.received_problems(services, counted, none_fits, now),
                Direction::Send => Vec::from_iter(self.late_frames(settings, now)),
            };
        };
        watch.clock.restart();
        if has_cause {
            return Vec::new();
        }
        let detail = match self.spec.direction {
            Direction::Receive => {
                let stranger = counted.other_sender_address().filter(|_| strangers);
                self.no_packets(absence, stranger)
            }
            Direction::Send => self.no_frames(absence),
        };
        vec![problem(Kind::NoSignal, detail)]
    }

    /// The problems of packets that arrive; `none_fits`: none of them for some time.
    fn received_problems(
        &mut self,
        services: &Services,
        counted: &SessionSnapshot,
        none_fits: bool,
        now: Instant,
    ) -> Vec<SessionProblem> {
        let settings = services.config.signal;
        self.survey(now);
        let mut found = Vec::from_iter(self.mismatch(none_fits, now));
        found.extend(self.changed_sender(counted, ms(settings.hold_ms), now));
        found.extend(self.losses(counted, settings, now));
        found.extend(self.timestamps(services, counted, settings, now));
        found
    }

    fn frame_times(&self, count: u32) -> Duration {
        self.spec.format.units_time(count)
    }

    fn no_packets(&self, absence: Absence, stranger: Option<SocketAddr>) -> String {
        let destination = self.spec.flow.destination;
        let since = absence.since;
        if let Some(stranger) = stranger {
            let accepted = self.spec.flow.accepted().map(|it| it.to_string());
            let accepted: Vec<_> = accepted.collect();
            return format!(
                "packets to {destination} come from {stranger}, and the session accepts only {}: correct the source \
                     with `onairctl session retarget {} --source-address {}`, or start the right sender",
                accepted.join(", "),
                self.spec.name,
                stranger.ip()
            );
        }
        let what = if absence.is_from_start {
            format!("no packet to {destination} has arrived since the start at {since}")
        } else {
            format!("no packet to {destination} arrives since {since}")
        };
        let group = self.traffic.group.as_ref().filter(|it| it.joined);
        match group {
            Some(group) if group.querier.is_none() => format!(
                "{what}; {} is joined, but no querier asks on port {}: enable one, because without it switches \
                     forward no group; then check that the sender is on",
                group.group, self.spec.port
            ),
            _ => format!(
                "{what}: check that the sender is on and sends to this address and UDP port"
            ),
        }
    }

    fn no_frames(&self, absence: Absence) -> String {
        let since = absence.since;
        let clients: Vec<_> = self
            .core
            .attachments()
            .map(|it| format!("{} ({})", it.who.command, it.who.pid))
            .collect();
        let what = match (self.spec.source, clients.is_empty()) {
            (Some(onair_api::Source::Pattern), _) => {
                return format!(
                    "no frame is sent since {since}: `onairctl port list` shows the port"
                );
            }
            (_, true) => "no client is attached: start the program that submits frames".to_owned(),
            (_, false) => format!(
                "{} submits none: `onairctl session blockers {}` shows what it waits for",
                clients.join(", "),
                self.spec.name
            ),
        };
        let from = if absence.is_from_start {
            "since the start at "
        } else {
            "since "
        };
        format!("no frame is sent {from}{since}; {what}")
    }

    fn changed_sender(
        &mut self,
        counted: &SessionSnapshot,
        hold: Duration,
        now: Instant,
    ) -> Option<SessionProblem> {
        let senders = &mut self.traffic.signal.senders;
        let sender = counted.sender_address();
        let before = senders.look(sender, now, hold)?;
        let sender = sender?;
        Some(problem(
            Kind::SenderChanged,
            format!(
                "packets come from {sender} now, and came from {before} before: if that is not meant, stop {sender}, or \
                     accept only one with `onairctl session retarget {} --source-address {}`",
                self.spec.name,
                before.ip()
            ),
        ))
    }

    /// Packets that were lost or late, at two looks of the last second at least.
    fn losses(
        &mut self,
        counted: &SessionSnapshot,
        settings: config::Signal,
        now: Instant,
    ) -> Option<SessionProblem> {
        let lost_ppm = self.recent().map_or(0, |it| it.lost_ppm);
        let late_ppm = self.traffic.recent.late_ppm();
        let net = counted
            .packets_lost
            .saturating_sub(counted.packets_lost_arrived);
        let bad = net + counted.packets_late;
        let is_many = lost_ppm.max(late_ppm) >= settings.loss_ppm;
        let hold = ms(settings.hold_ms);
        let watch = &mut self.traffic.signal;
        let lasts = watch.is_impaired(bad, is_many, now, hold);
        let parts = [
            (lost_ppm, net, "lost"),
            (late_ppm, counted.packets_late, "late"),
        ];
        let parts = parts.into_iter().filter(|(ppm, ..)| *ppm > 0);
        let parts = parts.map(|(ppm, count, how)| {
            let share = percent(ppm);
            format!(
                "{share} of the packets were {how} in the last second ({count} since the creation)"
            )
        });
        lasts.then(|| {
            let parts: Vec<_> = parts.collect();
            let what = if parts.is_empty() {
                format!("packets were lost or late less than {hold:?} ago")
            } else {
                parts.join(", ")
            };
            let advice = "check the counters of the switches on the way, and `onairctl health` for drops of this host";
            problem(Kind::Impaired, format!("{what}: {advice}"))
        })
    }

    /// Frame times of a sender that passed without a frame.
    fn late_frames(&mut self, settings: config::Signal, now: Instant) -> Option<SessionProblem> {
        let missed_ppm = self.traffic.recent.missed_ppm();
        let counted = self.stats.snapshot();
        let missed = counted.underruns + counted.slots_missed;
        let is_many = missed_ppm >= settings.loss_ppm.saturating_mul(10);
        let hold = ms(settings.hold_ms);
        let watch = &mut self.traffic.signal;
        let lasts = watch.is_impaired(missed, is_many, now, hold);
        lasts.then(|| {
            problem(
                Kind::Impaired,
                format!(
                    "{} of the frame times in the last second passed without a frame ({} because the client had none \
                     ready, {} because the poller or the port was behind, since the creation)",
                    percent(missed_ppm),
                    counted.underruns,
                    counted.slots_missed
                ),
            )
        })
    }

    /// The signal by the problems that were found.
    pub(crate) fn note_signal(&mut self, now_at: Timestamp) {
        let is_running = self.state() == onair_api::SessionState::Running;
        if !is_running {
            self.traffic.state = None;
            self.traffic.signal.pause();
            return;
        }
        let arrives = self.spec.direction == Direction::Receive
            && !self.is_converted()
            && self.traffic.recent.has_packets();
        let found = self.traffic.problems.iter();
        let found = found.filter(|it| !(arrives && it.problem == Kind::GroupNotJoined));
        let first = found.min_by_key(|it| match signal_during(it.problem) {
            SignalState::Ok => (1, SignalState::Ok),
            state => (0, state),
        });
        let (state, reason) = first.map_or((SignalState::Ok, None), |it| {
            let state = signal_during(it.problem);
            let reason = (state != SignalState::Ok).then(|| it.detail.clone());
            (state, reason)
        });
        let since = match &self.traffic.state {
            Some(before) if before.state == state => before.since,
            _ => now_at,
        };
        let arriving = self.traffic.signal.arriving.as_ref();
        self.traffic.state = Some(Signal {
            state,
            since,
            reason,
            arriving: arriving.map(|it| it.0.clone()),
        });
    }

    /// The signal at the last look.
    pub fn signal(&self) -> Option<&Signal> {
        self.traffic.state.as_ref()
    }
}
