//! The daemon itself, for the head of the page.

use onair_api::{Health, HealthStatus};
use serde::Serialize;

/// What the head of the page says.
#[derive(Debug, Serialize)]
pub(super) struct DaemonState {
    /// It answers; else this is what it said last.
    answers: bool,
    /// It is on another machine.
    is_remote: bool,
    version: String,
    /// Another one is another process.
    pid: u32,
    status: HealthStatus,
    problems: Vec<String>,
    /// Whether its clock follows a grandmaster, and why not.
    clock: Clock,
    ports: Vec<Port>,
}

#[derive(Debug, Serialize)]
struct Clock {
    state: String,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct Port {
    name: String,
    link_up: bool,
}

impl DaemonState {
    pub(super) fn of(health: &Health, away: bool, is_remote: bool) -> Self {
        let ptp = &health.clock.ptp;
        let ports = health.dataplane.ports.iter();
        Self {
            answers: !away,
            is_remote,
            version: health.version.clone(),
            pid: health.pid,
            status: health.status,
            problems: health.problems.clone(),
            clock: Clock {
                state: ptp.state.to_string(),
                reason: ptp.reason.clone(),
            },
            ports: ports
                .map(|it| Port {
                    name: it.name.clone(),
                    link_up: it.link_up,
                })
                .collect(),
        }
    }
}
