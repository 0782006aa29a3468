//! The sequence: RUNNING → STOP_ACCEPTING → DRAINING → CLEANUP → SHUTDOWN.
//!
//! Two phases: every part is notified (phase 1, prepare) before the first one is stopped (phases 2
//! and 3, commit). The sequence runs on the thread that calls [`ShutdownCoordinator::run`], and
//! each part ends on its own thread, so that no part can block the sequence.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use onair_api::{PartOutcome, PartReport, PhaseTime, ShutdownPhase, ShutdownStatus, Timestamp};
use onair_mutant::mutant;
use onair_workers::{ThreadReport, panic_text};

use super::cause::Cause;
use super::coordinator::ShutdownCoordinator;
use super::countdown::Countdown;
use super::shared::CoordinatorShared;
use super::shared::ledger::Ended;
use super::shared::parts::{Part, PartError, Waiting};
use crate::diagnostics::error_chain::chain;

/// Result of the shutdown.
#[derive(Clone, Debug)]
pub struct Report {
    /// What began it.
    pub cause: Cause,
    /// Phases, parts, and whether it was forced.
    pub status: ShutdownStatus,
    /// Time from begin to end.
    pub took: Duration,
    /// The worker threads.
    pub threads: Vec<ThreadReport>,
    /// Operations refused because the shutdown had begun.
    pub operations_refused: u64,
}

impl Report {
    /// Parts that did not end in order, by time of their end.
    pub fn troubled(&self) -> impl Iterator<Item = &PartReport> {
        let parts = self.status.parts.iter();
        parts.filter(|part| part.outcome != PartOutcome::Done)
    }

    /// Whether a part timed out and was left behind.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.troubled()
            .any(|it| it.outcome == PartOutcome::TimedOut)
    }
}

/// A part that is ending.
struct Ending {
    number: u64,
    name: String,
    begun: Instant,
    deadline: Instant,
}

impl ShutdownCoordinator {
    /// Waits for [`Self::begin`], ends every registered part, and reports the result. Call it once,
    /// on a thread with no other work.
    ///
    /// Takes no longer than the time-outs of the parts. A part that hangs is left behind on its
    /// thread, which ends with the process.
    pub fn run(&self) -> Report {
        let shared = &self.shared;
        shared.wait_begun();
        // First, because later steps take time: from now on a second signal counts.
        shared.acknowledge();
        shared.enter(ShutdownPhase::StopAccepting);
        let notifications = std::mem::take(&mut shared.parts().notifications);
        for notification in notifications {
            shared.end_side_by_side(ShutdownPhase::StopAccepting, vec![notification]);
        }
        if !mutant!("shutdown: workers are not told") {
            shared.threads.stop_accepting();
        }

        shared.enter(ShutdownPhase::Draining);
        let waiters = std::mem::take(&mut shared.parts().waiters);
        shared.end_in_order(ShutdownPhase::Draining, waiters);

        shared.enter(ShutdownPhase::Cleanup);
        let servers = std::mem::take(&mut shared.parts().servers);
        shared.end_in_order(ShutdownPhase::Cleanup, servers);
        shared.complete_operations();
        let cleanups = std::mem::take(&mut shared.parts().cleanups);
        shared.end_in_order(ShutdownPhase::Cleanup, cleanups);

        shared.enter(ShutdownPhase::Shutdown);
        let ledger = shared.ledger();
        let cause = ledger.cause.clone().unwrap_or(Cause::StartFailed);
        let took = ledger.since.map(|(_, at)| at.elapsed()).unwrap_or_default();
        drop(ledger);
        Report {
            cause,
            status: shared.status(),
            took,
            threads: shared.threads.reports(),
            operations_refused: self.operations_refused(),
        }
    }
}

