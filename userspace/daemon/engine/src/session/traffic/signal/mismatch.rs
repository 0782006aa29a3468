//! Signal that arrives for a receive session, and whether it is the session's.

use std::net::SocketAddr;
use std::time::Duration;

use onair_api::{Arriving, SessionProblem, SessionProblemKind as Kind};
use onair_essence::Seen as _;
use onair_essence::legs::Leg;
use onair_essence::measure::Measure as _;
use onair_essence::survey::{Guess, Survey};

use super::super::look::TrafficLook;
use super::super::shortage::Units;
use super::{FEWEST, LOOKS};
use crate::session::problem::problem;

/// Time between two surveys of a source that sends the session's format.
const SURVEY_EVERY: Duration = Duration::from_secs(10);
/// The same while something is wrong that the last survey has not shown: it may be of before.
const SUSPECT_EVERY: Duration = Duration::from_secs(1);
/// How long a survey waits for what packets do not show yet; then one more, so that a fault is named before.
const SHORT_SURVEY: Duration = Duration::from_secs(1);
/// Five frames of the lowest rate.
const LONG_SURVEY: Duration = Duration::from_secs(6);

impl TrafficLook<'_> {
    /// Asks for a survey when one is due, and reads the one that is done.
    pub(super) fn survey(&mut self) {
        let watch = &mut self.traffic.signal;
        if self.counted.ssrc != watch.ssrc {
            watch.ssrc = self.counted.ssrc;
            watch.ssrc_at = Some(self.now);
            watch.survey_at = None;
        }
        let is_stale = watch.suspect_since.is_some() && !watch.is_other();
        if is_stale {
            let soon = self.now + SUSPECT_EVERY;
            watch.survey_at = watch.survey_at.map(|at| at.min(soon));
        }
        if watch.survey_at.is_none_or(|at| self.now >= at) {
            self.stats.request_survey(match watch.survey_is_long {
                true => LONG_SURVEY,
                false => SHORT_SURVEY,
            });
            watch.survey_at = Some(self.now + SURVEY_EVERY);
        }
        let Some((leg, survey)) = self.stats.take_survey() else {
            return;
        };
        // Only the sender of the first leg is known.
        let sender = self.counted.sender_address().filter(|_| leg == Leg::First);
        let arriving = arriving(&survey, sender);
        let is_other = self.is_other(leg, &arriving);
        let watch = &mut self.traffic.signal;
        watch.surveyed_at = Some(self.now);
        watch.surveyed_leg = Some(leg);
        watch.others = if is_other { watch.others + 1 } else { 0 };
        let is_partial = !arriving.not_yet_known.is_empty();
        // What differs already is a fault after LOOKS surveys: those are short.
        let may_wait = watch.others == 0 || watch.others >= LOOKS;
        watch.survey_is_long = is_partial && may_wait && !watch.survey_is_long;
        if is_other || watch.survey_is_long {
            watch.survey_at = Some(self.now);
        }
        // A longer survey of the same stream knows more.
        let same = |it: &Arriving| {
            let of = |it: &Arriving| (it.essence.clone(), it.payload_type, it.sender.clone());
            it.not_yet_known.is_empty() && of(it) == of(&arriving)
        };
        let is_less = is_partial && watch.arriving.as_ref().is_some_and(|it| same(&it.0));
        if !is_less {
            watch.arriving = Some((arriving, is_other));
        }
    }

    /// The payload type that the leg is to have.
    fn payload_type(&self, leg: Option<Leg>) -> u8 {
        let types = self.spec.flow.payload_types();
        match leg {
            Some(Leg::Second) => types.second,
            _ => types.first,
        }
    }

    fn is_other(&self, leg: Leg, arriving: &Arriving) -> bool {
        let own = u32::from(self.payload_type(Some(leg)));
        let kind = self.spec.format.kind().name();
        // What the receiver makes whole units of at the promised rate is its essence, whatever it looks like.
        let units = self.traffic.recent.units(&self.spec.format);
        let is_whole = units.is_some_and(Units::are_as_promised);
        // Beside whole units, packets that are refused are of another stream.
        let (refused, _) = self.traffic.recent.refused();
        if is_whole && refused.iter().any(|it| *it > 0) {
            return false;
        }
        let other_format = match arriving.essence == kind {
            true => self.spec.format.differs_from(&arriving.format),
            false => !is_whole && arriving.essence != Guess::Unknown.name(),
        };
        arriving.payload_type != own || other_format
    }

    /// Another format or payload type than the session has, or none that fits. `none_fits`: no packet fits for some time.
    /// `refused`: what [`Self::refused`] found. `has_wrong_stamps`: the timestamps are wrong, so a survey, which goes by
    /// them, says nothing.
    pub(super) fn mismatch(
        &mut self,
        none_fits: bool,
        refused: Option<String>,
        has_wrong_stamps: bool,
    ) -> Option<SessionProblem> {
        let hold = self.hold();
        let watch = &mut self.traffic.signal;
        let refused = watch.refused.look(refused, self.now, hold);
        let is_surveyed = watch.others >= LOOKS || watch.others > 0 && none_fits;
        if refused.is_none() && (has_wrong_stamps || !is_surveyed && !none_fits) {
            return None;
        }
        let seen = watch.arriving.as_ref().filter(|it| it.1);
        let seen = seen.map(|it| it.0.clone());
        if seen.is_none() && !watch.has_surveyed(self.now) {
            return None;
        }
        let leg = watch.surveyed_leg.filter(|_| seen.is_some());
        // Packets of the session's own format may be malformed, all of them.
        let kind = self.spec.format.kind().name();
        let own = watch.arriving.as_ref().filter(|it| it.0.essence == kind);
        let is_own = seen.is_none() && refused.is_none() && own.is_some();
        let configured = format!(
            "{} with payload type {} is configured",
            self.spec.format,
            self.payload_type(leg)
        );
        let detail = match seen {
            Some(seen) => format!(
                "{} arrives{}, {configured}: {}",
                seen.what(),
                self.place(leg),
                self.advice(leg, &seen)
            ),
            None => {
                let what = refused.unwrap_or_else(|| self.none_fits());
                format!("{what}, and {configured}: correct the sender")
            }
        };
        let kind = if is_own {
            Kind::Impaired
        } else {
            Kind::WrongFormat
        };
        Some(problem(kind, detail))
    }

    /// Packets of the last second whose headers belong to another format.
    pub(super) fn refused(&self) -> Option<String> {
        let format = &self.spec.format;
        let units = self.traffic.recent.units(format);
        if units.is_some_and(Units::are_as_promised) {
            return None;
        }
        let (counts, packets) = self.traffic.recent.refused();
        let reasons = format.reasons().iter().zip(counts);
        let others = reasons.filter(|(reason, _)| format.of_other_formats().contains(reason));
        let (reason, count) = others.max_by_key(|it| it.1)?;
        let is_many = count >= FEWEST && count * 1_000_000 >= self.settings.loss_ppm * packets;
        is_many.then(|| {
            format!("{count} of {packets} packets of the last second are refused as {reason}")
        })
    }

    /// That no packet fits, with the reason of most of them and what they show of it.
    fn none_fits(&self) -> String {
        let (counts, _) = self.traffic.recent.refused();
        let count: u64 = counts.iter().sum();
        let reasons = self.spec.format.reasons().iter().zip(counts);
        let most = reasons.max_by_key(|it| it.1).filter(|it| it.1 > 0);
        let reason = most.map_or(String::new(), |(reason, _)| format!(" as {reason}"));
        let monitor = self.traffic.timing.as_deref();
        let remark = monitor.and_then(|it| it.remark(self.clock.monotonic_ns()));
        let remark = remark.map_or(String::new(), |it| format!(": {it}"));
        format!("no packet fits ({count} refused in the last second{reason}){remark}")
    }

    /// Where what a survey of the second leg shows arrives.
    fn place(&self, leg: Option<Leg>) -> String {
        let second = self.spec.flow.second.as_ref();
        let second = second.filter(|_| leg == Some(Leg::Second));
        second.map_or_else(String::new, |it| {
            format!(" on the leg of port {}, and nothing on the other", it.port)
        })
    }

    /// The command that would fit what arrives.
    fn advice(&self, leg: Option<Leg>, seen: &Arriving) -> String {
        let name = &self.spec.name;
        let own = u32::from(self.payload_type(leg));
        let flag = match leg {
            Some(Leg::Second) => "--second-payload-type",
            _ => "--payload-type",
        };
        let kind = self.spec.format.kind();
        if seen.essence != kind.name() {
            return format!(
                "this is no {}; send that to {}, or retarget the session",
                kind.standard(),
                self.spec.flow.destination
            );
        }
        let payload_type = match seen.payload_type {
            arrives if arrives == own => String::new(),
            arrives => format!(" {flag} {arrives}"),
        };
        if !payload_type.is_empty() && !self.spec.format.differs_from(&seen.format) {
            return format!("`onairctl session retarget {name}{payload_type}`");
        }
        let flags = seen.format.flags();
        format!(
            "destroy the session and create it with{flags}{payload_type}, or correct the sender"
        )
    }
}

/// The survey as a document.
fn arriving(survey: &Survey, sender: Option<SocketAddr>) -> Arriving {
    Arriving {
        essence: Guess::of(survey).name().to_owned(),
        payload_type: survey.payload_type().map_or(0, u32::from),
        sender: sender.map(|it| it.to_string()),
        not_yet_known: survey.not_yet_known().to_vec(),
        format: survey.seen(),
    }
}
