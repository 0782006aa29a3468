//! Problems, and the health of the daemon that follows from them. The caller gives the facts.

use onair_api::{
    HealthStatus, Probe, ProbeMode, ProbeState, PtpHealth, PtpState, SessionProblemKind as Kind,
};
use onair_settings::access::authority::Grant;

/// Whether the health reports a problem of this kind. A slow or stopped client harms no other; an operator
/// stopped a source; the health names a stalled poller once.
pub(super) const fn is_of_health(problem: Kind) -> bool {
    !matches!(
        problem,
        Kind::SlowClient
            | Kind::ClientStopped
            | Kind::PollerStalled
            | Kind::LinkDown
            | Kind::SourceStopped
            | Kind::SenderChanged
    )
}

/// Whether sessions cannot be proven to have no users, although the configuration demands it.
pub(super) fn is_blind(probe: &Probe) -> bool {
    probe.mode == ProbeMode::Required && probe.state != ProbeState::Watching
}

/// Certificates without a reading from the kernel are a problem.
pub(super) fn of_probe(probe: &Probe) -> Option<String> {
    match probe.state {
        ProbeState::Blind => {
            let reason = probe.reason.as_deref().unwrap_or_default();
            Some(format!("the probe is blind: {reason}"))
        }
        ProbeState::Off => {
            Some("the probe is off: certificates have no reading from the kernel".into())
        }
        ProbeState::Watching => None,
    }
}

/// A clock that does not follow its grandmaster is a problem; that there is no ptp4l is one if the
/// configuration names it.
pub(super) fn of_ptp(ptp: &PtpHealth, names_a_ptp4l: bool) -> Option<String> {
    let is_problem = match ptp.state {
        PtpState::Off | PtpState::Locked => false,
        PtpState::Absent => names_a_ptp4l,
        PtpState::Unlocked | PtpState::Lost => true,
    };
    let reason = ptp.reason.as_deref().unwrap_or("it was not asked yet");
    is_problem.then(|| format!("PTP is {}: {reason}", ptp.state))
}

/// Problems of the daemon, and those of sessions, with the uid of their owner.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) of_daemon: Vec<String>,
    pub(super) of_sessions: Vec<(u32, String)>,
}

impl Problems {
    /// The problems as a caller sees them that may read the sessions of `grant`: of the others it
    /// gets only their number.
    pub(super) fn seen_by(self, grant: Grant) -> Vec<String> {
        let (seen, hidden): (Vec<_>, Vec<_>) = self
            .of_sessions
            .into_iter()
            .partition(|(owner, _)| grant.covers(Some(*owner)));
        let hidden = (!hidden.is_empty()).then(|| {
            let count = hidden.len();
            format!(
                "problems of sessions that your role does not let you read: {count}; ask an operator"
            )
        });
        let seen = seen.into_iter().map(|(_, text)| text);
        self.of_daemon
            .into_iter()
            .chain(seen)
            .chain(hidden)
            .collect()
    }
}

/// The status of a daemon that has these problems, as its caller sees them.
pub(super) fn status(probe: &Probe, problems: &[String]) -> HealthStatus {
    match problems {
        _ if is_blind(probe) => HealthStatus::ProbeBlind,
        [] => HealthStatus::Ok,
        _ => HealthStatus::Degraded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(mode: ProbeMode, state: ProbeState) -> Probe {
        Probe {
            state,
            mode,
            reason: Some("no BTF".to_owned()),
            canary_at: None,
            files: Vec::new(),
        }
    }

    #[test]
    fn probe_that_does_not_watch_then_blind_only_if_it_is_required() {
        use ProbeMode::{Off, Preferred, Required};
        for mode in [Required, Preferred, Off] {
            for state in [ProbeState::Watching, ProbeState::Blind, ProbeState::Off] {
                let probe = probe(mode, state);
                let problems = Vec::from_iter(of_probe(&probe));
                let watches = state == ProbeState::Watching;
                assert_eq!(problems.is_empty(), watches);
                let expected = match (mode, watches) {
                    (_, true) => HealthStatus::Ok,
                    (Required, false) => HealthStatus::ProbeBlind,
                    _ => HealthStatus::Degraded,
                };
                assert_eq!(status(&probe, &problems), expected);
            }
        }
        let blind = of_probe(&probe(Required, ProbeState::Blind));
        assert_eq!(blind.as_deref(), Some("the probe is blind: no BTF"));
    }

    #[test]
    fn ptp4l_is_absent_then_a_problem_only_if_it_is_named() {
        for (state, named, is_problem) in [
            (PtpState::Absent, false, false),
            (PtpState::Absent, true, true),
            (PtpState::Off, true, false),
            (PtpState::Locked, true, false),
            (PtpState::Lost, false, true),
            (PtpState::Unlocked, false, true),
        ] {
            let ptp = PtpHealth {
                state,
                reason: None,
                socket: None,
                grandmaster: None,
                port: None,
                offset_ns: None,
                path_delay_ns: None,
                hardware_clock: None,
            };
            let problem = of_ptp(&ptp, named);
            assert_eq!(problem.is_some(), is_problem, "{state} {named}");
        }
    }

    #[test]
    fn problems_of_other_owners_are_counted_and_not_shown() {
        let problems = || Problems {
            of_daemon: vec!["the probe is off".to_owned()],
            of_sessions: vec![(1, "cam".to_owned()), (2, "mic".to_owned())],
        };
        let all = ["the probe is off", "cam", "mic"];
        assert_eq!(problems().seen_by(Grant::Any), all);
        let own = problems().seen_by(Grant::OwnedBy(2));
        assert_eq!(own[..2], ["the probe is off", "mic"]);
        assert!(own[2].contains(": 1; ask an operator"), "{own:?}");
        let none = Problems::default().seen_by(Grant::OwnedBy(2));
        assert_eq!(none, [""; 0]);
    }
}
