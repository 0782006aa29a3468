//! The probe, as it runs or not.

use onair_api::{ProbeMode, ProbeState, Problem, SessionId, Timestamp};
use onair_engine::machine::{ProbeAccess, Watching};
use onair_probe::{Probe, ProbeError, Proof, Waiter};
use onair_session::Walk;
use onair_shares::Usage;

use super::RealMachine;

impl RealMachine {
    fn running_probe(&self) -> Option<&Probe> {
        self.probe.probe()
    }
}

impl ProbeAccess for RealMachine {
    fn probe_state(&self) -> (ProbeState, Option<String>) {
        self.probe.state()
    }

    fn probe_mode(&self) -> ProbeMode {
        self.probe.mode()
    }

    fn set_probe_mode(&mut self, mode: ProbeMode) {
        self.probe.set_mode(mode);
    }

    fn canary_at(&self) -> Option<Timestamp> {
        self.probe.canary_at()
    }

    fn test_probe(&self) {
        self.probe.test();
    }

    fn check_probe(&self) -> Result<(), Problem> {
        self.probe.check()
    }

    fn waiters(&self, session: u64) -> Vec<Waiter> {
        self.probe.waiters(session)
    }

    fn blocked(&self, index: u32) -> Option<Result<u64, ProbeError>> {
        self.running_probe().map(|probe| probe.blocked(index))
    }

    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_> {
        Box::new(self.probe.walk(sessions))
    }

    fn register(
        &self,
        client: &Proof,
        session: u64,
        attachment: u64,
        index: u32,
    ) -> Result<(), ProbeError> {
        self.running_probe().map_or(Ok(()), |probe| {
            probe.register(client, session, attachment, index)
        })
    }

    fn unregister(&self, tgid: u32, session: u64, attachment: u64) -> Result<(), ProbeError> {
        self.running_probe()
            .map_or(Ok(()), |probe| probe.unregister(tgid, session, attachment))
    }

    fn watching(&self) -> Watching {
        match (self.running_probe(), self.probe.mode()) {
            (Some(_), ProbeMode::Required) => Watching::Required,
            (Some(_), ProbeMode::Preferred) => Watching::Preferred,
            _ => Watching::Off,
        }
    }

    fn probe_usage(&self) -> Vec<Usage> {
        let probe = self.running_probe().into_iter();
        probe.flat_map(Probe::usage).collect()
    }
}
