//! The sessions at a glance: what is wrong first, and in words below its row.

use onair_api::{AttachmentState, ListedSession, SessionState, SignalState};
use onair_essence::TimingDocument;

use crate::render::session::{signal, state};
use crate::render::{Column, ago, cell, columns, human, or_dash, printable};
use std::time::Duration;

/// Users that are named.
const NAMED: usize = 3;

/// How urgent a session is; the most urgent is the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lamp {
    /// It should have a signal, and has none or a wrong one; or its end waits for users.
    Red,
    /// Something is wrong with its signal, or it is quarantined.
    Yellow,
    Green,
    /// It is not running.
    Off,
}

impl Lamp {
    pub(crate) fn of(session: &ListedSession) -> Self {
        let is_dark = session.recent.is_some_and(|it| it.frames_per_1000_s == 0);
        match session.signal {
            Some(SignalState::Ok) if session.problems.is_empty() => Self::Green,
            Some(SignalState::Ok) => Self::Yellow,
            Some(SignalState::Absent | SignalState::Mismatch) => Self::Red,
            Some(_) if is_dark => Self::Red,
            Some(_) => Self::Yellow,
            None if session.state == SessionState::Draining => Self::Red,
            None if session.state == SessionState::Quarantined => Self::Yellow,
            None if !session.problems.is_empty() => Self::Yellow,
            None if session.state == SessionState::Running => Self::Green,
            None => Self::Off,
        }
    }
}

/// Its ports, that of the first leg first.
pub(crate) fn ports(session: &ListedSession) -> Vec<&str> {
    let legs = session.view.as_ref().and_then(|it| it.legs.as_ref());
    let second = legs.map(|it| it.second.port.as_str());
    let first = Some(session.port.as_str()).filter(|_| session.convert.is_none());
    first.into_iter().chain(second).collect()
}

/// A row for each, and what is wrong below it, wrapped to that many columns. Columns of the table that no session has are
/// left out.
pub(super) fn table(sessions: &[ListedSession], width: Option<usize>) -> String {
    let any =
        |has: fn(&ListedSession) -> Option<String>| sessions.iter().any(|it| has(it).is_some());
    let mut shown: Vec<Column<'_, ListedSession>> = vec![
        ("SESSION", |it| cell(&it.name)),
        ("SIGNAL", |it| match it.signal {
            Some(_) => signal::lamp(it),
            None => state(it.state),
        }),
        ("FPS", |it| cell(or_dash(signal::rates(it)))),
        ("LOSS", |it| cell(or_dash(signal::loss(it)))),
    ];
    if any(leg_losses) {
        shown.push(("LEGS", |it| cell(or_dash(leg_losses(it)))));
        shown.push(("SKEW", |it| cell(or_dash(skew(it)))));
    }
    if any(level) {
        shown.push(("LEVEL", |it| cell(or_dash(level(it)))));
    }
    if any(timecode) {
        shown.push(("TIMECODE", |it| cell(or_dash(timecode(it)))));
    }
    shown.push(("PORT", |it| {
        let ports = ports(it).join("+");
        cell(or_dash(Some(ports).filter(|it| !it.is_empty())))
    }));
    if any(group) {
        shown.push(("GROUP", |it| cell(or_dash(group(it)))));
    }
    shown.extend::<[Column<'_, ListedSession>; 5]>([
        ("RATE", |it| cell(or_dash(signal::rate(it)))),
        ("CLIENTS", |it| cell(it.attachments)),
        ("LAST FRAME", |it| {
            cell(ago(it.recent.and_then(|it| it.last_frame_at)))
        }),
        ("DIRECTION", |it| cell(it.direction)),
        ("POLLER", |it| cell(&it.poller)),
    ]);
    let table = columns(sessions, &shown);
    let mut lines = table.lines();
    let mut text = lines.next().unwrap_or_default().to_owned() + "\n";
    for (session, line) in sessions.iter().zip(lines) {
        text += &format!("{line}\n");
        if let Some(wrong) = wrong(session) {
            text += &indented(&printable(&wrong), width.unwrap_or(usize::MAX));
        }
    }
    text
}

