//! W2: the callers that the kernel saw go to sleep, and whether its reading is reliable.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use onair_api::{
    ProbeMode, ProbeState, Problem, ProblemCode, Reading, Says, SessionId, Timestamp, Witness,
    WordOf,
};
use onair_ipc::{site, sys};
use onair_mutant::mutant;
use onair_probe::{
    Closing, Events, Probe, ProbeConfig, ProbeError, Reading as ProbeReading, Waiter,
};
use onair_session::witness::{PROBE, some, without};
use onair_session::{Sites, Walk};
use onair_settings::config::{Config, ms};
use onair_settings::diagnostics::chain;

/// The probe as configured, and its actual state.
#[derive(Debug)]
pub struct ProbeLink {
    mode: ProbeMode,
    probe: Result<Probe, NoProbe>,
    /// When the daemon's own canary last succeeded.
    canary_at: Cell<Option<Timestamp>>,
}

/// Why there is no probe.
#[derive(Debug, thiserror::Error)]
enum NoProbe {
    #[error("switched off in the configuration")]
    Off,
    #[error("{}", chain(.0))]
    Failed(ProbeError),
}

/// Why the kernel's list of blocked callers proves nothing.
#[derive(Debug, thiserror::Error)]
enum Unproven<'a> {
    #[error("the probe does not run: {0}")]
    NoProbe(&'a NoProbe),
    #[error("{}", chain(.0))]
    Unread(ProbeError),
    #[error("probe_blind: {0}")]
    Blind(&'a NoProbe),
    #[error("probe_blind: {0}")]
    CanaryLost(onair_probe::Blind),
}

fn own_site(session: u64, argument: u64) {
    site::between(session, argument, &mut || {});
}

impl ProbeLink {
    /// Loads the probe, unless it is switched off. A failure is kept as the reason why the probe is
    /// blind.
    pub fn start(config: &Config) -> (Self, Option<Events>) {
        let mode = config.probe.mode;
        if mode == ProbeMode::Off {
            tracing::warn!("the probe is switched off: no destroy is witnessed by the kernel");
            return (Self::of(mode, Err(NoProbe::Off)), None);
        }
        let wanted = ProbeConfig {
            max_files: config.probe.max_files,
            max_site_links: config.probe.max_sites,
            shared_links: config.probe.shared_links,
            max_looks: config.probe.max_looks,
            percent: config.limits.percent(),
            max_attachments: config.probe.max_attachments,
            max_waiters: config.probe.max_blocked,
            arm_deadline: ms(config.timeouts.probe_arm_ms),
            max_threads: config.probe.max_threads,
            look_time: ms(config.timeouts.probe_sight_ms),
            slow: ms(config.timeouts.probe_slow_ms),
            ..ProbeConfig::new(own_site)
        };
        match Probe::start(wanted) {
            Ok(probe) => {
                let events = probe.events();
                let link = Self::of(mode, Ok(probe));
                // It passed its self-test at the start.
                link.canary_at.set(Some(Timestamp::now()));
                (link, events)
            }
            Err(error) => {
                tracing::error!(reason = chain(&error), %mode, "the probe does not work");
                (Self::of(mode, Err(NoProbe::Failed(error))), None)
            }
        }
    }

    fn of(mode: ProbeMode, probe: Result<Probe, NoProbe>) -> Self {
        Self {
            mode,
            probe,
            canary_at: Cell::new(None),
        }
    }

    /// Starts detaching from the kernel; `None` if it never ran.
    pub fn begin_close(self) -> Option<Closing> {
        self.probe.ok().map(|probe| probe.begin_close())
    }

    /// Passes a canary through the daemon's own site, so that blindness shows without a destroy.
    pub fn test(&self) {
        if let Some(probe) = self.probe() {
            match probe.self_test() {
                Ok(()) => self.canary_at.set(Some(Timestamp::now())),
                Err(blind) => tracing::error!(%blind, "the probe is blind"),
            }
        }
    }

    /// When the daemon's own canary last succeeded.
    pub fn canary_at(&self) -> Option<Timestamp> {
        self.canary_at.get()
    }

    /// The configured mode.
    pub fn mode(&self) -> ProbeMode {
        self.mode
    }

    /// Sets how strictly its readings count from now on: `Required` or `Preferred`.
    pub fn set_mode(&mut self, mode: ProbeMode) {
        self.mode = mode;
    }

    /// The probe, if it runs.
    pub fn probe(&self) -> Option<&Probe> {
        self.probe.as_ref().ok()
    }

    /// Whether the probe sees, and why not.
    pub fn state(&self) -> (ProbeState, Option<String>) {
        match &self.probe {
            Ok(probe) => match probe.state() {
                Ok(()) => (ProbeState::Watching, None),
                Err(blind) => (ProbeState::Blind, Some(chain(&blind))),
            },
            Err(reason) if self.mode == ProbeMode::Off => {
                (ProbeState::Off, Some(reason.to_string()))
            }
            Err(reason) => (ProbeState::Blind, Some(reason.to_string())),
        }
    }

    /// Whether the probe sees, if it is required.
    ///
    /// # Errors
    /// `probe_blind`: it does not, and an attach or a destroy must fail.
    pub fn check(&self) -> Result<(), Problem> {
        match self.state() {
            (ProbeState::Watching, _) => Ok(()),
            _ if self.mode != ProbeMode::Required => Ok(()),
            (_, reason) => {
                let reason = reason.unwrap_or_else(|| "reason unknown".into());
                Err(Problem::new(ProblemCode::ProbeBlind, reason))
            }
        }
    }

    /// Callers blocked in `session`; for a list, so without the proof that the probe sees.
    pub fn waiters(&self, session: u64) -> Vec<Waiter> {
        self.probe()
            .and_then(|probe| probe.reading(session).ok())
            .map(|reading| reading.blocked)
            .unwrap_or_default()
    }

    /// Reads the kernel's counts of blocked callers for these sessions, and its list of them at most once.
    pub fn walk(&self, sessions: &[SessionId]) -> ProbeWalk<'_> {
        let sessions: Vec<u64> = sessions.iter().map(|id| id.0).collect();
        ProbeWalk {
            link: self,
            counts: self.read(|probe| probe.counts(&sessions)),
            sessions,
            listed: OnceCell::new(),
            canary: OnceCell::new(),
        }
    }

    fn read(
        &self,
        read: impl FnOnce(&Probe) -> Result<BTreeMap<u64, ProbeReading>, ProbeError>,
    ) -> Result<BTreeMap<u64, ProbeReading>, Unproven<'_>> {
        match &self.probe {
            Ok(probe) => read(probe).map_err(Unproven::Unread),
            Err(reason) => Err(Unproven::NoProbe(reason)),
        }
    }

    /// Passes the daemon's own canary.
    fn pass_canary(&self) -> Result<(), Unproven<'_>> {
        let probe = self.probe.as_ref().map_err(Unproven::Blind)?;
        probe.self_test().map_err(Unproven::CanaryLost)?;
        self.canary_at.set(Some(Timestamp::now()));
        Ok(())
    }
}

