//! When all is gone, nothing is left.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateSession, DestroySession, ListRecordings, RecordingQuery, StopSession,
};
use onair_api::{
    Operation, Problem, ProblemCode, RecordingState, SessionOutcome, SessionRef, SessionState,
};
use onair_engine::inputs::Drained;
use onair_ipc::caller::Deadline;
use onair_sim_machine::DiskState;
use onair_sim_machine::life::root;

use crate::cast::{CONVERTED, ROLES, name, specification, target};
use crate::stage::{Hindrances, Stage};

impl Stage {
    /// All that hinders is over, all requests are answered, and all users go.
    pub(crate) fn check_end(&mut self) {
        if self.hindrances.disk == DiskState::Hangs && !self.requests.is_empty() {
            // An answer that waits for the disk comes without it.
            self.live(Duration::from_millis(2_300));
        }
        self.hinder(Hindrances::default());
        self.live(Duration::from_millis(300));
        while !self.requests.is_empty() && self.facts.violations.is_empty() {
            self.live(Duration::from_millis(500));
        }
        if self
            .list()
            .iter()
            .any(|it| it.state == SessionState::Draining)
        {
            self.live(Duration::from_millis(2_600));
            self.compare();
        }
        if self.plan.seed.is_multiple_of(2) {
            self.check_places();
        }
        if self.plan.ends_in_order {
            self.check_calls();
            self.shut_down(Duration::from_millis(200));
        }
        self.end_all();
        self.live(Duration::from_millis(300));
        self.compare();
        self.check_archive();
        self.check_left();
        self.check_names();
        self.check_sleep();
    }

    /// All clients go, and others may come.
    fn check_places(&mut self) {
        self.all_go();
        self.live(Duration::from_millis(300));
        for view in self.list() {
            if matches!(
                view.state,
                SessionState::Quarantined | SessionState::Draining
            ) {
                continue;
            }
            let peer = self.life().peer(root());
            let target = SessionRef::Id(view.id).to_string();
            match self.life().reserve(&peer, &target, None) {
                Ok(id) => self.life().release(id),
                Err(problem) => {
                    self.violate(format!("no client may attach to {}: {problem}", view.name));
                }
            }
        }
    }

    fn all_go(&mut self) {
        while !self.guests.is_empty() {
            self.kill(0);
        }
        self.passed_on.clear();
    }

    /// Clients of sessions that run may call, and others are told why not.
    fn check_calls(&mut self) {
        for at in 0..self.guests.len() {
            let taken = self.guests[at].client.attachment.get(Deadline::Now);
            let told = taken.map(|lease| self.guests[at].leases.push(lease));
            self.check_call(at, told);
        }
    }

    /// The daemon has ended: each session as the policy says. Without any time not even a poller can hand one back.
    pub(crate) fn check_outcomes(&mut self, ended: &Drained, graceful: Duration) {
        for it in &ended.sessions {
            let aside = it.outcome == SessionOutcome::Quarantined;
            if let Some(session) = self.facts.sessions.get_mut(&it.id.0) {
                session.is_aside |= aside;
            }
            let facts = self.facts.sessions.get(&it.id.0);
            let is_certain = facts.map(|it| it.ended.is_some() || it.is_aside || it.is_complete);
            let is_destroyed =
                facts.is_some_and(|it| it.ended.is_some_and(|by| by != Operation::Quarantine));
            let may_be = match it.outcome {
                SessionOutcome::Destroyed | SessionOutcome::Evicted => is_destroyed,
                SessionOutcome::Abandoned => {
                    let is_used = self.guests_of(it.id.0).next().is_some();
                    // The daemon learns after a moment that a poller goes on, and a destroy does not wait for that.
                    let is_hindered = !self.is_free() || graceful.is_zero();
                    is_certain == Some(false) && (is_used || is_hindered)
                }
                _ => true,
            };
            if !may_be {
                self.violate(format!(
                    "{} ends {:?}, and the events say {is_certain:?}",
                    it.name, it.outcome
                ));
            }
        }
    }

    fn end_all(&mut self) {
        for view in self.list() {
            if view.state == SessionState::Quarantined {
                continue;
            }
            let ended = self.life().ask::<AbortSession>(view.id.into(), ());
            // It may be one that was made for clients, and goes with its source.
            if let Err(problem) = ended
                && self.list().iter().any(|it| it.id == view.id)
            {
                self.violate(format!("{} is not aborted: {problem}", view.name));
            }
            self.observe();
        }
        self.all_go();
    }

    fn check_left(&mut self) {
        let listed = self.list();
        if !listed.is_empty() {
            let names: Vec<_> = listed.iter().map(|it| (&it.name, it.state)).collect();
            let what = format!("sessions are left: {names:?}");
            self.violate(what);
        }
        let used = self.used_shares();
        if !used.is_empty() {
            self.violate(format!("all is gone, and shares are used: {used:?}"));
        }
        let all = RecordingQuery::default();
        let recordings = self.life().ask::<ListRecordings>((), all);
        let recordings = recordings.expect("any list is given").recordings;
        let ended = [RecordingState::Finished, RecordingState::Failed];
        let unended = recordings
            .iter()
            .filter(|it| !ended.contains(&it.state))
            .count();
        if unended + self.facts.recordings() > 0 {
            self.violate(format!(
                "{unended} recordings are left, {} by events",
                self.facts.recordings()
            ));
        }
        let incomplete = self.facts.sessions.values().filter(|it| {
            it.ended.is_some() && !it.is_complete && it.of_daemon == self.facts.daemon
        });
        let incomplete: Vec<_> = incomplete.map(|it| it.name.clone()).collect();
        if !incomplete.is_empty() {
            self.violate(format!("the memory of {incomplete:?} is not given back"));
        }
        let tasks = self.life().world.tasks();
        if tasks > 0 {
            self.violate(format!("{tasks} tasks are left"));
        }
    }

    /// Names, addresses and places are free again.
    fn check_names(&mut self) {
        for role in (0..ROLES).filter(|it| *it != CONVERTED) {
            let done = self.come_and_go(role);
            let has_poller = self.facts.pollers.has_one_for(role);
            match done {
                Err(problem) if has_poller || problem.code != ProblemCode::PollerDown => {
                    self.violate(format!("{} cannot come and go: {problem}", name(role)));
                }
                Ok(()) if !has_poller => {
                    self.violate(format!("{} runs without a poller", name(role)));
                }
                _ => {}
            }
        }
    }

    /// The control thread sleeps, and looks at times.
    fn check_sleep(&mut self) {
        self.live(Duration::from_millis(200));
        let before = self.life().wakes();
        self.live(Duration::from_millis(1_000));
        let wakes = self.life().wakes() - before;
        if !(5..=25).contains(&wakes) {
            self.violate(format!("the control thread wakes {wakes} times a second"));
        }
    }

    fn come_and_go(&mut self, role: usize) -> Result<(), Problem> {
        let spec = specification(role, 0, false);
        self.life().ask::<CreateSession>((), spec)?;
        self.life().ask::<StopSession>(target(role), ())?;
        self.life().ask::<DestroySession>(target(role), ())?;
        Ok(())
    }
}
