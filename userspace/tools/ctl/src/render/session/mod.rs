//! Sessions, and what belongs to one.

pub(crate) mod blocker;
pub(crate) mod eviction;
mod legs;
pub(super) mod signal;

use std::time::Duration;

use comfy_table::{Cell, Color};
use onair_api::{
    AttachmentView, Direction, Flushed, GroupMembership, JoinedBy, ListedSession, SessionCounters,
    SessionList, SessionState, SessionView,
};

use onair_essence::rows::Rows as _;

use super::{Facts, ago, bytes, cell, coloured, columns, heading, human, or_dash};

pub(super) fn state(state: SessionState) -> Cell {
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

fn flow(view: &SessionView) -> String {
    let sources = view
        .flow
        .source
        .iter()
        .chain(view.flow.sources.iter().flatten());
    let sources = sources.map(String::as_str).collect::<Vec<_>>().join(", ");
    format!("{sources} → {}", view.flow.destination)
        .trim_start()
        .to_owned()
}

fn listed_flow(listed: &ListedSession) -> String {
    match &listed.convert {
        Some(convert) => format!("{} as {}", convert.from, convert.layout),
        None if listed.direction == Direction::Local => "between clients".to_owned(),
        None => format!("→ {}", listed.destination),
    }
}

/// The lines about a multicast group.
fn membership(table: &mut Facts, group: &GroupMembership) {
    let sources = match &group.sources[..] {
        [] => "any source".to_owned(),
        sources => sources.join(", "),
    };
    let protocol = if group.group.contains(':') {
        "MLD"
    } else {
        "IGMP"
    };
    let state = match (group.joined, group.joined_by) {
        (false, _) => "not joined".to_owned(),
        (true, JoinedBy::Kernel) => "joined by the kernel".to_owned(),
        (true, JoinedBy::Igmp) => {
            let version = group.igmp_version.map(|it| format!("v{it}"));
            let version = version.unwrap_or_default();
            format!("joined by the port ({protocol}{version})")
        }
    };
    let others = match group.sessions {
        0 | 1 => String::new(),
        count => format!(", shared by {count} sessions"),
    };
    table.add(
        "group",
        format!("{} from {sources}: {state}{others}", group.group),
    );
    let querier = group.querier.as_ref().map(|querier| {
        let age = human(Duration::from_millis(querier.age_ms));
        format!(
            "{}, asked {age} ago with {protocol}v{}{}",
            querier.address,
            querier.version,
            if querier.is_gone { ": it is gone" } else { "" }
        )
    });
    let none = "none has asked: without one, switches may stop forwarding the group";
    table.add("querier", querier.as_deref().unwrap_or(none));
}

/// Answer of `list`.
pub(crate) fn list(list: &SessionList) -> String {
    if list.sessions.is_empty() {
        return "No sessions. `onairctl session create --help` shows how to create one.\n"
            .to_owned();
    }
    columns(
        &list.sessions,
        &[
            ("NAME", |view| cell(&view.name)),
            ("ID", |view| cell(view.id)),
            ("STATE", |view| state(view.state)),
            ("SIGNAL", |view| signal::lamp(view)),
            ("FPS", |view| cell(or_dash(signal::rates(view)))),
            ("LOSS", |view| cell(or_dash(signal::loss(view)))),
            ("DIRECTION", |view| cell(view.direction)),
            ("PORT", |view| {
                let is_shown = view.convert.is_none() && view.direction != Direction::Local;
                let port = Some(&view.port).filter(|_| is_shown);
                cell(or_dash(port))
            }),
            ("FORMAT", |view| cell(view.format())),
            ("FLOW", |view| cell(listed_flow(view))),
            ("ATTACHED", |view| {
                cell(format!("{}/{}", view.attachments, view.max_attachments))
            }),
            ("AGE", |view| cell(human(view.created_at.age()))),
            ("PROBLEM", problem),
        ],
    )
}

/// The first problem.
pub(super) fn problem(view: &ListedSession) -> Cell {
    cell(or_dash(view.problems.first())).fg(Color::Red)
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
    let mut table = Facts::default();
    let direction = match view.source {
        Some(source) => format!("{}, frames from {source}", view.direction),
        None => view.direction.to_string(),
    };
    signal::facts(&mut table, view);
    table.add("name", &view.name);
    table.add("id", view.id);
    if let Some(group) = &view.member_of {
        table.add("member of", format!("group {group}"));
    }
    table.add_cell("state", state(view.state));
    table.add("direction", direction);
    if let Some(convert) = &view.convert {
        let (from, layout) = (&convert.from, &convert.layout);
        table.add("converts", format!("{from} to {layout}"));
        table.add("converter", &view.poller);
        table.add(view.format.kind().name(), &view.format);
    } else if view.direction == Direction::Local {
        let filler = view.attachments.iter().find(|it| it.fills);
        let filler = filler.map(|it| format!("{} ({})", it.command, it.pid));
        table.add("filled by", or_dash(filler));
        table.add("poller", &view.poller);
        table.add(view.format.kind().name(), &view.format);
    } else {
        table.add("port", &view.port);
        table.add("poller", &view.poller);
        table.add(view.format.kind().name(), &view.format);
        table.add("flow", flow(view));
        if let Some(next) = &view.next {
            let at = next
                .at_tai_ns
                .map(|it| Duration::from_nanos(it).as_secs_f64());
            let at = at.map_or_else(String::new, |it| format!(" at {it:.3} of TAI"));
            table.add("changes to", format!("{}{at}", next.destination));
        }
        table.add("payload type", or_dash(view.flow.payload_type));
        if let Some(ticks) = view.flow.media_clock_offset.filter(|it| *it > 0) {
            table.add("media clock", format!("TAI + {ticks} ticks"));
        }
        if let Some(clock) = &view.flow.reference_clock {
            table.add("reference clock", clock);
        }
    }
    if let (Some(ttl), Some(dscp)) = (view.flow.ttl, view.flow.dscp) {
        table.add("TTL, DSCP", format!("{ttl}, {dscp}"));
    }
    let packet_rows = Some(view).filter(|it| it.direction != Direction::Local);
    for row in packet_rows.into_iter().flat_map(SessionView::packet_rows) {
        table.add_row(row);
    }
    table.add("quota", format!("{} frames an attachment", view.quota));
    if let Some(ms) = view.frame_timeout_ms {
        let after = human(Duration::from_millis(ms.into()));
        table.add(
            "incomplete",
            format!("after {after} without a packet of a frame"),
        );
    }
    for note in &view.notes {
        table.add("noted", note);
    }
    if view.persistent {
        table.add("persistent", "comes back at the next start");
    }
    if let Some(up) = view.link_up {
        table.add("link", if up { "up" } else { "down" });
    }
    if let Some(leg) = &view.flow.second_leg {
        let class = leg.class.map(|it| format!(", class {it}"));
        let class = class.unwrap_or_default();
        let payload_type = leg
            .payload_type
            .map(|it| format!(", payload type {it}"))
            .unwrap_or_default();
        table.add(
            "second leg",
            format!(
                "→ {} on port {}{payload_type}{class}",
                leg.destination, leg.port
            ),
        );
    }
    if let Some(ssrc) = view.ssrc {
        table.add("ssrc", format!("{ssrc:#010x}"));
    }
    if let Some(group) = &view.group {
        membership(&mut table, group);
    }
    if let Some(peer) = view.peer {
        table.add("receiver", peer);
    }
    table.add("owner", or_dash(view.owner.as_ref()));
    table.add("created", ago(Some(view.created_at)));
    if view.stopped_at.is_some() {
        table.add("stopped", ago(view.stopped_at));
    }
    let mut text = signal::problems(view);
    text += &table.print();
    if let Some(legs) = &view.legs {
        text += &heading("Legs (ST 2022-7):");
        text += &legs::table(legs);
    }
    if let Some(timing) = &view.timing {
        text += &heading("Timing (ST 2110-21):");
        text += &Facts::of(timing.rows()).print();
    }
    let converted = match view.converted_sessions {
        0 => String::new(),
        1 => ", 1 place is a converted session's".to_owned(),
        many => format!(", {many} places are converted sessions'"),
    };
    text += &heading(&format!(
        "Attachments ({} of {}{converted}):",
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
    columns(
        list,
        &[
            ("#", |one| cell(one.attachment)),
            ("PID", |one| cell(one.pid)),
            ("COMMAND", |one| cell(&one.command)),
            ("UID", |one| cell(one.uid)),
            ("STATE", |one| cell(one.state)),
            ("LENT", |one| cell(one.lent)),
            ("HELD", |one| cell(one.held)),
            ("FOR", |one| {
                let oldest = one.oldest_held_ms.map(Duration::from_millis);
                cell(or_dash(oldest.map(human)))
            }),
            ("DROPPED", |one| match one.samples {
                true => cell(format!("{} sampled out", one.frames_sampled_out)),
                false => cell(one.frames_dropped_slow),
            }),
            ("MISSED", |one| {
                cell(or_dash(one.missed.as_ref().map(|it| it.units)))
            }),
            ("INSIDE", |one| cell(one.threads_inside)),
            ("LIBRARY", |one| cell(&one.client_version)),
        ],
    )
}

/// Nonzero counters; packets always.
pub(crate) fn counters(counters: &SessionCounters) -> String {
    let mut table = Facts::default();
    table.add("packets", counters.packets);
    for counter in SessionCounters::ALL {
        let count = (counter.value)(counters);
        if count > 0 && !["packets", "bytes"].contains(&counter.name) {
            table.add(counter.label, count);
        }
    }
    for (reason, count) in &counters.packets_malformed {
        // It is a counter of its own, too.
        if reason != "wrong_source" {
            table.add(format!("packets malformed, {reason}"), count);
        }
    }
    table.add("RTP", bytes(counters.bytes));
    table.print()
}
