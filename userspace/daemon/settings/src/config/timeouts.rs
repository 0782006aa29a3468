//! `[timeouts]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

/// Ten minutes, ms: the most for a wait for a machine.
const MACHINE: RangeInclusive<u64> = 1..=600_000;
/// A day, ms: the most for a wait for people.
const PEOPLE: RangeInclusive<u64> = 0..=86_400_000;

/// `[timeouts]`: how long the daemon waits
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// To arm the probe in a client's files.
    pub probe_arm_ms: u64,
    /// To check one client's sites and threads; then the probe is blind for its session.
    pub probe_sight_ms: u64,
    /// For the kernel to attach to one file; then `health` reports `probe_blind`.
    pub probe_slow_ms: u64,
    /// For a client to answer the challenge.
    pub prove_ms: u64,
    /// For a client to send hello on the attach socket, and then to attach.
    pub hello_ms: u64,
    /// For a client to read a message on the attach socket.
    pub attach_send_ms: u64,
    /// For a poller to hand a stopped session back; then `dataplane_busy`.
    pub quiesce_ms: u64,
    /// For a certificate to be on disk, before the answer says that it is not.
    pub durable_ms: u64,
    /// For a place in the control thread's queue, in `limits.proving_per_uid`, or in a full
    /// session.
    pub overload_ms: u64,
    /// For the kernel to remove a killed daemon, at the start.
    pub previous_ms: u64,
    /// For a port's AF_XDP queue that a previous owner still has.
    pub port_busy_ms: u64,
    /// For a request's head on the control socket, and between two requests.
    pub http_head_ms: u64,
    /// For a request's head on `metrics.listen`.
    pub metrics_head_ms: u64,
    /// For a request's body.
    pub http_body_ms: u64,
    /// That a reader may read nothing of an answer.
    pub http_write_ms: u64,
    /// Between two comments on `/v1/events`.
    pub http_keep_alive_ms: u64,
    /// For answers under way when the control socket closes.
    pub http_farewell_ms: u64,
    /// Between two periodic checks.
    pub patrol_ms: u64,
    /// From a stop to the first warning that names the remaining users; each next takes twice as
    /// long. 0: none.
    pub drain_warning_ms: u64,
    /// For users to leave after SIGTERM or SIGINT.
    pub graceful_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            probe_arm_ms: 5000,
            probe_sight_ms: 250,
            probe_slow_ms: 1000,
            prove_ms: 5000,
            hello_ms: 5000,
            attach_send_ms: 5000,
            quiesce_ms: 5000,
            durable_ms: 2000,
            overload_ms: 2000,
            previous_ms: 10_000,
            port_busy_ms: 2000,
            http_head_ms: 30_000,
            metrics_head_ms: 5000,
            http_body_ms: 10_000,
            http_write_ms: 10_000,
            http_keep_alive_ms: 15_000,
            http_farewell_ms: 1000,
            patrol_ms: 1000,
            drain_warning_ms: 1000,
            graceful_ms: 10_000,
        }
    }
}

/// Milliseconds of the file as a duration.
#[must_use]
pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Timeouts {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (key, value, range) in [
            ("probe_arm_ms", self.probe_arm_ms, MACHINE),
            // The control thread waits for it, once a client and verdict.
            ("probe_sight_ms", self.probe_sight_ms, 1..=5000),
            ("probe_slow_ms", self.probe_slow_ms, MACHINE),
            ("prove_ms", self.prove_ms, MACHINE),
            ("hello_ms", self.hello_ms, MACHINE),
            ("attach_send_ms", self.attach_send_ms, MACHINE),
            ("quiesce_ms", self.quiesce_ms, MACHINE),
            ("durable_ms", self.durable_ms, PEOPLE),
            ("overload_ms", self.overload_ms, MACHINE),
            ("previous_ms", self.previous_ms, PEOPLE),
            ("port_busy_ms", self.port_busy_ms, PEOPLE),
            ("http_head_ms", self.http_head_ms, MACHINE),
            ("metrics_head_ms", self.metrics_head_ms, MACHINE),
            ("http_body_ms", self.http_body_ms, MACHINE),
            ("http_write_ms", self.http_write_ms, MACHINE),
            ("http_keep_alive_ms", self.http_keep_alive_ms, MACHINE),
            ("http_farewell_ms", self.http_farewell_ms, PEOPLE),
            ("patrol_ms", self.patrol_ms, 10..=60_000),
            ("drain_warning_ms", self.drain_warning_ms, PEOPLE),
            ("graceful_ms", self.graceful_ms, PEOPLE),
        ] {
            within(&format!("timeouts.{key}"), value, range)?;
        }
        Ok(())
    }
}
