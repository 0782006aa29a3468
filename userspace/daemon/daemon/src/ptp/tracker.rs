//! Follows ptp4l from inquiry to inquiry.

use onair_api::PtpState;

use super::{Fault, Reading, Status, SteeredClock};

/// Silent inquiries, or bad measurements, in a row after which the clock is lost or unlocked. A single
/// one may be chance.
const MISSES: u32 = 3;

/// The state so far.
#[derive(Clone, Debug)]
pub struct Tracker {
    status: Status,
    silent: u32,
    bad: u32,
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            status: Status::empty(PtpState::Absent, None),
            silent: 0,
            bad: 0,
        }
    }
}

impl Tracker {
    /// ptp4l answered on `socket`.
    pub fn answered(
        &mut self,
        reading: &Reading,
        socket: String,
        clock: &SteeredClock,
        judged: Result<(), Fault>,
    ) -> &Status {
        self.silent = 0;
        let was_locked = self.status.health.state == PtpState::Locked;
        let (state, reason) = match judged {
            Ok(()) => {
                self.bad = 0;
                (PtpState::Locked, None)
            }
            Err(fault) => {
                self.bad += 1;
                let is_excused = was_locked && fault.is_a_measurement() && self.bad < MISSES;
                if is_excused {
                    (PtpState::Locked, None)
                } else {
                    (PtpState::Unlocked, Some(fault.to_string()))
                }
            }
        };
        self.status = Status::of(reading, socket, clock, state, reason);
        &self.status
    }

    /// ptp4l did not answer, for this reason.
    pub fn silent(&mut self, reason: &str) -> &Status {
        self.silent = self.silent.saturating_add(1);
        let state = match self.status.health.state {
            state @ (PtpState::Off | PtpState::Absent | PtpState::Lost) => state,
            PtpState::Locked | PtpState::Unlocked if self.silent < MISSES => return &self.status,
            PtpState::Locked | PtpState::Unlocked => PtpState::Lost,
        };
        self.status = Status::empty(state, Some(reason.to_owned()));
        &self.status
    }
}

#[cfg(test)]
mod tests {
    use onair_api::EventKind;

    use super::*;
    use crate::ptp::slave;

    const FAR: Fault = Fault::Offset {
        offset_ns: 200_000,
        max_us: 100,
    };

    fn state(tracker: &mut Tracker, judged: Result<(), Fault>) -> PtpState {
        let status = tracker.answered(&slave(), "s".into(), &SteeredClock::System, judged);
        assert_eq!(
            status.reference.is_some(),
            status.health.state == PtpState::Locked
        );
        status.health.state
    }

    #[test]
    fn ptp4l_never_answered_is_absent_and_after_three_silences_lost() {
        let mut tracker = Tracker::default();
        for _ in 0..5 {
            assert_eq!(tracker.silent("none").health.state, PtpState::Absent);
        }
        assert_eq!(state(&mut tracker, Ok(())), PtpState::Locked);
        for _ in 0..2 {
            assert_eq!(tracker.silent("slow").health.state, PtpState::Locked);
        }
        let lost = tracker.silent("gone").clone();
        assert_eq!(lost.health.state, PtpState::Lost);
        assert_eq!(lost.health.reason.as_deref(), Some("gone"));
        assert_eq!((lost.reference, lost.health.grandmaster), (None, None));
        assert_eq!(tracker.silent("gone").health.state, PtpState::Lost);
        assert_eq!(state(&mut tracker, Ok(())), PtpState::Locked);
    }

    #[test]
    fn one_bad_measurement_is_excused_and_three_are_not() {
        let mut tracker = Tracker::default();
        let far = || Err(FAR);
        assert_eq!(
            state(&mut tracker, far()),
            PtpState::Unlocked,
            "never locked"
        );
        assert_eq!(state(&mut tracker, Ok(())), PtpState::Locked);
        for expected in [PtpState::Locked, PtpState::Locked, PtpState::Unlocked] {
            assert_eq!(state(&mut tracker, far()), expected);
        }
        assert_eq!(state(&mut tracker, far()), PtpState::Unlocked);
        assert_eq!(state(&mut tracker, Ok(())), PtpState::Locked);
        assert_eq!(
            state(&mut tracker, Err(Fault::Arbitrary)),
            PtpState::Unlocked
        );
    }

    #[test]
    fn events_name_a_new_grandmaster_once_and_each_change_of_state() {
        let clock = SteeredClock::System;
        let mut tracker = Tracker::default();
        let before = tracker.silent("none").clone();
        let locked = tracker
            .answered(&slave(), "s".into(), &clock, Ok(()))
            .clone();
        let kinds = |after: &Status, before: &Status| -> Vec<String> {
            let events = after.events_since(before);
            events.iter().map(|it| it.name().to_string()).collect()
        };
        assert_eq!(kinds(&locked, &before), ["ptp_grandmaster", "ptp_state"]);
        assert_eq!(
            locked.events_since(&before)[0],
            EventKind::PtpGrandmaster {
                grandmaster: "09-09-09-09-09-09-09-09".into(),
                domain: 127
            }
        );
        assert!(kinds(&locked, &locked).is_empty());
        let mut other = slave();
        other.parent.grandmaster.0 = [8; 8];
        let other = tracker.answered(&other, "s".into(), &clock, Ok(())).clone();
        assert_eq!(kinds(&other, &locked), ["ptp_grandmaster"]);
        let lost = Status::empty(PtpState::Lost, None);
        assert_eq!(kinds(&lost, &other), ["ptp_state"]);
    }
}
