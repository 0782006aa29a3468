//! Looks at running recordings: degraded, at their own end, or waited for too long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use onair_api::{EventKind, Problem, ProblemCode};

use crate::control::actor::Actor;
use crate::recorder::Phase;

/// Pause between two checks of running recordings: degraded, or at their own end.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Why a recording is degraded that drops packets while its disk works.
const TOO_SLOW: &str = "packets come faster than they are written: use a faster disk, a larger \
    recorder.ring_mb, or a snap length";

impl Actor {
    /// Applies timeouts and limits to recordings.
    pub(crate) fn watch_recordings(&mut self, now: Instant) {
        let ids: Vec<u64> = self.recorder.list.keys().copied().collect();
        let is_look = self.recorder.look_at <= now;
        for id in ids {
            self.expire_stops(id, now);
            match &self.recorder.list[&id].phase {
                Phase::Running(_) if is_look => self.look_at_recording(id, now),
                // Its message was lost with the thread that had it.
                Phase::Finishing(active) if is_look && active.is_over() => {
                    let failure = active.failure();
                    self.recording_over(id, failure);
                }
                // Its poller does not answer: its counts end with what is known.
                Phase::Cut { until, .. } if *until <= now => self.finish_recording(id),
                _ => {}
            }
        }
        if is_look {
            self.recorder.look_at = now + LOOK_PAUSE;
        }
    }

    /// Publishes when it becomes degraded and when it recovers, and ends it if it has reached its
    /// end.
    fn look_at_recording(&mut self, id: u64, now: Instant) {
        let Some(entry) = self.recorder.list.get_mut(&id) else {
            return;
        };
        let Some(active) = entry.active() else { return };
        let look = active.look();
        let drops = entry.ring_full.lasts(look.ring_full, now);
        let too_slow = (drops && look.end.is_none()).then(|| TOO_SLOW.to_owned());
        let reason = look.reason.or(too_slow);
        let (recording, recording_name) = (entry.about.id, entry.about.name.clone());
        let kind = match (&entry.reason, &reason) {
            (before, Some(reason)) if before.as_ref() != Some(reason) => {
                tracing::warn!(recording = %entry.about.name, reason, "a recording is degraded");
                Some(EventKind::RecordingDegraded {
                    recording,
                    recording_name,
                    reason: reason.clone(),
                })
            }
            (Some(_), None) => {
                tracing::info!(recording = %entry.about.name, "a recording goes on");
                Some(EventKind::RecordingResumed {
                    recording,
                    recording_name,
                })
            }
            _ => None,
        };
        entry.reason = reason;
        if let Some(kind) = kind {
            self.services.hub.publish(entry.subject(), kind);
        }
        if let Some(end) = look.end {
            self.end_recording(id, end);
        }
    }

    /// Tells each session which of its recordings do not keep all packets.
    pub(crate) fn note_degraded_recordings(&mut self) {
        let mut degraded: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for entry in self.recorder.list.values() {
            if let Some(detail) = entry.degraded() {
                let session = entry.about.session.0;
                degraded.entry(session).or_default().push(detail);
            }
        }
        self.sessions.change_each(|session| {
            let its = degraded.remove(&session.id.0);
            session.note_degraded_recordings(its.unwrap_or_default());
        });
    }

    fn expire_stops(&mut self, id: u64, now: Instant) {
        let Some(entry) = self.recorder.list.get_mut(&id) else {
            return;
        };
        let late = |(until, _): &mut (Instant, _)| *until <= now;
        for (_, reply) in entry.stops.extract_if(.., late) {
            let detail = format!(
                "recording {} has ended, but its files are not complete yet",
                entry.about.name
            );
            reply.send(Err(Problem::new(ProblemCode::DeadlinePassed, detail)));
        }
    }
}
