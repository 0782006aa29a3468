//! The lifecycle of one recording: it starts, takes packets, is cut, and ends. Events in, steps out; no clock and no
//! disk.

use std::time::{Duration, Instant};

use onair_api::{RecordingEnd, RecordingState, RecordingView};
use onair_settings::diagnostics::growth::Growth;

use crate::machine::RecordingCheck;
use crate::services::reply::Reply;

/// Why a recording is degraded that drops packets while its disk works.
const TOO_SLOW: &str = "packets come faster than they are written: use a faster disk, a larger \
    recorder.ring_mb, or a snap length";

/// One recording that has not ended. `A` is what takes its packets.
#[derive(Debug)]
pub struct RecordingLifecycle<A> {
    phase: Phase<A>,
    /// Why it could not write at the last check.
    reason: Option<String>,
    /// Packets dropped because its ring was full.
    ring_full: Growth,
    /// Requesters that wait for the end, with deadlines.
    stops: Vec<(Instant, Reply<RecordingView>)>,
}

#[derive(Debug)]
enum Phase<A> {
    /// Its files are being created.
    Starting {
        /// Requester that waits for the start.
        reply: Reply<RecordingView>,
        /// Cause to end it once the files exist.
        end: Option<RecordingEnd>,
    },
    /// It accepts packets.
    Running(A),
    /// It accepts no more. The session's tap is awaited, so that the counts are final.
    Cut {
        active: A,
        why: RecordingEnd,
        /// Deadline for the tap.
        until: Instant,
    },
    /// The rest is being written to disk.
    Finishing { active: A, why: RecordingEnd },
    /// Its files are as complete as they will be.
    Over { active: A, why: RecordingEnd },
}

/// An event of a recording.
#[derive(Debug)]
pub enum LifecycleEvent<A> {
    /// Its files exist.
    Launched {
        /// The thread that takes its packets.
        active: A,
        /// Its session exists, and has its tap.
        has_session: bool,
        /// The daemon shuts down.
        is_shutdown: bool,
    },
    /// It is to end.
    End(RecordingEnd),
    /// A requester stops it.
    Stop(Reply<RecordingView>),
    /// Its session was handed back, with its tap.
    HandedBack {
        /// The daemon shuts down.
        is_shutdown: bool,
    },
    /// Its session is gone or quarantined.
    SessionGone {
        /// The daemon shuts down.
        is_shutdown: bool,
    },
    /// No session has its tap any more.
    Untapped,
    /// Its session has the tap again, which a poller refused.
    TapMoved,
    /// The answer to [`LifecycleStep::Look`].
    Looked(RecordingCheck),
    /// Its files are complete, or this is why they are not.
    Over(Option<String>),
    /// Time has passed.
    Time {
        /// A check is due.
        is_look: bool,
    },
}

/// A step of a recording. The steps of an event are done in their order.
#[derive(Debug)]
pub enum LifecycleStep<A> {
    /// Answer the requester of the start.
    Started(Reply<RecordingView>),
    /// End it, when what comes before this is done.
    End(RecordingEnd),
    /// It accepts no more packets from here on.
    Cut(A),
    /// Take its tap, or ask for it.
    FetchTap,
    /// Complete its files on a separate thread.
    Finish(A, RecordingEnd),
    /// Check it.
    Look(A),
    /// If it is over, say so: the message may be lost with the thread that had it.
    LookForEnd(A),
    /// It does not record every packet, for this reason.
    Degraded(String),
    /// It records every packet again.
    Resumed,
    /// Tell this requester that the files are not complete yet.
    Late(Reply<RecordingView>),
    /// It has ended: forget it, and answer these.
    Ended(Vec<Reply<RecordingView>>),
}

/// Time limits of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct LifecycleLimits {
    /// How long a poller may take to give back a tap.
    pub tap: Duration,
    /// How long a requester of a stop waits for the files.
    pub finish: Duration,
}

