//! Recordings.

use std::collections::BTreeMap;

use comfy_table::{Cell, Color};
use onair_types::{RecordingCounts, RecordingList, RecordingState, RecordingView};

use super::{bytes, cell, coloured, facts, heading, human, or_dash, print, printable, table};

fn state(state: RecordingState) -> Cell {
    coloured(
        state,
        match state {
            RecordingState::Recording => Color::Green,
            RecordingState::Starting | RecordingState::Finishing => Color::Cyan,
            RecordingState::Degraded | RecordingState::Repaired => Color::Yellow,
            RecordingState::Finished => Color::DarkGrey,
            RecordingState::Failed => Color::Red,
        },
    )
}

fn size(view: &RecordingView) -> u64 {
    view.files.iter().map(|it| it.bytes).sum()
}

fn took(view: &RecordingView) -> String {
    match view.ended_at {
        Some(ended) => {
            let took = ended.0.duration_since(view.started_at.0);
            human(took.unwrap_or_default())
        }
        None => human(view.started_at.age()),
    }
}

/// Answer of `list`.
pub(crate) fn list(list: &RecordingList) -> String {
    if list.recordings.is_empty() {
        return "No recordings. `onairctl record start --help` shows how to begin one.\n"
            .to_owned();
    }
    let mut table = table(&[
        "NAME", "ID", "SESSION", "FORMAT", "STATE", "FOR", "FILES", "SIZE", "PACKETS", "DROPPED",
        "LOST", "NOTE",
    ]);
    for view in &list.recordings {
        let counts = &view.counts;
        let end = view.end.map(|it| it.to_string());
        table.add_row([
            cell(&view.name),
            cell(view.id),
            cell(&view.session_name),
            cell(view.format),
            state(view.state),
            cell(took(view)),
            cell(view.files.len()),
            cell(bytes(size(view))),
            cell(counts.written),
            cell(counts.dropped_in_all()),
            cell(counts.lost_in_all()),
            cell(view.reason.clone().or(end).unwrap_or_default()),
        ]);
    }
    print(table)
}

/// One recording.
pub(crate) fn one(view: &RecordingView) -> String {
    let mut about = facts();
    about.add_row([
        cell("recording"),
        cell(format!("{} ({})", view.name, view.id)),
    ]);
    about.add_row([cell("state"), state(view.state)]);
    if let Some(reason) = &view.reason {
        about.add_row([cell("reason"), cell(reason)]);
    }
    about.add_row([
        cell("session"),
        cell(format!("{} ({})", view.session_name, view.session)),
    ]);
    about.add_row([cell("format"), cell(view.format)]);
    if let Some(owner) = &view.owner {
        about.add_row([cell("started by"), cell(owner)]);
    }
    about.add_row([cell("started"), cell(view.started_at)]);
    let end = view.end.map(|it| format!(", {it}")).unwrap_or_default();
    about.add_row([
        cell("ended"),
        cell(format!("{}{end}", or_dash(view.ended_at))),
    ]);
    about.add_row([cell("folder"), cell(&view.folder)]);
    let mut text = print(about);
    if !view.files.is_empty() {
        let mut files = table(&["FILE", "SIZE", "PACKETS", "SHA-256"]);
        for file in &view.files {
            files.add_row([
                cell(&file.name),
                cell(bytes(file.bytes)),
                cell(file.events),
                cell(or_dash(file.sha256.as_ref())),
            ]);
        }
        text += "\n";
        text += &print(files);
    }
    text += &heading("Counts:");
    text += &counts(view);
    if let Some(repair) = &view.repair {
        text += &heading("Repaired:");
        text += &format!("{}\n", printable(&repair.says));
    }
    if !view.problems.is_empty() {
        text += &heading("Problems:");
        for problem in &view.problems {
            text += &format!("  {}\n", printable(problem));
        }
    }
    text
}

fn counts(view: &RecordingView) -> String {
    let mut rows = table(&[
        "BY", "ARRIVED", "ACCEPTED", "DROPPED", "WRITTEN", "LOST", "PENDING",
    ]);
    let mut row = |name: &str, counts: &RecordingCounts| {
        rows.add_row([
            cell(name),
            cell(counts.arrived),
            cell(counts.accepted),
            cell(with_reasons(counts.dropped_in_all(), &counts.dropped)),
            cell(counts.written),
            cell(with_reasons(counts.lost_in_all(), &counts.lost)),
            cell(counts.pending),
        ]);
    };
    for producer in &view.producers {
        row(&producer.name, &producer.counts);
    }
    row("all", &view.counts);
    let mut text = print(rows);
    if let Some(frames) = &view.frames {
        text += &format!(
            "{} whole frames written, {} incomplete frames left out\n",
            frames.written, frames.incomplete
        );
    }
    if view.gaps > 0 {
        text += &format!("{} gaps: the manifest lists their positions\n", view.gaps);
    }
    text
}

fn with_reasons(total: u64, reasons: &BTreeMap<String, u64>) -> String {
    if reasons.is_empty() {
        return total.to_string();
    }
    let reasons: Vec<_> = reasons
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    format!("{total} ({})", reasons.join(", "))
}

/// The state and counts of a recording, on one line.
pub(crate) fn line(view: &RecordingView) -> String {
    let counts = &view.counts;
    let reason = view.reason.as_ref().map(|it| format!(": {it}"));
    let text = format!(
        "{} {}{}: {} packets, {}, {} dropped",
        view.name,
        view.state,
        reason.unwrap_or_default(),
        counts.accepted,
        bytes(size(view)),
        counts.dropped_in_all()
    );
    printable(&text)
}
