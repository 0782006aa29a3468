//! A trace of a session, as lines of JSON: a state, then each event with all that decided it and its effects.
//! `replay` does it again.

use std::mem::{Discriminant, discriminant, take};

use onair_api::{SessionId, SessionName, SessionView};
use serde::Serialize;

use crate::boundary::effect::Effect;
use crate::boundary::event::Destroy;
use crate::boundary::facts::Facts;
use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::Ticket;
use crate::boundary::view::ViewAnswer;
use crate::lifecycle::Lifecycle;
use crate::state::SessionCore;

/// Version of the lines.
pub(crate) const TRACE_FORMAT: u32 = 2;

/// The latest events of a session, and those around its last change of state.
#[derive(Debug, Default)]
pub struct Trace {
    /// Size of all segments, in bytes; 0: there is no trace.
    limit: usize,
    /// The last segment with a change of state that is older than the other two.
    kept: Vec<u8>,
    /// Bytes that were dropped between it and `before`.
    dropped: usize,
    before: Segment,
    now: Segment,
}

/// A part of a trace. It begins with the state at its begin, so that it can be replayed alone.
#[derive(Debug, Default)]
struct Segment {
    text: Vec<u8>,
    /// Bytes of the state at its begin.
    state: usize,
    changes_state: bool,
}

/// The begin of a line, and the state before.
#[derive(Debug)]
pub(crate) struct Line<S> {
    text: Vec<u8>,
    state: Discriminant<S>,
}

/// The lifecycle of a core.
type CoreLife<R> = Lifecycle<Box<R>, Destroy, Ticket<SessionView>>;

impl Trace {
    /// The lines, after a line that says whose they are: `replay` takes them.
    #[must_use]
    pub fn text(&self, id: SessionId, name: &SessionName) -> String {
        #[derive(Serialize)]
        struct Head<'a> {
            onair_trace: u32,
            version: &'a str,
            session: SessionId,
            name: &'a SessionName,
        }
        let head = Head {
            onair_trace: TRACE_FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            session: id,
            name,
        };
        let mut text = Vec::new();
        put(&mut text, &head);
        text.push(b'\n');
        text.extend_from_slice(&self.kept);
        if self.dropped > 0 {
            text.extend_from_slice(&skipped(self.dropped));
        }
        text.extend_from_slice(&self.before.text);
        text.extend_from_slice(&self.now.text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn push(&mut self, mut line: Vec<u8>, changes_state: bool) {
        let most = (self.limit / 3).max(2 * self.now.state);
        self.now.changes_state |= changes_state;
        if line.len() > most {
            // A client decides how much there is to read. The next line is a state.
            line = skipped(line.len());
        }
        let is_whole = line.starts_with(b"{\"facts\"");
        self.now.text.append(&mut line);
        if !is_whole || self.now.text.len() > most {
            let before = std::mem::replace(&mut self.before, take(&mut self.now));
            if before.changes_state {
                (self.kept, self.dropped) = (before.text, 0);
            } else if !self.kept.is_empty() {
                self.dropped += before.text.len();
            }
        }
    }
}

impl<R: Runtime> SessionCore<R> {
    /// Traces what happens from now on, in up to `limit` bytes, or six times the size of its state; 0: no more.
    pub fn trace_up_to(&mut self, limit: usize) {
        self.trace = Trace {
            limit,
            ..Trace::default()
        };
    }

    /// The trace, as lines of JSON: `replay` takes them.
    #[must_use]
    pub fn trace(&self) -> String {
        self.trace.text(self.life.id, &self.life.name)
    }

    /// The trace of a session that has ended.
    pub fn take_trace(&mut self) -> Trace {
        take(&mut self.trace)
    }
}

/// Begins the line of an event: `key` is its kind. `None`: there is no trace.
pub(crate) fn begin_line<R: Runtime>(
    core: &mut SessionCore<R>,
    facts: &Facts,
    key: &str,
    event: &impl Serialize,
) -> Option<Line<CoreLife<R>>> {
    if core.trace.limit == 0 {
        return None;
    }
    if core.trace.now.text.is_empty() {
        let mut text = b"{\"state\":".to_vec();
        put(&mut text, &*core);
        text.extend_from_slice(b"}\n");
        core.trace.now.state = text.len();
        core.trace.now.text = text;
    }
    let mut text = b"{\"facts\":".to_vec();
    put(&mut text, facts);
    text.extend_from_slice(format!(",\"{key}\":").as_bytes());
    put(&mut text, event);
    let state = discriminant(&core.life.lifecycle);
    Some(Line { text, state })
}

/// Adds the line, when the event was handled.
pub(crate) fn end_line<R: Runtime>(
    core: &mut SessionCore<R>,
    line: Option<Line<CoreLife<R>>>,
    answers: &[ViewAnswer],
    effects: &[Effect<R>],
) {
    let Some(Line { mut text, state }) = line else {
        return;
    };
    text.extend_from_slice(b",\"answers\":");
    put(&mut text, answers);
    text.extend_from_slice(b",\"effects\":");
    put(&mut text, effects);
    text.extend_from_slice(b"}\n");
    let changes_state = discriminant(&core.life.lifecycle) != state;
    core.trace.push(text, changes_state);
}

fn skipped(bytes: usize) -> Vec<u8> {
    format!("{{\"skipped\":{bytes}}}\n").into_bytes()
}

/// Appends `value` in JSON. A value that has none leaves a line that no replay accepts.
fn put(line: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let begin = line.len();
    if serde_json::to_writer(&mut *line, value).is_err() {
        line.truncate(begin);
        line.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace_after(lines: &[(char, bool)]) -> String {
        let mut trace = Trace {
            limit: 300,
            ..Trace::default()
        };
        for (letter, changes_state) in lines {
            if trace.now.text.is_empty() {
                trace.now.text = b"[".to_vec();
            }
            let line = format!("{{\"facts\"{}", letter.to_string().repeat(60));
            trace.push(line.into_bytes(), *changes_state);
        }
        let (id, name) = (SessionId(1), "a".parse().unwrap());
        let text = trace.text(id, &name);
        let (_, lines) = text.split_once('\n').unwrap();
        let mut letters: Vec<char> = lines
            .chars()
            .filter(|it| it.is_ascii_uppercase() || *it == '[')
            .collect();
        letters.dedup();
        let dropped = lines.contains("skipped");
        letters.iter().collect::<String>() + if dropped { "!" } else { "" }
    }

    #[test]
    fn trace_full_then_the_oldest_go_but_those_with_a_new_state() {
        let quiet: Vec<_> = ('A'..='J').map(|it| (it, false)).collect();
        assert_eq!(trace_after(&quiet[..9]), "[GH[I");
        let mut stopped = quiet;
        stopped[2].1 = true;
        assert_eq!(trace_after(&stopped[..7]), "[CD[EF[G");
        assert_eq!(trace_after(&stopped), "[CD[IJ!");
    }
}