/// One walk of the kernel's list of blocked callers.
#[derive(Debug)]
pub struct ProbeWalk<'a> {
    link: &'a ProbeLink,
    sessions: Vec<u64>,
    counts: Result<BTreeMap<u64, ProbeReading>, Unproven<'a>>,
    /// With the callers' names, if they matter: there may be thousands, of other sessions too.
    listed: OnceCell<Result<BTreeMap<u64, ProbeReading>, Unproven<'a>>>,
    /// Result of the daemon's own canary after the walk: one for all sessions.
    canary: OnceCell<Result<(), Unproven<'a>>>,
}

impl Walk for ProbeWalk<'_> {
    /// It is zero only if the daemon's own canary succeeds after the walk and the probe sees each
    /// client: the client's sites are armed, and no thread of it sleeps unseen.
    fn probe(
        &self,
        session: SessionId,
        clients: &mut dyn Iterator<Item = (u32, Sites)>,
        out: Option<&dyn Fn(u64) -> bool>,
    ) -> Reading {
        let counts = self.counts.as_ref().map(|it| it.get(&session.0));
        let reading = match counts {
            Ok(Some(counted)) if counted.users() == 0 || out.is_none() => Ok(Some(counted)),
            Ok(_) => self.listed().map(|it| it.get(&session.0)),
            Err(reason) => Err(reason),
        };
        let reading = match reading {
            Ok(Some(reading)) => reading,
            Ok(None) => return self.unproven("the session was not asked for".to_owned()),
            Err(reason) => return self.unproven(reason.to_string()),
        };
        // Only callers listed by name are excluded: every other counted caller is a user.
        let is_out = |it: &&Waiter| out.is_some_and(|out| out(it.attachment));
        let left_out = reading.blocked.iter().filter(is_out);
        let left_out = left_out.count() as u64;
        let users = reading.users().saturating_sub(left_out);
        let but = without(left_out, "blocked caller");
        if users > 0 {
            let detail = format!("{} blocked{but}", some(users, "caller"));
            return w2(Says::Users, users, left_out, detail);
        }
        let canary = self
            .canary
            .get_or_init(|| mutant!("together: no canary", Ok(()), self.link.pass_canary()));
        if let Err(blind) = canary {
            return self.unproven(blind.to_string());
        }
        self.clients(clients, left_out, &but)
    }
}

