//! Events, one line each.

use std::fmt::Display;
use std::time::Duration;

use onair_api::{Blocker, Event, EventKind, Eviction, Reconciled, RecordingCounts, SessionProblem};
use serde_json::Value;

use super::{bytes, human, printable};

/// An event.
pub(crate) fn line(event: &Event) -> String {
    let session = event.name.as_ref().map_or("-", |name| name.as_str());
    let text = format!(
        "{}  {session}  {}  {}",
        event.at,
        console::style(event.kind.name()).bold(),
        of_one_line(&what(&event.kind))
    );
    format!("{}\n", text.trim_end())
}

/// An event of a kind that this program does not know.
pub(crate) fn unknown(event: &Value) -> String {
    let field = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
    let text = format!("{}  {}  {}", field("at"), field("name"), field("kind"));
    format!("{}\n", of_one_line(&text))
}

fn of_one_line(text: &str) -> String {
    printable(text).replace('\n', "\u{fffd}")
}

fn what(kind: &EventKind) -> String {
    match kind {
        EventKind::SessionCreated {
            direction,
            port,
            owner,
        } if port.is_empty() => format!("{direction}, by {owner}"),
        EventKind::SessionCreated {
            direction,
            port,
            owner,
        } => format!("{direction} on port {port}, by {owner}"),
        EventKind::SessionStarted { generation } => format!("for the {} time", nth(*generation)),
        EventKind::SessionStopped {
            attachments,
            callers,
        } => format!("{attachments} attached, {callers} inside a call"),
        EventKind::SessionRetargeted { from, to, sources } if sources.is_empty() => {
            format!("{from} → {to}")
        }
        EventKind::SessionRetargeted { from, to, sources } => {
            format!("{from} → {to}, from {}", sources.join(", "))
        }
        EventKind::ClientAttached {
            attachment,
            pid,
            command,
            client_version,
        } => format!("{command} ({pid}) as {attachment}, library {client_version}"),
        EventKind::ClientLeft {
            attachment,
            pid,
            command,
            cause,
        } => format!("{command} ({pid}), {attachment}: {cause}"),
        EventKind::DrainBlocked {
            after_s,
            blockers,
            more,
        } => format!("for {after_s} s: {}", names(blockers, *more)),
        EventKind::Reconciled { reconciled } => of_reconciled(reconciled),
        EventKind::Evicted { eviction } => of_eviction(eviction),
        EventKind::Quarantined {
            bytes: kept,
            blockers,
            more,
        } => format!("{} kept: {}", bytes(*kept), names(blockers, *more)),
        EventKind::Destroyed {
            operation,
            requester,
        } => format!("{operation}, by {requester}"),
        EventKind::CertificateCompleted { bytes: it } => bytes(*it) + " returned",
        EventKind::CertificatesFill { what, kept, limit } => format!("{what}: {kept} of {limit}"),
        EventKind::SessionProblem { problem } => of_problem(problem),
        EventKind::SessionProblemOver { problem } => problem.to_string(),
        EventKind::RecordingStarted {
            recording_name,
            format,
            requester,
            ..
        } => format!("{recording_name}, {format}, by {requester}"),
        EventKind::RecordingDegraded {
            recording_name,
            reason,
            ..
        } => format!("{recording_name}: {reason}"),
        EventKind::RecordingResumed { recording_name, .. } => recording_name.to_string(),
        EventKind::RecordingContinued {
            recording_name,
            cause,
            ..
        } => format!("{recording_name}, after {cause}"),
        EventKind::RecordingEnded {
            recording_name,
            state,
            end,
            reason,
            counts,
            ..
        } => because(format!("{recording_name}, {state} ({end})"), reason) + &packets(counts),
        EventKind::ProbeState { state, reason } => because(state, reason),
        EventKind::PollerDied { poller, message } => format!("{poller}: {message}"),
        EventKind::PollerStalled { poller, since } => format!("{poller}: no turn since {since}"),
        EventKind::PollerResumed { poller, stalled_ms } => {
            let lasted = human(Duration::from_millis(*stalled_ms));
            format!("{poller}, after {lasted}")
        }
        EventKind::PortBack { port } | EventKind::PortGone { port } => port.clone(),
        EventKind::PortLink { port, up } => format!("{port}: {}", if *up { "up" } else { "down" }),
        EventKind::ClockSet { by_ns } => {
            let by = human(Duration::from_nanos(by_ns.unsigned_abs()));
            format!("{} by {by}", if *by_ns < 0 { "back" } else { "forward" })
        }
        EventKind::PtpState { state, reason } => because(state, reason),
        EventKind::PtpGrandmaster {
            grandmaster,
            domain,
        } => format!("{grandmaster} in domain {domain}"),
        EventKind::ShutdownPhase { phase, cause } => because(phase, cause),
        EventKind::ShutdownProgress { sessions, users } => {
            format!("{users} users in {sessions} sessions")
        }
        EventKind::ConfigReloaded {
            outcome,
            error: error @ Some(_),
            ..
        } => because(outcome, error),
        EventKind::ConfigReloaded {
            outcome,
            applied,
            refused,
            ..
        } => {
            let (changed, unchanged) = (or_none(applied), or_none(refused));
            format!("{outcome}; changed: {changed}; unchanged: {unchanged}")
        }
        EventKind::Lost { count } => format!("{count} events are missing here"),
    }
}

fn of_reconciled(it: &Reconciled) -> String {
    format!(
        "{} ({}): {} frames, {} slots, {}",
        it.command, it.pid, it.frames, it.slots, it.cause
    )
}

fn of_problem(it: &SessionProblem) -> String {
    format!("{}: {}", it.problem, it.detail)
}

fn of_eviction(it: &Eviction) -> String {
    format!(
        "{} ({}), {}: {} inside, {} frames taken back, {} set aside",
        it.command,
        it.pid,
        it.attachment,
        it.callers_inside,
        it.frames_revoked,
        it.frames_set_aside
    )
}

fn packets(counts: &RecordingCounts) -> String {
    format!(
        "; {} packets written, {} dropped, {} lost",
        counts.written,
        counts.dropped_in_all(),
        counts.lost_in_all()
    )
}

/// With the reason, if there is one.
fn because(what: impl Display, reason: &Option<String>) -> String {
    match reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_string(),
    }
}

fn nth(number: u64) -> String {
    let ending = match (number % 10, number % 100) {
        (1, rest) if rest != 11 => "st",
        (2, rest) if rest != 12 => "nd",
        (3, rest) if rest != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn names(blockers: &[Blocker], more: u64) -> String {
    let mut names: Vec<String> = blockers.iter().map(ToString::to_string).collect();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    if names.is_empty() {
        names.push("no client is named".into());
    }
    names.join("; ")
}
fn or_none(keys: &[String]) -> String {
    if keys.is_empty() {
        return "nothing".to_owned();
    }
    printable(&keys.join(", "))
}