impl<A: Clone> RecordingLifecycle<A> {
    /// The files of a recording are being created, for this requester.
    pub fn new(reply: Reply<RecordingView>) -> Self {
        Self {
            phase: Phase::Starting { reply, end: None },
            reason: None,
            ring_full: Growth::default(),
            stops: Vec::new(),
        }
    }

    /// Handles an event at `now`.
    pub fn handle(
        &mut self,
        event: LifecycleEvent<A>,
        now: Instant,
        limits: LifecycleLimits,
    ) -> Vec<LifecycleStep<A>> {
        match event {
            LifecycleEvent::Launched {
                active,
                has_session,
                is_shutdown,
            } => self.launched(active, has_session, is_shutdown),
            LifecycleEvent::End(why) => self.end_for(why, now + limits.tap),
            LifecycleEvent::Stop(reply) => {
                self.stops.push((now + limits.finish, reply));
                self.end_for(RecordingEnd::Stopped, now + limits.tap)
            }
            LifecycleEvent::HandedBack { is_shutdown } => {
                let end = is_shutdown.then_some(RecordingEnd::Shutdown);
                self.tap_moved(end, now + limits.tap)
            }
            LifecycleEvent::SessionGone { is_shutdown } => {
                let end = match is_shutdown {
                    true => RecordingEnd::Shutdown,
                    false => RecordingEnd::SessionEnded,
                };
                self.tap_moved(Some(end), now + limits.tap)
            }
            LifecycleEvent::TapMoved => self.tap_moved(None, now),
            LifecycleEvent::Untapped => self.finish(),
            LifecycleEvent::Looked(look) => self.looked(look, now),
            LifecycleEvent::Over(failure) => self.over(failure),
            LifecycleEvent::Time { is_look } => self.time(now, is_look),
        }
    }

    fn launched(
        &mut self,
        active: A,
        has_session: bool,
        is_shutdown: bool,
    ) -> Vec<LifecycleStep<A>> {
        if !matches!(self.phase, Phase::Starting { .. }) {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.phase, Phase::Running(active));
        let Phase::Starting { reply, end } = before else {
            return Vec::new();
        };
        let end = match is_shutdown {
            true => Some(RecordingEnd::Shutdown),
            false => end.or((!has_session).then_some(RecordingEnd::SessionEnded)),
        };
        let end = end.map(LifecycleStep::End);
        [LifecycleStep::Started(reply)]
            .into_iter()
            .chain(end)
            .collect()
    }

    /// From here on it takes no packets. The first reason counts.
    fn end_for(&mut self, why: RecordingEnd, until: Instant) -> Vec<LifecycleStep<A>> {
        match &mut self.phase {
            Phase::Starting { end, .. } => {
                end.get_or_insert(why);
                Vec::new()
            }
            Phase::Running(active) => {
                let active = active.clone();
                let cut = LifecycleStep::Cut(active.clone());
                self.phase = Phase::Cut { active, why, until };
                vec![cut, LifecycleStep::FetchTap]
            }
            Phase::Cut { .. } | Phase::Finishing { .. } | Phase::Over { .. } => Vec::new(),
        }
    }

    /// Its tap is elsewhere than before. If it is cut, or is to end now, the tap is fetched.
    fn tap_moved(&mut self, end: Option<RecordingEnd>, until: Instant) -> Vec<LifecycleStep<A>> {
        if matches!(self.phase, Phase::Cut { .. }) {
            return vec![LifecycleStep::FetchTap];
        }
        end.map_or_else(Vec::new, |why| self.end_for(why, until))
    }

    fn finish(&mut self) -> Vec<LifecycleStep<A>> {
        let Phase::Cut { active, why, .. } = &self.phase else {
            return Vec::new();
        };
        let (active, why) = (active.clone(), *why);
        let finish = LifecycleStep::Finish(active.clone(), why);
        self.phase = Phase::Finishing { active, why };
        vec![finish]
    }

