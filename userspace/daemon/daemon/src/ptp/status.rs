//! PTP as the rest of the daemon sees it.

use onair_api::{
    EventKind, PtpGrandmaster, PtpHardwareClock, PtpHealth, PtpPort, PtpPortState, PtpState,
};
use onair_engine::machine::Reference;

use super::{Reading, SteeredClock};

/// The state, and its document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// As the API shows it.
    pub health: PtpHealth,
    /// The reference of timestamps: only while locked.
    pub reference: Option<Reference>,
}

impl Status {
    /// Nothing is known.
    #[must_use]
    pub fn empty(state: PtpState, reason: Option<String>) -> Self {
        Self {
            health: PtpHealth::empty(state, reason),
            reference: None,
        }
    }

    /// Answers of ptp4l on `socket`, with the state that follows from them.
    #[must_use]
    pub fn of(
        reading: &Reading,
        socket: String,
        clock: &SteeredClock,
        state: PtpState,
        reason: Option<String>,
    ) -> Self {
        let grandmaster = &reading.parent.grandmaster;
        let domain = reading.clock.domain;
        let link = reading.port.link.as_ref();
        // A port that hears no grandmaster names its own clock as one.
        let has_one = !reading.is_grandmaster() || reading.port.state == PtpPortState::Master;
        Self {
            health: PtpHealth {
                state,
                reason,
                socket: Some(socket),
                grandmaster: has_one.then(|| PtpGrandmaster {
                    identity: grandmaster.to_string(),
                    domain,
                    clock_class: reading.parent.clock_class,
                    steps_removed: reading.current.steps_removed,
                    is_this_machine: reading.is_grandmaster(),
                    tai_minus_utc_s: reading.time.utc_offset_s,
                    is_utc_offset_valid: reading.time.is_utc_offset_valid,
                    is_ptp_timescale: reading.time.is_ptp_timescale,
                }),
                port: Some(PtpPort {
                    number: reading.port.port.number,
                    state: reading.port.state,
                    interface: link.map(|(_, name)| name.to_string()),
                    timestamping: reading.timestamping(),
                }),
                offset_ns: Some(reading.current.offset_ns),
                path_delay_ns: Some(reading.current.path_delay_ns),
                hardware_clock: match clock {
                    SteeredClock::Hardware {
                        device,
                        tai_ahead_ns,
                    } => Some(PtpHardwareClock {
                        device: device.clone(),
                        tai_ahead_ns: tai_ahead_ns.as_ref().ok().copied(),
                    }),
                    SteeredClock::System | SteeredClock::Unknown(_) => None,
                },
            },
            reference: (state == PtpState::Locked).then_some(Reference {
                grandmaster: grandmaster.0,
                domain,
            }),
        }
    }

    /// The events from `before` to this status.
    #[must_use]
    pub fn events_since(&self, before: &Self) -> Vec<EventKind> {
        let mut events = Vec::new();
        let name = |status: &Self| {
            let grandmaster = status.health.grandmaster.as_ref();
            grandmaster.map(|it| (it.identity.clone(), it.domain))
        };
        if let Some((grandmaster, domain)) = name(self)
            && name(before).as_ref() != Some(&(grandmaster.clone(), domain))
        {
            events.push(EventKind::PtpGrandmaster {
                grandmaster,
                domain,
            });
        }
        if self.health.state != before.health.state {
            events.push(EventKind::PtpState {
                state: self.health.state,
                reason: self.health.reason.clone(),
            });
        }
        events
    }
}
