//! Carries out the shutdown, which [`Sequence`] decides, on the thread that calls
//! [`ShutdownCoordinator::run`]. Each part ends on its own thread, so that no part can block it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use onair_api::{PartOutcome, PartReport, PhaseTime, ShutdownPhase, ShutdownStatus, Timestamp};
use onair_mutant::mutant;
use onair_settings::diagnostics::chain;
use onair_workers::{ThreadReport, panic_text};

use super::coordinator::ShutdownCoordinator;
use super::exit::Cause;
use super::sequence::{Ended, Sequence, SequenceEvent, SequenceStep};
use super::shared::{CoordinatorShared, EndPart, LeftBehind, PartError, Waiting};

/// Result of the shutdown.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its cause.
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
        let config = shared.times().config;
        let mut sequence = Sequence::new(config.handler(), config.force());
        loop {
            shared.tell(&mut sequence);
            match sequence.next(Instant::now()) {
                SequenceStep::Enter(phase) => shared.enter(phase),
                SequenceStep::Take(kind) => {
                    let parts = shared.parts().take(kind, shared.times());
                    sequence.take(kind, parts);
                }
                SequenceStep::StopWorkers => {
                    if !mutant!("shutdown: workers are not told") {
                        shared.threads.stop_accepting();
                    }
                }
                SequenceStep::Start {
                    number,
                    name,
                    deadline,
                    run,
                } => shared.start(number, &name, deadline, run),
                SequenceStep::CountDown {
                    phase,
                    remaining,
                    parts,
                } => {
                    let (sessions, users) = shared.progress();
                    tracing::info!(
                        %phase, left_s = remaining.as_secs(), parts = parts.join(", "), sessions,
                        users, "shutdown: waiting"
                    );
                }
                SequenceStep::Report(report) => shared.report(report),
                SequenceStep::Wait(until) => shared.wait_for_news(&sequence, until),
                SequenceStep::Over => break,
            }
        }
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

    /// Ends a part on a thread of its own.
    fn start(self: &Arc<Self>, number: u64, name: &str, deadline: Instant, run: EndPart) {
        let waiting = Waiting {
            deadline,
            flags: Arc::clone(&self.flags),
        };
        let shared = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name(format!("end-{name}"))
            .spawn(move || {
                let ended = catch(|| run(&waiting));
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

    /// Tells the sequence what has happened.
    fn tell(&self, sequence: &mut Sequence<EndPart>) {
        let mut ledger = self.ledger();
        for (number, ended) in std::mem::take(&mut ledger.finished) {
            sequence.handle(SequenceEvent::Ended(number, ended));
        }
        if let Some(at) = ledger.forced_at {
            sequence.handle(SequenceEvent::Forced(at));
        }
        sequence.handle(SequenceEvent::Operations(self.open_operations()));
    }

    /// Sleeps until there is something to tell, or until `until`.
    fn wait_for_news(&self, sequence: &Sequence<EndPart>, until: Instant) {
        let ledger = self.ledger();
        let is_told = !sequence.is_news(ledger.forced_at, self.open_operations());
        if ledger.finished.is_empty() && is_told {
            let sleep = until.saturating_duration_since(Instant::now());
            let woken = self.changed.wait_timeout(ledger, sleep);
            drop(woken.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn open_operations(&self) -> u64 {
        // SYNC: operations.
        self.operations.open.load(Ordering::SeqCst)
    }

    fn report(&self, report: PartReport) {
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
        Ok(Err(error)) if error.is::<LeftBehind>() => (PartOutcome::TimedOut, Some(chain(&*error))),
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
