//! Flushes: answered once the port has the frames that clients had submitted to a send session.
//!
//! The poller knows what is queued and reports when it is sent. A session that is handed back has
//! sent or dropped all of it, so the hand-back answers the remaining requesters.

use std::time::{Duration, Instant};

use onair_api::{Direction, Flushed, Problem, ProblemCode};

use crate::boundary::effect::PollerCommand;
use crate::boundary::runtime::{self, Runtime};
use crate::boundary::ticket::{Answer, Ticket};
use crate::state::Turn;
use crate::state::flushes::{Flush, Flushes};

/// Maximum number of open flushes of one session.
const MOST: usize = 64;

impl Flushes {
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