impl ProbeWalk<'_> {
    /// The kernel's list, read once.
    fn listed(&self) -> Result<&BTreeMap<u64, ProbeReading>, &Unproven<'_>> {
        let read = || self.link.read(|probe| probe.readings(&self.sessions));
        self.listed.get_or_init(read).as_ref()
    }

    /// The reading of a session without a blocked caller, as its clients' sites say.
    fn clients(
        &self,
        clients: &mut dyn Iterator<Item = (u32, Sites)>,
        left_out: u64,
        but: &str,
    ) -> Reading {
        let (mut watched, mut unseen, mut is_unknown) = (0, None, None);
        for (pid, sites) in clients {
            match sites {
                Sites::Armed => watched += 1,
                // The kernel reports this without the probe, so it counts in every mode.
                Sites::Unlisted { users, reason } => {
                    let detail = format!("in process {pid} {reason}{but}");
                    return w2(Says::Users, users, left_out, detail);
                }
                Sites::Blind(reason) => {
                    unseen.get_or_insert(format!("probe_blind: in process {pid} {reason}"));
                }
                Sites::Unknown => {
                    is_unknown.get_or_insert(format!("the check of process {pid} is not finished"));
                }
                Sites::Unwatched => {
                    unseen.get_or_insert(format!("process {pid} is not watched"));
                }
            }
        }
        // An unknown state is no reason to refuse, and no reason to continue.
        let is_refused = self.link.mode == ProbeMode::Required && unseen.is_some();
        if let Some(detail) = is_unknown.filter(|_| !is_refused) {
            return w2(Says::Unknown, 0, left_out, detail);
        }
        if let Some(reason) = unseen {
            return self.unproven(reason);
        }
        let watched = some(watched, "client");
        let detail =
            format!("no caller blocked or asleep{but}; {watched} watched, the canary came through");
        w2(Says::Zero, 0, left_out, detail)
    }

    /// Unproven means unknown if the probe is required; else it is only reported.
    fn unproven(&self, reason: String) -> Reading {
        let says = match self.link.mode {
            ProbeMode::Required => Says::Unknown,
            ProbeMode::Preferred | ProbeMode::Off => Says::NotApplicable,
        };
        w2(says, 0, 0, reason)
    }
}

fn w2(says: Says, users: u64, left_out: u64, detail: String) -> Reading {
    Reading {
        witness: Witness::W2,
        name: PROBE.into(),
        says,
        users,
        left_out,
        detail,
        word_of: WordOf::Kernel,
        at_monotonic_ns: sys::monotonic_ns(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walk_probe_goes_blind_after_it_then_no_session_of_it_is_zero() {
        let (link, _events) = ProbeLink::start(&Config::default());
        assert_eq!(link.mode(), ProbeMode::Required);
        let sessions = [SessionId(1), SessionId(2)];
        let says = |walk: &ProbeWalk<'_>| {
            sessions.map(|id| walk.probe(id, &mut std::iter::empty(), None).says)
        };
        let walk = link.walk(&sessions);
        assert_eq!(says(&walk), [Says::Zero; 2]);
        let unasked = walk.probe(SessionId(3), &mut std::iter::empty(), None);
        assert_eq!(unasked.says, Says::Unknown);
        // The kernel's list of this walk has no caller: only the canary tells.
        let walk = link.walk(&sessions);
        let probe = link.probe().expect("these tests need root").clone();
        probe
            .begin_close()
            .wait(std::time::Instant::now() + ms(20_000));
        // Another test's child may hold copies of the links until its exec.
        while probe.self_test().is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(says(&walk), [Says::Unknown; 2]);
    }
}
