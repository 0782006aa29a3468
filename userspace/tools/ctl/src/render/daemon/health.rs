//! The daemon's health.

use std::time::Duration;

use comfy_table::{Cell, Color};
use onair_api::{
    ClockHealth, Dataplane, Health, HealthStatus, Probe, ProbeState, PtpHealth, PtpState, ShareUse,
};

use crate::render::{Facts, ago, cell, coloured, columns, heading, human, or_dash, printable};

use super::{poller, port};

/// Answer of `health`.
pub(crate) fn render(health: &Health) -> String {
    let tally = &health.sessions;
    let mut about = Facts::default();
    about.add_cell("status", status(health));
    about.add(
        "daemon",
        format!(
            "onaird {}, pid {}, up {}",
            health.version,
            health.pid,
            human(Duration::from_millis(health.uptime_ms))
        ),
    );
    about.add_cell("probe", probe(&health.probe));
    about.add(
        "sessions",
        format!(
            "{} created, {} running, {} stopped, {} draining, {} quarantined, {} destroyed",
            tally.created,
            tally.running,
            tally.stopped,
            tally.draining,
            tally.quarantined,
            tally.destroyed
        ),
    );
    let pages = if health.dataplane.hugepages {
        "with"
    } else {
        "without"
    };
    about.add(
        "data plane",
        format!(
            "{}, DPDK {}, {pages} hugepages",
            health.dataplane.backend, health.dataplane.dpdk
        ),
    );
    about.add("clock", clock(&health.clock));
    about.add_cell("PTP", ptp_cell(&health.clock.ptp));
    let mut text = about.print();
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

/// The clock of send sessions.
pub(in crate::render) fn clock(clock: &ClockHealth) -> String {
    let reference = match clock.tai_minus_utc_s {
        0 => "UTC: the kernel was not told TAI's offset".to_owned(),
        seconds => format!("TAI, {seconds} s ahead of UTC"),
    };
    format!("{reference}; set {} times", clock.times_set)
}

/// Limits that users share.
fn shares(shares: &[ShareUse]) -> String {
    if shares.is_empty() {
        return String::new();
    }
    let limits = columns(
        shares,
        &[
            ("LIMIT", |share| cell(&share.key)),
            ("USED", |share| cell(share.used)),
            ("OF", |share| cell(share.limit)),
            ("RESERVED", |share| cell(share.reserved)),
            ("ONE USER", |share| cell(share.per_uid)),
            ("ONE PROCESS", |share| cell(share.per_process)),
            ("MOST", |share| {
                let most = share
                    .greatest_uid
                    .map(|uid| format!("{} by uid {uid}", share.greatest));
                cell(or_dash(most))
            }),
            ("REFUSED", |share| cell(share.refused)),
        ],
    );
    format!("\n{limits}")
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

/// As [`self::ptp`], coloured.
fn ptp_cell(ptp: &PtpHealth) -> Cell {
    let colour = match ptp.state {
        PtpState::Locked => Color::Green,
        PtpState::Off | PtpState::Absent => Color::Reset,
        PtpState::Unlocked | PtpState::Lost => Color::Yellow,
    };
    coloured(self::ptp(ptp), colour)
}

/// State, grandmaster, port, offset. Why it is not locked is among the problems.
pub(in crate::render) fn ptp(ptp: &PtpHealth) -> String {
    let mut parts = vec![ptp.state.to_string()];
    if let Some(it) = &ptp.grandmaster {
        let own = if it.is_this_machine {
            ", this machine"
        } else {
            ""
        };
        let (id, domain, class) = (&it.identity, it.domain, it.clock_class);
        parts.push(format!(
            "grandmaster {id} in domain {domain} (class {class}{own})"
        ));
    }
    if let Some(port) = &ptp.port {
        let interface = port.interface.as_deref().map(|it| format!(" ({it})"));
        let stamps = port.timestamping.map(|it| format!(", {it} timestamps"));
        parts.push(format!(
            "port {}{} {}{}",
            port.number,
            interface.unwrap_or_default(),
            port.state,
            stamps.unwrap_or_default()
        ));
    }
    parts.extend(ptp.offset_ns.map(|ns| format!("offset {ns} ns")));
    if let Some(clock) = &ptp.hardware_clock {
        let ahead = clock
            .tai_ahead_ns
            .map_or_else(|| "?".into(), |ns| ns.to_string());
        parts.push(format!("CLOCK_TAI {ahead} ns ahead of {}", clock.device));
    }
    parts.join("; ")
}

fn plane(plane: &Dataplane) -> String {
    let mut text = String::new();
    if !plane.ports.is_empty() {
        text += "\n";
        text += &port::traffic(&plane.ports);
    }
    if !plane.pollers.is_empty() {
        text += "\n";
        text += &poller::pollers(&plane.pollers);
    }
    text
}