/// Lines of at most `width` columns, unless a word is longer.
fn indented(text: &str, width: usize) -> String {
    let mut lines = " ".to_owned();
    let mut column = 1;
    for word in text.split_whitespace() {
        let length = console::measure_text_width(word) + 1;
        if column > 1 && column + length > width {
            lines += "\n ";
            column = 1;
        }
        lines += &format!(" {word}");
        column += length;
    }
    lines + "\n"
}

/// The problem, in a sentence; of a listed session alone, its kind.
fn wrong(session: &ListedSession) -> Option<String> {
    let view = session.view.as_ref();
    let of_signal = view.and_then(|it| it.signal.as_ref()?.reason.clone());
    let of_problem = view.and_then(|it| Some(it.problems.first()?.detail.clone()));
    let kind = session.problems.first().map(ToString::to_string);
    of_signal.or_else(|| users(session)).or(of_problem).or(kind)
}

/// Users of a session that is stopped or ends.
fn users(session: &ListedSession) -> Option<String> {
    let begin = match session.state {
        SessionState::Draining | SessionState::Quarantined => "it cannot end",
        SessionState::Stopped => "still in use",
        _ => return None,
    };
    let all = session.view.as_ref()?.attachments.iter();
    let uses = all.filter(|it| it.state != AttachmentState::Revoked);
    let uses = uses.filter(|it| it.held > 0 || it.threads_inside > 0);
    let names: Vec<_> = uses
        .take(NAMED)
        .map(|it| {
            let (command, pid, held) = (&it.command, it.pid, it.held);
            let for_s = it.oldest_held_ms.map(|it| format!(" for {} s", it / 1000));
            let for_s = for_s.unwrap_or_default();
            format!(
                "{command} {pid} holds {held} frames{for_s}, {} threads inside",
                it.threads_inside
            )
        })
        .collect();
    let advice = format!("onairctl session blockers {}", session.name);
    let list = names.join("; ");
    (!names.is_empty()).then(|| format!("{begin}: {list}: {advice}"))
}

/// The last timecode of ancillary data.
fn timecode(session: &ListedSession) -> Option<String> {
    match session.view.as_ref()?.timing.as_ref()? {
        TimingDocument::Ancillary(timing) => timing.timecode.clone(),
        _ => None,
    }
}

/// Packets that each leg did not bring.
fn leg_losses(session: &ListedSession) -> Option<String> {
    let legs = session.view.as_ref()?.legs.as_ref()?;
    let of = |it: &onair_api::LegState| match it.link_up {
        Some(false) => "down".to_owned(),
        _ => it.packets_lost.to_string(),
    };
    Some(format!("{} {}", of(&legs.first), of(&legs.second)))
}

/// How much later the second leg is; negative: earlier.
fn skew(session: &ListedSession) -> Option<String> {
    let skew_ns = session.view.as_ref()?.legs.as_ref()?.skew_ns?;
    let sign = if skew_ns < 0 { "-" } else { "" };
    Some(format!(
        "{sign}{}",
        human(Duration::from_nanos(skew_ns.unsigned_abs()))
    ))
}

/// The highest peak of a channel in the last second.
fn level(session: &ListedSession) -> Option<String> {
    let TimingDocument::Audio(timing) = session.view.as_ref()?.timing.as_ref()? else {
        return None;
    };
    let levels = &timing.last_second.as_ref()?.levels;
    let peaks = levels.iter().map(|it| it.peak_hundredths);
    // Silence is below every number.
    Some(match peaks.max()? {
        Some(peak) => format!("{:.1}", f64::from(peak) / 100.0),
        None => "silent".to_owned(),
    })
}

fn group(session: &ListedSession) -> Option<String> {
    let group = session.view.as_ref()?.member_of.as_ref()?;
    Some(group.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sentence_is_wrapped_and_each_line_indented() {
        let text = "no packet comes: check it";
        assert_eq!(indented(text, 80), "  no packet comes: check it\n");
        assert_eq!(indented(text, usize::MAX), indented(text, 80));
        assert_eq!(indented(text, 14), "  no packet\n  comes: check\n  it\n");
        assert_eq!(indented("endless", 3), "  endless\n");
    }
}
