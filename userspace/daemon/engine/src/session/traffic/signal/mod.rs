//! Whether a running session has a picture, and the right one: found by comparing its counters from look to
//! look, and by surveys of what arrives.

mod mismatch;
mod timestamps;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use onair_api::{
    Arriving, Direction, SessionProblem, SessionProblemKind as Kind, SessionSpec, Signal,
    SignalState, Timestamp,
};
use onair_dataplane::LegTarget;
use onair_essence::legs::Leg;
use onair_essence::measure::{Damage, Measure as _};
use onair_essence::{EssenceKind, Format};
use onair_settings::config::ms;
use onair_settings::diagnostics::growth::Growth;

use super::lasting::{LOOKS, Lasting, Pauses};
use super::leg::{Absence, AbsentFrom, Presence};
use super::look::TrafficLook;
use super::sender_clock::SenderClock;
use super::shortage::{Shortage, Units};
use super::stamps::{StampFault, Stamps};
use crate::services::Expected;
use crate::session::convert;
use crate::session::problem::{problem, signal_during};
use crate::session::traffic::Traffic;

/// Fewest packets, or parts of them, of a fault: one alone is none.
const FEWEST: u64 = 3;
/// A survey of what is known takes 0.2 s; one that takes longer than this is not waited for.
const SURVEY_TAKES: Duration = Duration::from_millis(700);
/// How long a sender that changed is reported.
const SENDER_TOLD: Duration = Duration::from_secs(5);

/// Findings of the looks at a running session.
#[derive(Debug, Default)]
pub(crate) struct SignalWatch {
    /// Packets that fit the format, or sent frames.
    fitting: Presence,
    /// Packets from the session's sources, of any kind, or sent frames.
    any: Presence,
    is_absent: bool,
    /// Packets from sources that the session's filter rejects.
    strangers: Growth,
    /// Packets whose headers belong to another format.
    refused: Lasting,
    /// Since when a survey is wanted because of a fault.
    suspect_since: Option<Instant>,
    survey_at: Option<Instant>,
    /// The survey under way, or the next one, waits for what the last one did not know.
    survey_is_long: bool,
    surveyed_at: Option<Instant>,
    surveyed_leg: Option<Leg>,
    arriving: Option<(Arriving, bool)>,
    /// Surveys in a row that showed another format.
    others: u32,
    ssrc: u64,
    ssrc_at: Option<Instant>,
    senders: Senders,
    losses: u32,
    lost: u64,
    late: u64,
    impaired: Lasting,
    /// Fewer whole units come than the format promises.
    short: Lasting,
    damaged: Lasting,
    pauses: Pauses,
    stamps: Stamps,
    /// The last fault of the timestamps, and when it was last seen.
    stamped: Option<(Instant, StampFault)>,
    odd_stamps: Lasting,
    clock: SenderClock,
    drifts: Lasting,
    not_tai: Lasting,
}

impl SignalWatch {
    /// The session does not run: what comes next may be another source.
    fn pause(&mut self) {
        self.fitting = Presence::default();
        self.any = Presence::default();
        self.pauses = Pauses::default();
        self.survey_at = None;
        self.survey_is_long = false;
        self.arriving = None;
        self.others = 0;
        self.silence();
    }

    /// Nothing comes: what was seen says nothing any more.
    fn silence(&mut self) {
        self.suspect_since = None;
        self.losses = 0;
        (self.stamps, self.stamped) = (Stamps::default(), None);
        self.clock.restart();
        let lasting = [
            &mut self.refused,
            &mut self.impaired,
            &mut self.short,
            &mut self.damaged,
            &mut self.odd_stamps,
            &mut self.drifts,
            &mut self.not_tai,
        ];
        lasting.into_iter().for_each(|it| *it = Lasting::default());
    }

    /// Asks for a survey when something begins to look wrong.
    fn suspect(&mut self, is_suspect: bool, now: Instant) {
        if is_suspect && self.suspect_since.is_none() {
            self.survey_at = None;
        }
        let since = self.suspect_since.filter(|_| is_suspect);
        self.suspect_since = since.or(is_suspect.then_some(now));
    }

    /// Whether the last survey showed another format.
    fn is_other(&self) -> bool {
        self.arriving.as_ref().is_some_and(|it| it.1)
    }

    /// Whether that survey is done, or takes too long.
    fn has_surveyed(&self, now: Instant) -> bool {
        self.suspect_since
            .is_some_and(|since| self.surveyed_at > Some(since) || now >= since + SURVEY_TAKES)
    }

