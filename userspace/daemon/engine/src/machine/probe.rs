//! The probe: the callers as the kernel sees them.

use onair_api::{ProbeMode, ProbeState, Problem, SessionId, Timestamp};
use onair_probe::{ProbeError, Proof, Waiter};
use onair_session::Walk;
use onair_shares::Usage;

/// How the probe treats a client that attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    /// The probe watches the client, or the attach is refused.
    Required,
    /// The probe watches the client if possible.
    Preferred,
    /// The probe is not used.
    Off,
}

/// The probe, if it runs.
pub trait ProbeAccess {
    /// Whether the probe sees, and why not.
    fn probe_state(&self) -> (ProbeState, Option<String>);
    /// The configured mode.
    fn probe_mode(&self) -> ProbeMode;
    /// Sets how strictly its readings count from now on.
    fn set_probe_mode(&mut self, mode: ProbeMode);
    /// When the daemon's own canary last succeeded.
    fn canary_at(&self) -> Option<Timestamp>;
    /// Passes a canary through the daemon's own site.
    fn test_probe(&self);
    /// Whether the probe sees, if it is required.
    ///
    /// # Errors
    /// `probe_blind`.
    fn check_probe(&self) -> Result<(), Problem>;
    /// Callers blocked in a session, for a list.
    fn waiters(&self, session: u64) -> Vec<Waiter>;
    /// Callers blocked at an index of its counters; `None` without a probe.
    fn blocked(&self, index: u32) -> Option<Result<u64, ProbeError>>;
    /// Reads the kernel's counts of blocked callers.
    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_>;
    /// Registers a client; without a probe there is nothing to do.
    ///
    /// # Errors
    /// The probe's.
    fn register(
        &self,
        client: &Proof,
        session: u64,
        attachment: u64,
        index: u32,
    ) -> Result<(), ProbeError>;
    /// Takes it off again.
    ///
    /// # Errors
    /// The probe's.
    fn unregister(&self, tgid: u32, session: u64, attachment: u64) -> Result<(), ProbeError>;
    /// How the probe treats a client that attaches.
    fn watching(&self) -> Watching;
    /// Use of its places.
    fn probe_usage(&self) -> Vec<Usage>;
}
