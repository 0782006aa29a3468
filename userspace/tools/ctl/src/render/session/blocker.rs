//! Users of a session.

use std::time::Duration;

use comfy_table::Color;
use onair_api::{Blocker, BlockerKind, BlockerList};

use crate::render::{cell, coloured, columns, human, or_dash};

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
    let who = crate::render::printable(&who);
    match list.blockers.len() {
        1 => format!("waiting for {who}"),
        n => format!("waiting for {who} and {} more", n - 1),
    }
}

/// A table of blockers.
pub(crate) fn rows(blockers: &[Blocker]) -> String {
    columns(
        blockers,
        &[
            ("PID", |blocker| cell(blocker.pid)),
            ("TID", |blocker| cell(or_dash(blocker.tid))),
            ("COMMAND", |blocker| cell(&blocker.command)),
            ("THREAD", |blocker| cell(&blocker.thread)),
            ("KIND", |blocker| {
                coloured(
                    blocker.kind,
                    match blocker.kind {
                        BlockerKind::Blocked | BlockerKind::Holding => Color::Yellow,
                        BlockerKind::Inside | BlockerKind::Mapping => Color::Cyan,
                        BlockerKind::Unattributed | BlockerKind::Exited => Color::Red,
                    },
                )
            }),
            ("IN", |blocker| cell(or_dash(blocker.waits_in))),
            ("FOR", |blocker| {
                cell(or_dash(blocker.blocked_for_ms.map(ms)))
            }),
            ("FRAMES", |blocker| cell(frames(blocker))),
            ("SEEN BY", |blocker| {
                let seen: Vec<_> = blocker.seen_by.iter().map(ToString::to_string).collect();
                cell(seen.join(" "))
            }),
            ("NOTE", |blocker| cell(note(blocker))),
        ],
    )
}

fn ms(ms: u64) -> String {
    human(Duration::from_millis(ms))
}

fn frames(blocker: &Blocker) -> String {
    if blocker.held_frames.is_empty() {
        return "-".to_owned();
    }
    let held = blocker.held_frames.iter();
    let held: Vec<_> = held
        .map(|it| format!("{} ({})", it.frame, ms(it.age_ms)))
        .collect();
    held.join(", ")
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
