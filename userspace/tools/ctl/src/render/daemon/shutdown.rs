//! The daemon's shutdown.

use std::time::Duration;

use onair_api::{PartOutcome, PartReport, PhaseTime, ShutdownStatus};

use crate::render::{human, printable};

/// Answer of `shutdown`.
pub(crate) fn begun(status: &ShutdownStatus) -> String {
    let cause = status.cause.as_deref().unwrap_or("-");
    format!(
        "shutting down, phase {}: {}\n",
        status.phase,
        printable(cause)
    )
}

/// A phase that was entered.
pub(crate) fn phase(phase: &PhaseTime) -> String {
    format!("{}  {}\n", phase.at, console::style(phase.phase).bold())
}

/// The number of users left.
pub(crate) fn users(status: &ShutdownStatus) -> String {
    let users = match status.users {
        1 => "1 user".to_owned(),
        users => format!("{users} users"),
    };
    let sessions = match status.sessions {
        1 => "1 session".to_owned(),
        sessions => format!("{sessions} sessions"),
    };
    format!("    {users} in {sessions}\n")
}

/// A part that has ended.
pub(crate) fn part(part: &PartReport) -> String {
    let outcome = match part.outcome {
        PartOutcome::Done => console::style(part.outcome.as_str()).green(),
        _ => console::style(part.outcome.as_str()).red(),
    };
    let detail = part
        .detail
        .as_deref()
        .map(|it| format!(": {}", printable(it)));
    format!(
        "    {} {outcome} in {}{}\n",
        printable(&part.name),
        human(Duration::from_micros(part.us)),
        detail.unwrap_or_default()
    )
}
