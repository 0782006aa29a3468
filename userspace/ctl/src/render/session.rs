//! Sessions.

use std::time::Duration;

use comfy_table::{Cell, Color};
use onair_types::{
    AttachmentView, Direction, Flushed, SessionCounters, SessionList, SessionState, SessionView,
};

use super::{ago, bytes, cell, coloured, facts, heading, human, or_dash, print, table};

fn state(state: SessionState) -> Cell {
    coloured(
        state,
        match state {
            SessionState::Running => Color::Green,
            SessionState::Created | SessionState::Stopped => Color::Yellow,
            SessionState::Draining => Color::Cyan,
            SessionState::Destroyed => Color::DarkGrey,
            SessionState::Quarantined => Color::Red,
        },
    )
}

fn video(view: &SessionView) -> String {
    let video = &view.video;
    let rate = video
        .frame_rate
        .strip_suffix("/1")
        .unwrap_or(&video.frame_rate);
    format!(
        "{}x{} {rate} fps {} bit",
        video.width, video.height, video.depth
    )
}

fn flow(view: &SessionView) -> String {
    match &view.flow.source {
        Some(source) => format!("{source} → {}", view.flow.destination),
        None => format!("→ {}", view.flow.destination),
    }
}

/// Answer of `list`.
pub(crate) fn list(list: &SessionList) -> String {
    if list.sessions.is_empty() {
        return "No sessions. `onairctl session create --help` shows how to create one.\n"
            .to_owned();
    }
    let mut table = table(&[
        "NAME",
        "ID",
        "STATE",
        "DIRECTION",
        "PORT",
        "VIDEO",
        "FLOW",
        "ATTACHED",
        "FRAMES",
        "AGE",
    ]);
    for view in &list.sessions {
        let frames = match view.direction {
            Direction::Receive => view.counters.frames_complete,
            Direction::Send => view.counters.frames_sent,
        };
        table.add_row([
            cell(&view.name),
            cell(view.id),
            state(view.state),
            cell(view.direction),
            cell(&view.port),
            cell(video(view)),
            cell(flow(view)),
            cell(format!(
                "{}/{}",
                view.attachments.len(),
                view.max_attachments
            )),
            cell(frames),
            cell(human(view.created_at.age())),
        ]);
    }
    print(table)
}

/// Answer of `stop` and `start`.
pub(crate) fn turned(view: &SessionView) -> String {
    format!("{} ({}) is {}.\n", view.name, view.id, view.state)
}

/// Answer of `flush`.
pub(crate) fn flushed(flushed: &Flushed) -> String {
    let took = human(Duration::from_millis(flushed.waited_ms));
    let frames = match flushed.frames_sent {
        0 => "no frame was waiting".to_owned(),
        1 => format!("1 frame sent in {took}"),
        many => format!("{many} frames sent in {took}"),
    };
    format!("{} is flushed: {frames}.\n", flushed.session)
}

/// Answer of `show` and `create`.
pub(crate) fn one(view: &SessionView) -> String {
    let mut table = facts();
    let direction = match view.source {
        Some(source) => format!("{}, frames from {source}", view.direction),
        None => view.direction.to_string(),
    };
    table.add_row([cell("name"), cell(&view.name)]);
    table.add_row([cell("id"), cell(view.id)]);
    table.add_row([cell("state"), state(view.state)]);
    table.add_row([cell("direction"), cell(direction)]);
    table.add_row([cell("port"), cell(&view.port)]);
    table.add_row([cell("video"), cell(video(view))]);
    table.add_row([cell("flow"), cell(flow(view))]);
    table.add_row([cell("payload type"), cell(or_dash(view.flow.payload_type))]);
    table.add_row([
        cell("quota"),
        cell(format!("{} frames an attachment", view.quota)),
    ]);
    if view.persistent {
        table.add_row([cell("persistent"), cell("comes back at the next start")]);
    }
    table.add_row([cell("owner"), cell(or_dash(view.owner.as_ref()))]);
    table.add_row([cell("created"), cell(ago(Some(view.created_at)))]);
    if view.stopped_at.is_some() {
        table.add_row([cell("stopped"), cell(ago(view.stopped_at))]);
    }
    let mut text = print(table);
    text += &heading(&format!(
        "Attachments ({} of {}):",
        view.attachments.len(),
        view.max_attachments
    ));
    text += &attachments(&view.attachments);
    text += &heading("Counters:");
    text += &counters(&view.counters);
    text
}

fn attachments(list: &[AttachmentView]) -> String {
    if list.is_empty() {
        return "none\n".to_owned();
    }
    let mut table = table(&[
        "#", "PID", "COMMAND", "UID", "STATE", "LENT", "HELD", "INSIDE", "LIBRARY",
    ]);
    for one in list {
        table.add_row([
            cell(one.attachment),
            cell(one.pid),
            cell(&one.command),
            cell(one.uid),
            cell(one.state),
            cell(one.lent),
            cell(one.held),
            cell(one.threads_inside),
            cell(&one.client_version),
        ]);
    }
    print(table)
}

/// Nonzero counters; frames and packets always.
pub(crate) fn counters(counters: &SessionCounters) -> String {
    let mut table = facts();
    let always = [("packets", counters.packets)];
    let frames = [
        ("frames complete", counters.frames_complete),
        ("frames incomplete", counters.frames_incomplete),
        ("frames sent", counters.frames_sent),
        ("frames without a buffer", counters.frames_no_buffer),
        ("frames dropped, slow client", counters.frames_dropped_slow),
        ("underruns", counters.underruns),
        ("packets lost", counters.packets_lost),
        ("packets duplicate", counters.packets_duplicate),
        ("packets late", counters.packets_late),
        ("packets reordered", counters.packets_reordered),
    ];
    for (name, count) in always
        .into_iter()
        .chain(frames.into_iter().filter(|(_, n)| *n > 0))
    {
        table.add_row([cell(name), cell(count)]);
    }
    for (reason, count) in &counters.packets_malformed {
        table.add_row([cell(format!("packets malformed, {reason}")), cell(count)]);
    }
    table.add_row([cell("payload"), cell(bytes(counters.bytes))]);
    print(table)
}