impl CoordinatorShared {
    fn enter(&self, phase: ShutdownPhase) {
        let now = Instant::now();
        let mut ledger = self.ledger();
        // The first phase begins with the request, not when this thread wakes.
        let began = match (phase, ledger.since) {
            (ShutdownPhase::StopAccepting, Some((at, began))) => (at, began),
            _ => (Timestamp::now(), now),
        };
        if let Some((last, at)) = ledger.phases.last_mut() {
            last.us = Some(micros(now.saturating_duration_since(*at)));
        }
        ledger.phase = phase;
        let time = PhaseTime {
            phase,
            at: began.0,
            us: None,
        };
        ledger.phases.push((time, began.1));
        let cause = ledger.cause.clone();
        drop(ledger);
        // The error of a failed start is the one line that matters: its phases do not hide it.
        if let Some(Cause::StartFailed) = cause {
            tracing::debug!(%phase, "shutdown");
        } else {
            let cause = cause.map(|it| it.to_string()).unwrap_or_default();
            tracing::info!(%phase, cause, "shutdown");
        }
        self.publish_progress();
    }

    /// Records that the begin was seen, once.
    pub(super) fn acknowledge(&self) {
        self.ledger().acknowledged.get_or_insert_with(Instant::now);
    }

    fn end_in_order(self: &Arc<Self>, phase: ShutdownPhase, mut parts: Vec<Part>) {
        parts.sort_by_key(|part| part.priority);
        while let Some(first) = parts.first() {
            let priority = first.priority;
            let later = parts.partition_point(|part| part.priority == priority);
            let rest = parts.split_off(later);
            self.end_side_by_side(phase, parts);
            parts = rest;
        }
    }

    fn end_side_by_side(self: &Arc<Self>, phase: ShutdownPhase, parts: Vec<Part>) {
        let mut under_way: Vec<Ending> = Vec::new();
        let times = self.times();
        let counted = parts.iter().map(|part| times.counted(part.limit)).min();
        let mut countdown = Countdown::new(Instant::now(), counted.unwrap_or_default());
        for part in parts {
            let begun = Instant::now();
            let number = {
                let mut ledger = self.ledger();
                ledger.next_part += 1;
                ledger.next_part
            };
            let waiting = Waiting {
                deadline: begun + times.of(part.limit),
                flags: Arc::clone(&self.flags),
            };
            under_way.push(Ending {
                number,
                name: part.name.clone(),
                begun,
                deadline: waiting.deadline,
            });
            let shared = Arc::clone(self);
            let spawned = thread::Builder::new()
                .name(format!("end-{}", part.name))
                .spawn(move || {
                    let ended = catch(|| (part.run)(&waiting));
                    shared.ledger().finished.push((number, ended));
                    shared.announce();
                });
            if let Err(error) = spawned {
                let ended = Ended {
                    outcome: PartOutcome::Failed,
                    detail: Some(format!("cannot start a thread to end it: {error}")),
                    at: Instant::now(),
                };
                self.ledger().finished.push((number, ended));
            }
        }
        while !under_way.is_empty() {
            self.count_down(phase, &mut countdown, &under_way);
            self.wait_for_some(phase, &countdown, &mut under_way);
        }
    }

    /// Logs the time left, and what the shutdown waits for.
    fn count_down(&self, phase: ShutdownPhase, countdown: &mut Countdown, under_way: &[Ending]) {
        let Some(remaining) = countdown.due(Instant::now()) else {
            return;
        };
        let parts: Vec<&str> = under_way.iter().map(|it| &*it.name).collect();
        let (sessions, users) = self.progress();
        tracing::info!(
            %phase, left_s = remaining.as_secs(), parts = parts.join(", "), sessions, users,
            "shutdown: waiting"
        );
    }