    /// Whether `lost`, or `late` if that `counts`, grew at several looks, while it is many.
    fn is_impaired(&mut self, lost: u64, (late, counts): (u64, bool), is_many: bool) -> bool {
        let more_lost = std::mem::replace(&mut self.lost, lost) < lost;
        let more_late = std::mem::replace(&mut self.late, late) < late;
        let grew = more_lost || counts && more_late;
        self.losses = match is_many {
            false => 0,
            true => self.losses + u32::from(grew),
        };
        self.losses >= LOOKS
    }
}

/// Where the packets come from.
#[derive(Debug, Default)]
struct Senders {
    last: Option<IpAddr>,
    followed: Option<IpAddr>,
    before: Option<IpAddr>,
    changes: u64,
    changed: Growth,
}

impl Senders {
    /// The sender before, for some time after the packets of two looks came from another address. A sender that
    /// restarts may have another port.
    fn look(&mut self, sender: Option<IpAddr>, now: Instant) -> Option<IpAddr> {
        let is_settled = sender == self.last && sender.is_some();
        self.last = sender;
        if is_settled && sender != self.followed {
            let before = std::mem::replace(&mut self.followed, sender);
            if before.is_some() {
                self.before = before;
                self.changes += 1;
            }
        }
        let lasts = self.changed.lasts_for(self.changes, now, SENDER_TOLD);
        self.before.filter(|_| lasts)
    }
}

/// The word for units of a format, for people.
fn noun(format: &Format) -> &'static str {
    match format.kind() {
        EssenceKind::Audio => "blocks",
        EssenceKind::Ancillary => "units",
        _ => "frames",
    }
}

fn percent(ppm: u64) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100)
}

