//! The open flushes of one session: asked of the poller by a number, answered to the requester by a ticket.
//!
//! A deadline answers the requester only: the entry stays until the poller has answered, or has given the session back.
//! The poller knows what is queued and reports when it is sent. A session that is handed back has sent or dropped all
//! of it, so the hand-back answers the remaining requesters.

use std::time::{Duration, Instant};

use onair_api::{Direction, Flushed, Problem, ProblemCode};
use serde::{Deserialize, Serialize};

use crate::boundary::effect::PollerCommand;
use crate::boundary::runtime::{self, Runtime};
use crate::boundary::ticket::{Answer, Ticket};
use crate::state::Turn;

/// Maximum number of open flushes of one session.
const MOST: usize = 64;

/// A flush that the poller has not answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Flush {
    pub(crate) ticket: u64,
    #[serde(with = "crate::clock::at")]
    pub(crate) asked: Instant,
    #[serde(with = "crate::clock::at")]
    pub(crate) deadline: Instant,
    /// Frames that the session had sent and dropped at the time of the request.
    pub(crate) before: (u64, u64),
    /// `None` once the requester has been told that the deadline passed.
    pub(crate) request: Option<Ticket<Flushed>>,
}

/// The flushes of one session.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Flushes {
    pub(crate) list: Vec<Flush>,
    pub(crate) tickets: u64,
}

impl Flushes {
    /// When the first requester times out.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let waiting = self.list.iter().filter(|it| it.request.is_some());
        waiting.map(|it| it.deadline).min()
    }

    /// Answers the requesters whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant) -> impl Iterator<Item = Answer> {
        let late = self.list.iter_mut().filter(move |it| it.deadline <= now);
        late.filter_map(|it| it.request.take()).map(|request| {
            let what =
                "the deadline passed before all submitted frames were sent; the session continues";
            Answer::Flushed(
                request,
                Err(Problem::new(ProblemCode::DeadlinePassed, what)),
            )
        })
    }

    pub(crate) fn take(&mut self, ticket: u64) -> Option<Flush> {
        let at = self.list.iter().position(|it| it.ticket == ticket)?;
        Some(self.list.remove(at))
    }

    /// Answers once everything is sent that clients have submitted by now, or after `wait` at the
    /// latest. Answers at once for a session that is not with its poller and for a receive session:
    /// they have nothing submitted.
    pub(crate) fn ask<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        wait: Duration,
        request: Ticket<Flushed>,
    ) {
        let asked = turn.now();
        if turn.life.direction == Direction::Receive || turn.life.lifecycle.runtime().is_some() {
            answer(turn, Some(request), asked, (0, 0));
            return;
        }
        if self.list.len() >= MOST {
            let what =
                format!("the session has {MOST} open flushes, the maximum: wait for one to end");
            let refused = Err(Problem::new(ProblemCode::LimitReached, what));
            turn.effects.answer([Answer::Flushed(request, refused)]);
            return;
        }
        self.tickets += 1;
        let ticket = self.tickets;
        self.list.push(Flush {
            ticket,
            asked,
            deadline: asked + wait,
            before: turn.facts.sent_and_dropped,
            request: Some(request),
        });
        turn.effects.poller(PollerCommand::Flush { ticket });
    }

    /// The poller reports that a flush is over.
    pub(crate) fn flushed<R>(&mut self, turn: &mut Turn<R>, flushed: runtime::FlushReport) {
        if let Some(flush) = self.take(flushed.ticket) {
            let happened = (flushed.sent, flushed.dropped);
            answer(turn, flush.request, flush.asked, happened);
        }
    }

    /// The runtime is here again: answers all requesters.
    pub(crate) fn settle<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        let Some(runtime) = turn.life.lifecycle.runtime_mut() else {
            return;
        };
        let (over, unsent) = turn.view.flushes(&mut **runtime);
        for flushed in over {
            self.flushed(turn, flushed);
        }
        // Flushes that the poller never took because it had handed the session back or died.
        let (sent, dropped) = turn.facts.sent_and_dropped;
        for flush in std::mem::take(&mut self.list) {
            let sent = sent.saturating_sub(flush.before.0);
            let dropped = dropped.saturating_sub(flush.before.1);
            answer(turn, flush.request, flush.asked, (sent, dropped + unsent));
        }
    }
}

fn answer<R>(
    turn: &mut Turn<R>,
    request: Option<Ticket<Flushed>>,
    asked: Instant,
    (sent, dropped): (u64, u64),
) {
    let Some(request) = request else { return };
    let answer = if dropped > 0 {
        Err(Problem::new(
            ProblemCode::FramesDropped,
            format!(
                "{sent} frames were sent and {dropped} dropped: their client was evicted, or \
                 the session stopped and could not send them"
            ),
        ))
    } else {
        let waited = turn.now() - asked;
        Ok(Flushed {
            session: turn.life.id,
            frames_sent: sent,
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        })
    };
    turn.effects.answer([Answer::Flushed(request, answer)]);
}
