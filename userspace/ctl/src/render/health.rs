//! The daemon's health.

use std::time::Duration;

use comfy_table::{Cell, Color};
use onair_types::{Dataplane, Health, HealthStatus, Probe, ProbeState, ShareUse};

use super::{ago, cell, coloured, facts, heading, human, port, print, printable, table};

/// Answer of `health`.
pub(crate) fn render(health: &Health) -> String {
    let tally = &health.sessions;
    let mut about = facts();
    about.add_row([cell("status"), status(health)]);
    about.add_row([
        cell("daemon"),
        cell(format!(
            "onaird {}, pid {}, up {}",
            health.version,
            health.pid,
            human(Duration::from_millis(health.uptime_ms))
        )),
    ]);
    about.add_row([cell("probe"), probe(&health.probe)]);
    about.add_row([
        cell("sessions"),
        cell(format!(
            "{} created, {} running, {} stopped, {} draining, {} quarantined, {} destroyed",
            tally.created,
            tally.running,
            tally.stopped,
            tally.draining,
            tally.quarantined,
            tally.destroyed
        )),
    ]);
    let pages = if health.dataplane.hugepages {
        "with"
    } else {
        "without"
    };
    about.add_row([
        cell("data plane"),
        cell(format!(
            "{}, DPDK {}, {pages} hugepages",
            health.dataplane.backend, health.dataplane.dpdk
        )),
    ]);
    let mut text = print(about);
    if !health.problems.is_empty() {
        text += &heading("Problems:");
        for problem in &health.problems {
            text += &format!("  {}\n", printable(problem));
        }
    }
    text += &plane(&health.dataplane);
    text += &shares(&health.shares);
    text
}

/// Limits that users share.
fn shares(shares: &[ShareUse]) -> String {
    if shares.is_empty() {
        return String::new();
    }
    let mut limits = table(&[
        "LIMIT",
        "USED",
        "OF",
        "RESERVED",
        "ONE USER",
        "ONE PROCESS",
        "MOST",
        "REFUSED",
    ]);
    for share in shares {
        let most = share.greatest_uid.map_or("-".to_owned(), |uid| {
            format!("{} by uid {uid}", share.greatest)
        });
        limits.add_row([
            cell(&share.key),
            cell(share.used),
            cell(share.limit),
            cell(share.reserved),
            cell(share.per_uid),
            cell(share.per_process),
            cell(most),
            cell(share.refused),
        ]);
    }
    format!("\n{}", print(limits))
}

fn status(health: &Health) -> Cell {
    let ready = if health.ready { "ready" } else { "not ready" };
    coloured(
        format!("{}, {ready}", health.status),
        match health.status {
            HealthStatus::Ok => Color::Green,
            HealthStatus::Degraded => Color::Yellow,
            HealthStatus::ProbeBlind => Color::Red,
        },
    )
}

fn probe(probe: &Probe) -> Cell {
    let seen = match &probe.reason {
        Some(reason) => reason.clone(),
        None => format!(
            "canary {}, {} files",
            ago(probe.canary_at),
            probe.files.len()
        ),
    };
    coloured(
        format!("{}, {}: {seen}", probe.mode, probe.state),
        match probe.state {
            ProbeState::Watching => Color::Green,
            ProbeState::Blind => Color::Red,
            ProbeState::Off => Color::Yellow,
        },
    )
}

fn plane(plane: &Dataplane) -> String {
    let mut text = String::new();
    if !plane.ports.is_empty() {
        text += "\n";
        text += &port::traffic(&plane.ports);
    }
    if !plane.pollers.is_empty() {
        let mut pollers = table(&["POLLER", "CORE", "IDLE", "SESSIONS", "ALIVE"]);
        for poller in &plane.pollers {
            let alive = if poller.alive {
                coloured("yes", Color::Green)
            } else {
                coloured("no", Color::Red)
            };
            pollers.add_row([
                cell(&poller.name),
                cell(poller.core),
                cell(&poller.idle),
                cell(poller.sessions),
                alive,
            ]);
        }
        text += "\n";
        text += &print(pollers);
    }
    text
}