impl TrafficLook<'_> {
    /// Since when `count` does not grow, if that is longer than pauses last.
    pub(in crate::session) fn absent_since(&mut self, count: u64) -> Option<Timestamp> {
        let patience = ms(self.settings.absent_ms).max(self.frame_times(3));
        let wall = self.clock.wall();
        let watch = &mut self.traffic.signal;
        let absence = watch.any.look(count, self.now, wall, patience);
        Some(absence?.since)
    }

    /// The problems of the session's signal. `has_cause`: a problem that was found already says why nothing
    /// comes.
    pub(super) fn signal_problems(&mut self, has_cause: bool) -> Vec<SessionProblem> {
        let patience = ms(self.settings.absent_ms).max(self.frame_times(3));
        let wall = self.clock.wall();
        let watch = &mut self.traffic.signal;
        let (fitting, any) = match self.spec.direction {
            Direction::Receive | Direction::Local => {
                let malformed = self.counted.packets_malformed;
                (
                    self.counted.packets.saturating_sub(malformed),
                    self.counted.packets,
                )
            }
            Direction::Send => (self.counted.frames_sent, self.counted.frames_sent),
        };
        let none_fits = watch
            .fitting
            .look(fitting, self.now, wall, patience)
            .is_some();
        let absent = watch.any.look(any, self.now, wall, patience);
        let strangers =
            watch
                .strangers
                .lasts_for(self.counted.packets_wrong_source, self.now, patience);
        if absent.is_none() && std::mem::take(&mut watch.is_absent) {
            // What was missing while nothing came is known.
            self.traffic.recent.clear();
        }
        let Some(absence) = absent else {
            return match self.spec.direction {
                Direction::Receive | Direction::Local => self.received_problems(none_fits),
                Direction::Send => Vec::from_iter(self.late_frames()),
            };
        };
        watch.silence();
        watch.is_absent = true;
        if has_cause {
            return Vec::new();
        }
        let detail = match self.spec.direction {
            Direction::Receive | Direction::Local => {
                let stranger = self.counted.other_sender_address().filter(|_| strangers);
                self.no_packets(absence, stranger)
            }
            Direction::Send => self.no_frames(absence),
        };
        vec![problem(Kind::NoSignal, detail)]
    }

    /// The problems of packets that arrive; `none_fits`: none of them for some time.
    fn received_problems(&mut self, none_fits: bool) -> Vec<SessionProblem> {
        let refused = self.refused();
        let units = self.traffic.recent.units(&self.spec.format);
        let short = units.and_then(Units::shortage);
        let is_late = self.traffic.recent.late_ppm() >= self.settings.loss_ppm;
        let odd = self.odd_stamps();
        let is_wrong = none_fits || refused.is_some() || short.is_some() || odd.is_some();
        let is_other_rate =
            units.is_some_and(Units::are_too_many) || self.traffic.recent.has_other_rate();
        let is_suspect = is_wrong || is_late || is_other_rate;
        self.traffic.signal.suspect(is_suspect, self.now);
        self.survey();
        let stamps = self.stamps();
        // Packets of another format have odd timestamps, too.
        let watch = &self.traffic.signal;
        let stamps = stamps.or(odd.filter(|_| watch.has_surveyed(self.now) && !watch.is_other()));
        let mismatch = self.mismatch(none_fits, refused, stamps.is_some());
        // What is late or incomplete because of these says nothing of its own; a survey that is under way may name one.
        let is_explained = stamps.is_some()
            || mismatch.is_some()
            || is_suspect && !self.traffic.signal.has_surveyed(self.now);
        let short = self.missing_units(short).filter(|_| !is_explained);
        let mut found = Vec::from_iter(mismatch);
        found.extend(self.changed_sender());
        found.extend(self.impaired(short, is_explained));
        let timestamps = || self.clock_problem();
        found.extend(stamps.or_else(timestamps));
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
        let what = match absence.from {
            AbsentFrom::Start => {
                format!("no packet to {destination} has arrived since the start at {since}")
            }
            AbsentFrom::Retarget => {
                format!("no packet to {destination} has arrived since the retarget at {since}")
            }
            AbsentFrom::Last => format!("no packet to {destination} arrives since {since}"),
        };
        if let Some(instead) = self.arrives_instead() {
            return format!("{what}; {instead}");
        }
        let group = self.traffic.legs[0].group.as_ref().filter(|it| it.joined);
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

    /// Describes the flow that arrives at a leg's port in place of its packets, and the remedy.
    fn arrives_instead(&self) -> Option<String> {
        let legs = convert::received(&self.spec.port, &self.spec.flow);
        let mut found = legs.filter_map(|(port, leg)| {
            let expected = expects(port, &leg);
            let flow = self.services.arrives_instead(expected)?;
            let kind = flow.payload_type.filter(|it| *it != expected.payload_type);
            let kind = kind.map_or(String::new(), |it| format!(" --payload-type {it}"));
            let change = match port == self.spec.port {
                true => format!(
                    ", or `onairctl session retarget {} --destination {}{kind}`",
                    self.spec.name, flow.destination
                ),
                false => String::new(),
            };
            Some(format!(
                "{}: correct the sender{change}; `onairctl port arriving {port}` lists all",
                expected.instead(&flow, self.clock)
            ))
        });
        found.next()
    }

    fn no_frames(&self, absence: Absence) -> String {
        let since = absence.since;
        let clients: Vec<_> = self
            .core
            .clients()
            .attached()
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
        let from = match absence.from {
            AbsentFrom::Start => "since the start at ",
            AbsentFrom::Retarget => "since the retarget at ",
            AbsentFrom::Last => "since ",
        };
        format!("no frame is sent {from}{since}; {what}")
    }

    fn changed_sender(&mut self) -> Option<SessionProblem> {
        let senders = &mut self.traffic.signal.senders;
        let sender = self.counted.sender_address().map(|it| it.ip());
        let before = senders.look(sender, self.now)?;
        let sender = sender?;
        Some(problem(
            Kind::SenderChanged,
            format!(
                "packets come from {sender} now, and came from {before} before: if that is not meant, stop {sender}, or \
                     accept only one with `onairctl session retarget {} --source-address {before}`",
                self.spec.name,
            ),
        ))
    }

    /// Too few whole units, damaged ones, and packets that were lost or late.
    fn impaired(&mut self, short: Option<String>, is_explained: bool) -> Option<SessionProblem> {
        let hold = self.hold();
        let damage = self.damage();
        let losses = self.losses(is_explained);
        let watch = &mut self.traffic.signal;
        // What the last whole second shows is told for a second.
        let found = [
            watch
                .pauses
                .look(self.counted.pauses, self.counted.pause_ns, self.now),
            watch.short.look(short, self.now, hold),
            watch.damaged.look(damage, self.now, Duration::ZERO),
            watch.impaired.hold(losses, self.now, hold),
        ];
        let found: Vec<_> = found.into_iter().flatten().collect();
        (!found.is_empty()).then(|| problem(Kind::Impaired, found.join("; ")))
    }

    /// Too few whole units in the last second, or a few less in most of the last seconds.
    fn missing_units(&self, short: Option<Shortage>) -> Option<String> {
        let format = &self.spec.format;
        let remark = || {
            let monitor = self.traffic.timing.as_deref()?;
            monitor.remark(self.clock.monotonic_ns())
        };
        if let Some(short) = short {
            return Some(short.text(noun(format), remark()));
        }
        let recurs = self.traffic.recent.recurrence(format)?;
        Some(recurs.text(noun(format), remark()))
    }

    /// Parts of the payloads that are damaged.
    fn damage(&self) -> Option<String> {
        let monitor = self.traffic.timing.as_deref()?;
        let Damage { what, damaged, of } = monitor.damage(self.clock.monotonic_ns())?;
        let is_many = damaged >= FEWEST && damaged * 1_000_000 >= self.settings.loss_ppm * of;
        is_many.then(|| format!("{damaged} of {of} {what} in the last second: check the sender"))
    }

    /// Packets that were lost or late, at two looks of the last second at least.
    fn losses(&mut self, is_explained: bool) -> Option<String> {
        let lost_ppm = self.traffic.recent.rates().map_or(0, |it| it.lost_ppm);
        let late_ppm = self.traffic.recent.late_ppm();
        let late_ppm = if is_explained { 0 } else { late_ppm };
        let net = self
            .counted
            .packets_lost
            .saturating_sub(self.counted.packets_lost_arrived);
        let late = self.counted.packets_late;
        let is_many = lost_ppm.max(late_ppm) >= self.settings.loss_ppm;
        let watch = &mut self.traffic.signal;
        if !watch.is_impaired(net, (late, !is_explained), is_many) {
            return None;
        }
        let parts = [(lost_ppm, net, "lost"), (late_ppm, late, "late")];
        let parts = parts.into_iter().filter(|(ppm, ..)| *ppm > 0);
        let parts = parts.map(|(ppm, count, how)| {
            let share = percent(ppm);
            format!(
                "{share} of the packets were {how} in the last second ({count} since the creation)"
            )
        });
        let what = parts.collect::<Vec<_>>().join(", ");
        Some(format!(
            "{what}: check the counters of the switches on the way, and `onairctl health` for drops of this host"
        ))
    }

    /// Frame times of a sender that passed without a frame.
    fn late_frames(&mut self) -> Option<SessionProblem> {
        let missed_ppm = self.traffic.recent.missed_ppm();
        let underruns = self.counted.underruns + self.counted.underruns_open;
        let missed = underruns + self.counted.slots_missed;
        let is_many = missed_ppm >= self.settings.loss_ppm.saturating_mul(10);
        let hold = self.hold();
        let watch = &mut self.traffic.signal;
        let seen = watch.is_impaired(missed, (0, false), is_many).then(|| {
            format!(
                "{} of the frame times in the last second passed without a frame ({} because the client had none \
                 ready, {} because the poller or the port was behind, since the creation)",
                percent(missed_ppm),
                underruns,
                self.counted.slots_missed
            )
        });
        let told = watch.impaired.hold(seen, self.now, hold)?;
        Some(problem(Kind::Impaired, told))
    }
}