    /// Removes parts that have ended or timed out; sleeps if there are none.
    fn wait_for_some(
        &self,
        phase: ShutdownPhase,
        countdown: &Countdown,
        under_way: &mut Vec<Ending>,
    ) {
        let mut ledger = self.ledger();
        let now = Instant::now();
        let finished = std::mem::take(&mut ledger.finished);
        let forced_at = ledger.forced_at;
        let until = |it: &Ending| self.until(it.begun, it.deadline, forced_at);
        let mut reports = Vec::new();
        for (number, ended) in finished {
            // A part that was left behind before is no longer in the list.
            if let Some(place) = under_way.iter().position(|it| it.number == number) {
                reports.push((under_way.remove(place), ended));
            }
        }
        under_way.retain_mut(|it| {
            let is_first = phase == ShutdownPhase::StopAccepting;
            let more = match is_first {
                true => mutant!("shutdown: a notification that hangs is waited for", 40, 0),
                false => mutant!("shutdown: a part that hangs is waited for", 40, 0),
            };
            if until(it) + Duration::from_secs(more) > now {
                return true;
            }
            let ended = Ended {
                outcome: if it.deadline <= now {
                    PartOutcome::TimedOut
                } else {
                    PartOutcome::Forced
                },
                detail: None,
                at: now,
            };
            let ending = Ending {
                name: std::mem::take(&mut it.name),
                ..*it
            };
            reports.push((ending, ended));
            false
        });
        if reports.is_empty() {
            let next = under_way.iter().map(until).chain(countdown.next()).min();
            let sleep = next.map(|at| at.saturating_duration_since(now));
            let woken = self
                .changed
                .wait_timeout(ledger, sleep.unwrap_or(Duration::from_secs(1)));
            drop(woken.unwrap_or_else(PoisonError::into_inner));
            return;
        }
        drop(ledger);
        for (ending, ended) in reports {
            self.report(phase, ending.name, ending.begun, ended);
        }
    }

    /// Deadline of a part. Once forced each part has `force_ms`, independent of other parts.
    fn until(&self, begun: Instant, deadline: Instant, forced_at: Option<Instant>) -> Instant {
        let force = self.times().config.force();
        forced_at.map_or(deadline, |at| deadline.min(at.max(begun) + force))
    }

    /// Waits for the requests in flight.
    fn complete_operations(&self) {
        let begun = Instant::now();
        let deadline = begun + self.times().config.handler();
        let mut ledger = self.ledger();
        let open = || {
            // SYNC: operations.
            self.operations
                .open
                .load(std::sync::atomic::Ordering::SeqCst)
        };
        let outcome = loop {
            let now = Instant::now();
            let until = self.until(begun, deadline, ledger.forced_at);
            if open() == 0 {
                break PartOutcome::Done;
            }
            if now >= deadline {
                break PartOutcome::TimedOut;
            }
            if now >= until {
                break PartOutcome::Forced;
            }
            let sleep = until.saturating_duration_since(now);
            let woken = self.changed.wait_timeout(ledger, sleep);
            ledger = woken.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(ledger);
        let remaining = open();
        let detail = (outcome != PartOutcome::Done).then(|| format!("{remaining} not answered"));
        let ended = Ended {
            outcome,
            detail,
            at: Instant::now(),
        };
        self.report(
            ShutdownPhase::Cleanup,
            "requests in flight".to_owned(),
            begun,
            ended,
        );
    }

    fn report(&self, phase: ShutdownPhase, name: String, begun: Instant, ended: Ended) {
        let report = PartReport {
            name,
            phase,
            outcome: ended.outcome,
            us: micros(ended.at.saturating_duration_since(begun)),
            detail: ended.detail,
        };
        let detail = report.detail.as_deref().unwrap_or_default();
        let outcome = report.outcome.as_str();
        if report.outcome == PartOutcome::Done {
            tracing::debug!(part = report.name, us = report.us, "ended");
        } else {
            tracing::error!(part = report.name, outcome, detail, "did not end in order");
        }
        self.ledger().parts.push(report);
    }
}

fn catch(run: impl FnOnce() -> Result<(), PartError>) -> Ended {
    let (outcome, detail) = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => (PartOutcome::Done, None),
        Ok(Err(error)) => (PartOutcome::Failed, Some(chain(&*error))),
        Err(panic) => (PartOutcome::Panicked, Some(panic_text::of(&*panic))),
    };
    Ended {
        outcome,
        detail,
        at: Instant::now(),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
