//! `[timeouts]`.

use serde::Deserialize;

/// `[timeouts]`, all in milliseconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Arming the probe in a client's files.
    pub probe_arm_ms: u64,
    /// A client's answer to the challenge.
    pub prove_ms: u64,
    /// A poller handing a stopped session back.
    pub quiesce_ms: u64,
    /// A place in the control thread's queue.
    pub overload_ms: u64,
    /// A daemon that was killed being taken down by the kernel, before this one starts.
    pub previous_ms: u64,
    /// From a stop to the first warning that there are users left; the next ones at twice, four
    /// times, … as much. 0: none.
    pub drain_warning_ms: u64,
    /// Users leaving when the daemon shuts down.
    pub graceful_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            probe_arm_ms: 5000,
            prove_ms: 5000,
            quiesce_ms: 2000,
            overload_ms: 2000,
            previous_ms: 10_000,
            drain_warning_ms: 1000,
            graceful_ms: 10_000,
        }
    }
}