/// The packets that the session waits for at one port.
pub(crate) fn expects<'a>(port: &'a str, leg: &LegTarget) -> Expected<'a> {
    Expected {
        port,
        destination: leg.destination,
        payload_type: leg.payload_type,
    }
}

impl Traffic {
    /// The session got other addresses.
    pub(crate) fn note_retarget(&mut self, wall: Timestamp) {
        let watch = &mut self.signal;
        let legs = self.legs.iter_mut().map(|leg| &mut leg.packets);
        for presence in [&mut watch.fitting, &mut watch.any].into_iter().chain(legs) {
            presence.retarget(wall);
        }
        if let Some(signal) = &mut self.state {
            signal.since = wall;
        }
    }

    /// The signal by the problems that were found.
    pub(crate) fn note_signal(&mut self, spec: &SessionSpec, is_running: bool, now_at: Timestamp) {
        if !is_running {
            self.state = None;
            self.signal.pause();
            return;
        }
        let arrives =
            spec.direction == Direction::Receive && spec.has_packets() && self.recent.has_packets();
        let found = self.problems.iter();
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
        let since = match &self.state {
            Some(before) if before.state == state => before.since,
            _ => now_at,
        };
        let arriving = self.signal.arriving.as_ref();
        self.state = Some(Signal {
            state,
            since,
            reason,
            arriving: arriving.map(|it| it.0.clone()),
        });
    }
}
