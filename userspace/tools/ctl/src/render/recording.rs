//! Recordings.

use std::collections::BTreeMap;

use comfy_table::{Cell, Color};
use onair_api::{RecordingList, RecordingState, RecordingView};

use super::{Facts, bytes, cell, coloured, columns, heading, human, or_dash, printable};

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
    columns(
        &list.recordings,
        &[
            ("NAME", |view| cell(&view.name)),
            ("ID", |view| cell(view.id)),
            ("SESSION", |view| cell(&view.session_name)),
            ("FORMAT", |view| cell(view.format)),
            ("STATE", |view| state(view.state)),
            ("FOR", |view| cell(took(view))),
            ("FILES", |view| cell(view.files.len())),
            ("SIZE", |view| cell(bytes(size(view)))),
            ("PACKETS", |view| cell(view.counts.written)),
            ("DROPPED", |view| cell(view.counts.dropped_in_all())),
            ("LOST", |view| cell(view.counts.lost_in_all())),
            ("NOTE", |view| {
                let end = view.end.map(|it| it.to_string());
                cell(view.reason.clone().or(end).unwrap_or_default())
            }),
        ],
    )
}

/// One recording.
pub(crate) fn one(view: &RecordingView) -> String {
    let mut about = Facts::default();
    about.add("recording", format!("{} ({})", view.name, view.id));
    about.add_cell("state", state(view.state));
    if let Some(reason) = &view.reason {
        about.add("reason", reason);
    }
    about.add(
        "session",
        format!("{} ({})", view.session_name, view.session),
    );
    about.add("format", view.format);
    if let Some(owner) = &view.owner {
        about.add("started by", owner);
    }
    about.add("started", view.started_at);
    let end = view.end.map(|it| format!(", {it}")).unwrap_or_default();
    about.add("ended", format!("{}{end}", or_dash(view.ended_at)));
    about.add("folder", &view.folder);
    let mut text = about.print();
    if !view.files.is_empty() {
        text += "\n";
        text += &columns(
            &view.files,
            &[
                ("FILE", |file| cell(&file.name)),
                ("SIZE", |file| cell(bytes(file.bytes))),
                ("PACKETS", |file| cell(file.events)),
                ("SHA-256", |file| cell(or_dash(file.sha256.as_ref()))),
            ],
        );
    }
    text += &heading("Counts:");
    text += &counts(view);
    if let Some(missing) = missing(view) {
        text += &format!("{missing}\n");
    }
    if !view.restarts.is_empty() {
        text += &heading("Restarts of the daemon:");
        text += &columns(
            &view.restarts,
            &[
                ("LAST PACKET", |it| cell(or_dash(it.after))),
                ("FIRST PACKET", |it| cell(or_dash(it.before))),
                ("MISSED", |it| cell(or_dash(it.missed))),
                ("CAUSE", |it| cell(it.cause)),
            ],
        );
    }
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
    let producers = view.producers.iter().map(|it| (&*it.name, &it.counts));
    let rows: Vec<_> = producers.chain([("all", &view.counts)]).collect();
    let mut text = columns(
        &rows,
        &[
            ("BY", |(name, _)| cell(name)),
            ("ARRIVED", |(_, counts)| cell(counts.arrived)),
            ("ACCEPTED", |(_, counts)| cell(counts.accepted)),
            ("DROPPED", |(_, counts)| {
                cell(with_reasons(counts.dropped_in_all(), &counts.dropped))
            }),
            ("WRITTEN", |(_, counts)| cell(counts.written)),
            ("LOST", |(_, counts)| {
                cell(with_reasons(counts.lost_in_all(), &counts.lost))
            }),
            ("PENDING", |(_, counts)| cell(counts.pending)),
        ],
    );
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

/// How many packets are missing, their share, and why; `None` if none are.
pub(crate) fn missing(view: &RecordingView) -> Option<String> {
    let counts = &view.counts;
    if counts.missing == 0 {
        return None;
    }
    let percent = counts.missing_percent();
    let share = if percent < 0.1 {
        "less than 0.1 %".to_owned()
    } else {
        format!("{percent:.1} %")
    };
    let text = format!(
        "{} of {} packets ({share}) are missing in recording {}: dropped {}, lost {}",
        counts.missing,
        counts.arrived,
        view.name,
        with_reasons(counts.dropped_in_all(), &counts.dropped),
        with_reasons(counts.lost_in_all(), &counts.lost),
    );
    Some(printable(&text))
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
