//! Lives a traced life again, without its kernel, its clients and its poller.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::boundary::event::Event;
use crate::boundary::facts::Facts;
use crate::boundary::recorded::RecordedView;
use crate::boundary::runtime::{AttachRefusal, Evicted, FlushReport, Runtime};
use crate::boundary::view::ViewAnswer;
use crate::ending::together::{Examination, Examined, examine_together};
use crate::state::SessionCore;
use crate::state::trace::TRACE_FORMAT;

/// A life that was the same again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replay {
    /// Sessions.
    pub sessions: u64,
    /// Events that had the same effects.
    pub events: u64,
    /// Effects.
    pub effects: u64,
}

/// The first difference between a trace and its replay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ReplayDifference {
    /// Its line, from 1.
    pub line: usize,
    /// The difference.
    pub what: String,
}

/// A line of a trace.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TraceLine {
    onair_trace: Option<u32>,
    version: Option<String>,
    session: Option<String>,
    name: Option<String>,
    state: Option<Value>,
    skipped: Option<u64>,
    facts: Option<Facts>,
    event: Option<Event<Lenders>>,
    together: Option<Examination>,
    #[serde(default)]
    answers: Vec<ViewAnswer>,
    #[serde(default)]
    effects: Vec<Value>,
}

/// Replays the traces in `text`, and gives each event in words to `each`. A trace must be of this version:
/// another one may decide otherwise.
///
/// # Errors
/// The first difference, a line that is not a trace's, or one of another version.
pub fn replay(text: &str, mut each: impl FnMut(&str)) -> Result<Replay, ReplayDifference> {
    let mut player = Player::default();
    for (line, number) in text.lines().zip(1..) {
        let told = player.line(line);
        each(&told.map_err(|what| ReplayDifference { line: number, what })?);
    }
    if player.replay.sessions == 0 {
        let what = "there is no trace".to_owned();
        return Err(ReplayDifference { line: 1, what });
    }
    Ok(player.replay)
}

#[derive(Default)]
struct Player {
    core: Option<SessionCore<Lenders>>,
    replay: Replay,
}

impl Player {
    /// Does what a line says, and says it in words.
    fn line(&mut self, text: &str) -> Result<String, String> {
        let value: Value = serde_json::from_str(text).map_err(|it| it.to_string())?;
        let line = TraceLine::deserialize(&value).map_err(|it| it.to_string())?;
        if let Some(format) = line.onair_trace {
            let is_ours = (format, line.version.as_deref())
                == (TRACE_FORMAT, Some(env!("CARGO_PKG_VERSION")));
            if !is_ours {
                return Err(format!(
                    "the trace is of format {format} and OnAir {}, this is format {TRACE_FORMAT} and {}",
                    line.version.unwrap_or_default(),
                    env!("CARGO_PKG_VERSION")
                ));
            }
            self.core = None;
            self.replay.sessions += 1;
            let (name, session) = (
                line.name.unwrap_or_default(),
                line.session.unwrap_or_default(),
            );
            return Ok(format!("session {name} ({session})"));
        }
        if let Some(bytes) = line.skipped {
            self.core = None;
            return Ok(format!("{bytes} bytes are left out"));
        }
        if let Some(state) = line.state {
            return self.state(state);
        }
        let facts = line.facts.ok_or("an event without facts")?;
        let core = self.core.as_mut().ok_or("an event before a state")?;
        let now = crate::clock::ns(facts.now);
        let view = RecordedView::new(line.answers);
        let done = catch_unwind(AssertUnwindSafe(|| match (line.event, line.together) {
            (Some(event), None) => Some(core.handle(event, facts, &view)),
            (None, Some(why)) => {
                let view = &view;
                let done = examine_together(vec![Examined { core, facts, view }], why);
                Some(done.into_iter().flat_map(|it| it.1).collect())
            }
            _ => None,
        }));
        let effects = done.map_err(|panic| message(&*panic))?;
        let effects = effects.ok_or("a line without an event")?;
        if view.left() > 0 {
            return Err(format!("it asks {} questions less", view.left()));
        }
        let effects = serde_json::to_value(&effects).map_err(|it| it.to_string())?;
        let effects = effects.as_array().cloned().unwrap_or_default();
        self.replay.events += 1;
        self.replay.effects += effects.len() as u64;
        let cause = value
            .get("event")
            .map_or_else(|| format!("together {}", brief(&value["together"])), brief);
        compare(&cause, &line.effects, &effects)?;
        let effects: Vec<String> = effects.iter().map(brief).collect();
        let us = now / 1000;
        Ok(format!("{us:>12} µs  {cause}  →  {}", effects.join("; ")))
    }