    fn looked(&mut self, look: RecordingCheck, now: Instant) -> Vec<LifecycleStep<A>> {
        if !matches!(self.phase, Phase::Running(_)) {
            return Vec::new();
        }
        let drops = self.ring_full.lasts(look.ring_full, now);
        let too_slow = (drops && look.end.is_none()).then(|| TOO_SLOW.to_owned());
        let reason = look.reason.or(too_slow);
        let changed = match (&self.reason, &reason) {
            (before, Some(reason)) if before.as_ref() != Some(reason) => {
                Some(LifecycleStep::Degraded(reason.clone()))
            }
            (Some(_), None) => Some(LifecycleStep::Resumed),
            _ => None,
        };
        self.reason = reason;
        let end = look.end.map(LifecycleStep::End);
        changed.into_iter().chain(end).collect()
    }

    fn over(&mut self, failure: Option<String>) -> Vec<LifecycleStep<A>> {
        let Phase::Finishing { active, why } = &self.phase else {
            return Vec::new();
        };
        let (active, why) = (active.clone(), *why);
        self.phase = Phase::Over { active, why };
        self.reason = failure;
        let stops = std::mem::take(&mut self.stops);
        let stops = stops.into_iter().map(|(_, reply)| reply).collect();
        vec![LifecycleStep::Ended(stops)]
    }

    fn time(&mut self, now: Instant, is_look: bool) -> Vec<LifecycleStep<A>> {
        let late = self.stops.extract_if(.., |(until, _)| *until <= now);
        let mut steps: Vec<_> = late.map(|(_, reply)| LifecycleStep::Late(reply)).collect();
        match &self.phase {
            Phase::Running(active) if is_look => steps.push(LifecycleStep::Look(active.clone())),
            Phase::Finishing { active, .. } if is_look => {
                steps.push(LifecycleStep::LookForEnd(active.clone()));
            }
            // Its poller does not answer: its counts end with what is known.
            Phase::Cut { until, .. } if *until <= now => steps.extend(self.finish()),
            _ => {}
        }
        steps
    }

    /// When time is to pass next; `look_at`: the next check of the recordings.
    pub fn wake_at(&self, look_at: Instant) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Running(_) | Phase::Finishing { .. } => Some(look_at),
            Phase::Cut { until, .. } => Some(*until),
            Phase::Starting { .. } | Phase::Over { .. } => None,
        };
        let stop = self.stops.iter().map(|(until, _)| *until).min();
        phase.into_iter().chain(stop).min()
    }

    /// It could not be started: all requesters that wait.
    pub fn refuse(self) -> impl Iterator<Item = Reply<RecordingView>> {
        let start = match self.phase {
            Phase::Starting { reply, .. } => Some(reply),
            _ => None,
        };
        let stops = self.stops.into_iter().map(|(_, reply)| reply);
        start.into_iter().chain(stops)
    }

    /// The thread that takes, or took, its packets, once it exists.
    pub const fn active(&self) -> Option<&A> {
        match &self.phase {
            Phase::Running(active)
            | Phase::Cut { active, .. }
            | Phase::Finishing { active, .. }
            | Phase::Over { active, .. } => Some(active),
            Phase::Starting { .. } => None,
        }
    }

    /// Its API state.
    pub const fn state(&self) -> RecordingState {
        match &self.phase {
            Phase::Starting { .. } => RecordingState::Starting,
            Phase::Running(_) if self.reason.is_some() => RecordingState::Degraded,
            Phase::Running(_) => RecordingState::Recording,
            Phase::Cut { .. } | Phase::Finishing { .. } => RecordingState::Finishing,
            Phase::Over { .. } if self.reason.is_some() => RecordingState::Failed,
            Phase::Over { .. } => RecordingState::Finished,
        }
    }

    /// Cause of the end, once it accepts no more.
    pub const fn end(&self) -> Option<RecordingEnd> {
        match &self.phase {
            Phase::Cut { why, .. } | Phase::Finishing { why, .. } | Phase::Over { why, .. } => {
                Some(*why)
            }
            Phase::Starting { .. } | Phase::Running(_) => None,
        }
    }

    /// Why it could not write at the last check, or why it failed.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The thread that takes its packets, and why it cannot record all of them now.
    pub fn degraded(&self) -> Option<(&A, &str)> {
        match &self.phase {
            Phase::Running(active) => Some((active, self.reason()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
