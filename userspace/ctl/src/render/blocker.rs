//! Users of a session.

use std::time::Duration;

use comfy_table::Color;
use onair_types::{Blocker, BlockerKind, BlockerList};

use super::{cell, coloured, human, or_dash, print, table};

/// Answer of `blockers`.
pub(crate) fn list(list: &BlockerList) -> String {
    if list.blockers.is_empty() {
        return format!("{} ({}) has no user.\n", list.name, list.session);
    }
    rows(&list.blockers)
}

/// Text of a progress line.
pub(crate) fn line(list: &BlockerList) -> String {
    let Some(first) = list.blockers.first() else {
        return format!("waiting for {}: it has no user", list.name);
    };
    let thread = first.tid.unwrap_or(first.pid);
    let who = format!("{} {}/{thread} ({})", first.command, first.pid, first.kind);
    let who = super::printable(&who);
    match list.blockers.len() {
        1 => format!("waiting for {who}"),
        n => format!("waiting for {who} and {} more", n - 1),
    }
}

/// A table of blockers.
pub(crate) fn rows(blockers: &[Blocker]) -> String {
    let mut table = table(&[
        "PID", "TID", "COMMAND", "THREAD", "KIND", "IN", "FOR", "FRAMES", "SEEN BY", "NOTE",
    ]);
    for blocker in blockers {
        let colour = match blocker.kind {
            BlockerKind::Blocked | BlockerKind::Holding => Color::Yellow,
            BlockerKind::Inside | BlockerKind::Mapping => Color::Cyan,
            BlockerKind::Unattributed | BlockerKind::Exited => Color::Red,
        };
        let frames: Vec<_> = blocker
            .held_frames
            .iter()
            .map(|held| {
                format!(
                    "{} ({})",
                    held.frame,
                    human(Duration::from_millis(held.age_ms))
                )
            })
            .collect();
        let seen: Vec<_> = blocker.seen_by.iter().map(ToString::to_string).collect();
        table.add_row([
            cell(blocker.pid),
            cell(or_dash(blocker.tid)),
            cell(&blocker.command),
            cell(&blocker.thread),
            coloured(blocker.kind, colour),
            cell(or_dash(blocker.waits_in)),
            cell(or_dash(
                blocker
                    .blocked_for_ms
                    .map(|ms| human(Duration::from_millis(ms))),
            )),
            cell(if frames.is_empty() {
                "-".to_owned()
            } else {
                frames.join(", ")
            }),
            cell(seen.join(" ")),
            cell(note(blocker)),
        ]);
    }
    print(table)
}

/// The note, and the kernel's state of a thread that is inside a call or stopped.
fn note(blocker: &Blocker) -> String {
    let state = blocker.kernel_state.as_deref().filter(|state| {
        blocker.kind == BlockerKind::Inside || matches!(*state, "stopped" | "tracing stop")
    });
    let kernel = state.map(|state| match &blocker.wait_channel {
        Some(channel) => format!("kernel: {state}, in {channel}"),
        None => format!("kernel: {state}"),
    });
    let all: Vec<String> = blocker.note.clone().into_iter().chain(kernel).collect();
    all.join("; ")
}