    /// A state: the same as that which the events before it have led to.
    fn state(&mut self, state: Value) -> Result<String, String> {
        if let Some(core) = &self.core {
            let reached = serde_json::to_value(core).map_err(|it| it.to_string())?;
            if let Some(what) = differs(&state, &reached, "state") {
                return Err(what);
            }
        }
        let core = serde_json::from_value(state).map_err(|it| format!("the state: {it}"))?;
        self.core = Some(core);
        Ok("                 the state is as recorded".to_owned())
    }
}

fn compare(cause: &str, recorded: &[Value], again: &[Value]) -> Result<(), String> {
    let all = recorded.iter().zip(again).zip(1..);
    for ((recorded, again), number) in all {
        if let Some(what) = differs(recorded, again, &format!("effect {number}")) {
            return Err(format!("{cause}: {what}"));
        }
    }
    let (before, now) = (recorded.len(), again.len());
    if before != now {
        return Err(format!("{cause}: {before} effects are recorded, now {now}"));
    }
    Ok(())
}

/// Where two values differ first, in words.
fn differs(recorded: &Value, again: &Value, path: &str) -> Option<String> {
    match (recorded, again) {
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => one
            .iter()
            .find_map(|(key, it)| differs(it, &other[key], &format!("{path}.{key}"))),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .zip(1..)
            .find_map(|((it, other), at): (_, usize)| differs(it, other, &format!("{path}[{at}]"))),
        _ if recorded == again => None,
        _ => Some(format!(
            "{path} is recorded as {}, now it is {}",
            brief(recorded),
            brief(again)
        )),
    }
}

/// A value on one line, without what says nothing.
fn brief(value: &Value) -> String {
    let list = |all: Vec<String>| all.join(", ");
    match value {
        Value::String(text) => text.clone(),
        Value::Object(all) if all.contains_key("geometry") => match all.get("attachment") {
            Some(attachment) => format!("words of {attachment}"),
            None => "frame memory".to_owned(),
        },
        Value::Object(all) => {
            let there = all.iter().filter(|(_, it)| !it.is_null());
            let all = list(
                there
                    .map(|(key, it)| format!("{key} {}", brief(it)))
                    .collect(),
            );
            if value.as_object().is_some_and(|it| it.len() == 1) {
                all
            } else {
                format!("{{{all}}}")
            }
        }
        Value::Array(all) => format!("[{}]", list(all.iter().map(brief).collect())),
        other => other.to_string(),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&it| it.to_owned()));
    text.unwrap_or_else(|| "it panics".to_owned())
}

/// The poller's half of a session, of which only the attachments are known: the ledgers' numbers are in the
/// record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Lenders(Vec<Lender>);

impl Runtime for Lenders {
    fn lenders(&self) -> impl Iterator<Item = &Lender> + Clone {
        self.0.iter()
    }

    fn lenders_mut(&mut self) -> impl Iterator<Item = &mut Lender> {
        self.0.iter_mut()
    }

    fn settle(&mut self) -> u64 {
        0
    }

    fn attach(
        &mut self,
        lender: Box<Lender>,
        _: Option<FrameMemory>,
    ) -> Result<(), (AttachRefusal, Box<Lender>, Option<FrameMemory>)> {
        self.0.push(*lender);
        Ok(())
    }

    fn detach(&mut self, attachment: u64) -> Option<(Box<Lender>, Option<FrameMemory>)> {
        let at = self.0.iter().position(|it| it.attachment() == attachment)?;
        Some((Box::new(self.0.remove(at)), None))
    }

    fn evict(&mut self, attachment: u64) -> Option<Evicted> {
        let (lender, frames) = self.detach(attachment)?;
        Some(Evicted::revoke(lender, frames, &mut Vec::new()))
    }

    fn release(&mut self, _: impl Fn(u64) -> bool) {}

    fn flushed(&mut self) -> Option<FlushReport> {
        None
    }

    fn unsent(&self) -> u64 {
        0
    }
}
