//! Certificates, and the checks of one.

pub(crate) mod verification;

use std::time::Duration;

use comfy_table::{Cell, Color};
use onair_api::{Certificate, CertificateList, Memory, Operation, Probe, ProbeState, StepName};

use super::session::{self, eviction};
use super::{Facts, ago, bytes, cell, coloured, columns, heading, human, or_dash, verdict};

/// Answer of `certificate list`.
pub(crate) fn list(list: &CertificateList, is_search: bool) -> String {
    if list.certificates.is_empty() && is_search {
        return "No certificate matches.\n".to_owned();
    }
    if list.certificates.is_empty() {
        return "No certificates: no session was destroyed yet.\n".to_owned();
    }
    columns(
        &list.certificates,
        &[
            ("SESSION", |one| cell(one.session)),
            ("NAME", |one| cell(&one.name)),
            ("ISSUED", |one| cell(ago(Some(one.issued_at)))),
            ("OPERATION", |one| cell(one.operation)),
            ("ASKED BY", |one| cell(&one.requester)),
            ("MEMORY", |one| memory(&one.memory)),
            ("RECONCILED", |one| cell(one.reconciled)),
            ("DISAGREEMENTS", |one| cell(one.disagreements)),
        ],
    )
}

/// A warning if the certificate is not on disk; otherwise `None`.
pub(crate) fn warning(proof: &Certificate) -> Option<String> {
    let (name, session) = (&proof.name, proof.session);
    (!proof.durable).then(|| {
        format!(
            "warning: the certificate of {name} ({session}) is not on disk yet: the daemon tries \
             again, and `onairctl health` reports a failure. Keep this copy."
        )
    })
}

/// Answer of `certificate`, `certificate show` and `destroy`.
pub(crate) fn render(proof: &Certificate) -> String {
    let mut text = title(proof) + &about(proof);
    text += &heading(match proof.operation {
        Operation::Quarantine => "Witnesses at the quarantine:",
        _ => "Witnesses at the verdict:",
    });
    text += &verdict::rows(&proof.readings);
    text += &heading("Steps:");
    text += &steps(proof);
    text += &heading("Reconciled:");
    text += &reconciled(proof);
    if !proof.evicted.is_empty() {
        text += &heading("Evicted:");
        text += &eviction::rows(&proof.evicted);
    }
    for one in &proof.disagreements {
        text += &heading(&format!(
            "Disagreement at {}, resolved {}:",
            one.at,
            or_dash(one.resolved_at)
        ));
        text += &super::printable(&one.note);
        text.push('\n');
        text += &verdict::rows(&one.readings);
    }
    text += &heading("Counts:");
    text += &counts_rows(proof);
    text += &heading("Traffic:");
    text += &session::counters(&proof.frames);
    text
}

fn title(proof: &Certificate) -> String {
    let head = match proof.operation {
        Operation::Destroy | Operation::DestroyWait | Operation::Shutdown => {
            "was off air when it was destroyed"
        }
        Operation::Abort => "was aborted: all clients were evicted, and the session was destroyed",
        Operation::Quarantine => "was set aside with its users",
    };
    format!(
        "{} {} ({}) {head}.\n\n",
        console::style("Certificate:").green().bold(),
        proof.name,
        proof.session
    )
}

/// The requester, the operation and its conditions.
fn about(proof: &Certificate) -> String {
    let operation = match proof.deadline_ms {
        Some(ms) => format!(
            "{}, at most {}",
            proof.operation,
            human(Duration::from_millis(ms))
        ),
        None => proof.operation.to_string(),
    };
    let versions = &proof.versions;
    let mut about = Facts::default();
    about.add("issued", proof.issued_at);
    about.add("operation", operation);
    about.add("asked by", &proof.requester);
    about.add("owner", &proof.owner);
    about.add("generation", proof.generation);
    if let Some(before) = &proof.stopped_before {
        about.add(
            "stopped before",
            format!(
                "at {}, by an earlier daemon, as session {}",
                before.at, before.session
            ),
        );
    }
    about.add_cell("probe", probe(&proof.probe));
    for file in &proof.probe.files {
        about.add("watched", format!("{} (inode {})", file.path, file.inode));
    }
    about.add_cell("memory", memory(&proof.memory));
    about.add(
        "ran",
        format!(
            "onaird {}, DPDK {}, Linux {}, boot {}",
            versions.onaird, versions.dpdk, versions.kernel, proof.boot_id
        ),
    );
    about.add("digest", proof.digest.as_deref().unwrap_or("no digest"));
    about.print()
}

