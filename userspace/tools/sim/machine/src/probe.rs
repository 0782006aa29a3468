//! The probe: it sees exactly the blocked callers.

use onair_api::{
    ProbeMode, ProbeState, Problem, ProblemCode, Reading, Says, SessionId, Timestamp, Witness,
    WordOf,
};
use onair_engine::clients::inspection::SiteLook;
use onair_engine::machine::{ProbeAccess, Watching};
use onair_engine::session::attachment::Watched;
use onair_ipc::memory::EventCountFile;
use onair_probe::{ProbeError, Proof, Waiter};
use onair_session::witness::{PROBE, some, without};
use onair_session::{Sites, Walk};
use onair_shares::Usage;

use crate::{Shared, SimulatedMachine};

const BLIND: &str = "the canary did not arrive";

/// The sites of a client: always armed.
#[derive(Debug)]
struct Armed;

struct Look;

impl SiteLook for Look {}

impl onair_engine::clients::inspection::Sites for Armed {
    fn watch_event_counts(&self, _: u64, _: EventCountFile) {}

    fn look(&self) -> Box<dyn SiteLook> {
        Box::new(Look)
    }
}

/// The probe's facts about a client.
pub(crate) fn watched(pid: u32) -> Watched {
    Watched {
        proof: Proof {
            tgid: pid,
            tid: pid,
            ns_tgid: pid,
            ns_tid: pid,
            own_tid: pid,
            start_boottime: 0,
            inode: 0,
        },
        files: Vec::new(),
        sites: Box::new(Armed),
    }
}

/// One walk of the list of blocked callers.
#[derive(Debug)]
pub(crate) struct SimulatedWalk {
    pub(crate) shared: Shared,
    pub(crate) now_ns: u64,
}

impl Walk for SimulatedWalk {
    fn probe(
        &self,
        session: SessionId,
        _: &mut dyn Iterator<Item = (u32, Sites)>,
        out: Option<&dyn Fn(u64) -> bool>,
    ) -> Reading {
        let waiters = self.shared.lock().crowd.waiters(session.0, self.now_ns);
        let (left_out, users): (Vec<_>, Vec<_>) = waiters
            .iter()
            .partition(|it| out.is_some_and(|out| out(it.attachment)));
        let is_blind = self.shared.lock().is_blind;
        let (left_out, users) = (left_out.len() as u64, users.len() as u64);
        let but = without(left_out, "blocked caller");
        Reading {
            witness: Witness::W2,
            name: PROBE.into(),
            says: match users {
                _ if is_blind => Says::Unknown,
                0 => Says::Zero,
                _ => Says::Users,
            },
            users,
            left_out,
            detail: format!("{} blocked{but}", some(users, "caller")),
            word_of: WordOf::Kernel,
            at_monotonic_ns: self.now_ns,
        }
    }
}

impl ProbeAccess for SimulatedMachine {
    fn probe_state(&self) -> (ProbeState, Option<String>) {
        match self.shared.lock().is_blind {
            false => (ProbeState::Watching, None),
            true => (ProbeState::Blind, Some(BLIND.to_owned())),
        }
    }

    fn probe_mode(&self) -> ProbeMode {
        ProbeMode::Required
    }

    fn set_probe_mode(&mut self, _: ProbeMode) {}

    fn canary_at(&self) -> Option<Timestamp> {
        Some(self.clock.wall())
    }

    fn test_probe(&self) {}

    fn check_probe(&self) -> Result<(), Problem> {
        match self.shared.lock().is_blind {
            false => Ok(()),
            true => Err(Problem::new(ProblemCode::ProbeBlind, BLIND)),
        }
    }

    fn waiters(&self, session: u64) -> Vec<Waiter> {
        let now_ns = self.clock.monotonic_ns();
        self.shared.lock().crowd.waiters(session, now_ns)
    }

    fn blocked(&self, _: u32) -> Option<Result<u64, ProbeError>> {
        None
    }

    fn walk(&self, _: &[SessionId]) -> Box<dyn Walk + '_> {
        Box::new(SimulatedWalk {
            shared: self.shared.clone(),
            now_ns: self.clock.monotonic_ns(),
        })
    }

    fn register(&self, _: &Proof, _: u64, _: u64, _: u32) -> Result<(), ProbeError> {
        Ok(())
    }

    fn unregister(&self, _: u32, _: u64, _: u64) -> Result<(), ProbeError> {
        Ok(())
    }

    fn watching(&self) -> Watching {
        Watching::Required
    }

    fn probe_usage(&self) -> Vec<Usage> {
        Vec::new()
    }
}
