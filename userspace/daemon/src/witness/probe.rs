//! W2: the callers that the kernel saw go to sleep, and whether its reading is reliable.

use std::cell::Cell;

use onair_ipc::{site, sys};
use onair_probe::{Closing, Events, Probe, ProbeConfig, ProbeError, Waiter};
use onair_session::Sites;
use onair_session::witness::{PROBE, some, without};
use onair_types::{
    ProbeMode, ProbeState, Problem, ProblemCode, Reading, Says, Timestamp, Witness, WordOf,
};

use crate::config::{Config, ms};
use crate::error_chain::chain;

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

    /// The witness's reading. It is zero only if the daemon's own canary succeeds and the probe
    /// sees each client: the client's sites are armed, and no thread of it sleeps unseen. `sites`
    /// has each client's pid and the state of its sites. Callers of attachments that are `out`
    /// (evicted) are reported but not counted.
    pub fn witness(
        &self,
        session: u64,
        sites: impl Iterator<Item = (u32, Sites)>,
        out: impl Fn(u64) -> bool,
    ) -> Reading {
        let make = |says, users, left_out, detail: String| Reading {
            witness: Witness::W2,
            name: PROBE.into(),
            says,
            users,
            left_out,
            detail,
            word_of: WordOf::Kernel,
            at_monotonic_ns: sys::monotonic_ns(),
        };
        // Unproven means unknown if the probe is required; else it is only reported.
        let unproven = |reason: String| {
            let says = match self.mode {
                ProbeMode::Required => Says::Unknown,
                ProbeMode::Preferred | ProbeMode::Off => Says::NotApplicable,
            };
            make(says, 0, 0, reason)
        };
        let probe = match &self.probe {
            Ok(probe) => probe,
            Err(reason) => return unproven(format!("the probe does not run: {reason}")),
        };
        let reading = match probe.reading(session) {
            Ok(reading) => reading,
            Err(error) => return unproven(chain(&error)),
        };
        // Only callers listed by name are excluded: every other counted caller is a user.
        let left_out = reading.blocked.iter().filter(|it| out(it.attachment));
        let left_out = left_out.count() as u64;
        let users = reading.users().saturating_sub(left_out);
        let but = without(left_out, "blocked caller");
        if users > 0 {
            let detail = format!("{} blocked{but}", some(users, "caller"));
            return make(Says::Users, users, left_out, detail);
        }
        if let Err(blind) = probe.self_test() {
            return unproven(format!("probe_blind: {blind}"));
        }
        self.canary_at.set(Some(Timestamp::now()));
        let (mut watched, mut unseen, mut is_unknown) = (0, None, None);
        for (pid, sites) in sites {
            match sites {
                Sites::Armed => watched += 1,
                // The kernel reports this without the probe, so it counts in every mode.
                Sites::Unlisted { users, reason } => {
                    let detail = format!("in process {pid} {reason}{but}");
                    return make(Says::Users, users, left_out, detail);
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
        let is_refused = self.mode == ProbeMode::Required && unseen.is_some();
        if let Some(detail) = is_unknown.filter(|_| !is_refused) {
            return make(Says::Unknown, 0, left_out, detail);
        }
        if let Some(reason) = unseen {
            return unproven(reason);
        }
        let watched = some(watched, "client");
        let detail =
            format!("no caller blocked or asleep{but}; {watched} watched, the canary came through");
        make(Says::Zero, 0, left_out, detail)
    }
}