fn probe(probe: &Probe) -> Cell {
    let text = match &probe.reason {
        Some(reason) => format!("{}, {}: {reason}", probe.mode, probe.state),
        None => format!("{}, {}", probe.mode, probe.state),
    };
    coloured(
        text,
        match probe.state {
            ProbeState::Watching => Color::Green,
            ProbeState::Blind | ProbeState::Off => Color::Red,
        },
    )
}

fn memory(memory: &Memory) -> Cell {
    match memory {
        Memory::Returned { bytes: count, .. } => {
            coloured(format!("returned, {}", bytes(*count)), Color::Green)
        }
        Memory::Pending {
            bytes: count,
            held_by,
        } => {
            let holders: Vec<_> = held_by.iter().map(ToString::to_string).collect();
            let holders = if holders.is_empty() {
                "an unknown process".to_owned()
            } else {
                holders.join(", ")
            };
            coloured(
                format!("pending, {} held by {holders}", bytes(*count)),
                Color::Yellow,
            )
        }
        Memory::Unverified { reason, .. } => {
            coloured(format!("unverified: {reason}"), Color::Yellow)
        }
    }
}

fn steps(proof: &Certificate) -> String {
    columns(
        &proof.steps,
        &[
            ("STEP", |step| cell(step.step)),
            (after(proof), |step| {
                cell(human(Duration::from_micros(step.since_stop_us)))
            }),
            ("AT", |step| cell(step.at)),
        ],
    )
}

/// The step at which the count of time starts.
fn after(proof: &Certificate) -> &'static str {
    match proof.steps.first().map(|step| step.step) {
        Some(StepName::Restored) => "AFTER RESTORE",
        _ => "AFTER STOP",
    }
}

fn reconciled(proof: &Certificate) -> String {
    if proof.reconciled.is_empty() {
        return "nothing: every client left on its own\n".to_owned();
    }
    columns(
        &proof.reconciled,
        &[
            ("PID", |one| cell(one.pid)),
            ("TID", |one| cell(or_dash(one.tid))),
            ("COMMAND", |one| cell(&one.command)),
            ("LEFT BEHIND", |one| cell(one.what)),
            ("FRAMES", |one| cell(one.frames)),
            ("SLOTS", |one| cell(one.slots)),
            ("CAUSE", |one| cell(one.cause)),
            ("AT", |one| cell(one.at)),
        ],
    )
}

fn counts_rows(proof: &Certificate) -> String {
    let counts = &proof.counts;
    let mut more = match counts.frames_revoked {
        0 => String::new(),
        revoked => format!(" + {revoked} revoked"),
    };
    let settled = [
        counts.frames_returned,
        counts.frames_reclaimed,
        counts.frames_reconciled,
        counts.frames_revoked,
    ];
    let settled = settled.into_iter().fold(0, u64::saturating_add);
    if settled < counts.frames_lent {
        more += &format!(" + {} still out", counts.frames_lent - settled);
    }
    let mut table = Facts::default();
    table.add(
        "attachments",
        format!(
            "{}, {} at the stop",
            counts.attachments, counts.attachments_at_stop
        ),
    );
    table.add("blocked at the stop", counts.blocked_at_stop);
    table.add(
        "frames lent",
        format!(
            "{} = {} returned + {} reclaimed + {} reconciled{more}",
            counts.frames_lent,
            counts.frames_returned,
            counts.frames_reclaimed,
            counts.frames_reconciled
        ),
    );
    table.print()
}
