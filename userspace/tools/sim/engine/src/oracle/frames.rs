//! Frames: what a client gets is what came, and each that it handed in was sent, or is counted as dropped.

use std::collections::BTreeMap;

use onair_api::{Certificate, SessionCounters};
use onair_ipc::caller::Lease;

use crate::cast::{ALIKE, CONVERTED};
use crate::stage::{Purpose, Stage};

/// Frames that the clients of a session have sent and received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// Frames that they handed in.
    pub(crate) submitted: u64,
    /// Frames that they gave back without handing them in.
    pub(crate) put: u64,
}

/// By session.
pub(crate) type AllTraffic = BTreeMap<u64, Traffic>;

/// Frames that clients submitted and that are neither waiting nor under way; those of a local session are complete.
const fn done(counters: &SessionCounters) -> u64 {
    counters.frames_sent
        + counters.frames_complete
        + counters.frames_dropped_stop
        + counters.frames_dropped_detached
}

impl Stage {
    pub(crate) fn submitted(&self, session: Option<u64>) -> u64 {
        let traffic = session.and_then(|it| self.facts.traffic.get(&it));
        traffic.map_or(0, |it| it.submitted)
    }

    /// A client of a receive session took a frame.
    pub(crate) fn check_frame(&mut self, at: usize, lease: &Lease) {
        let guest = &mut self.guests[at];
        if guest.client.attachment.sends() {
            return;
        }
        let meta = guest.client.attachment.meta(lease);
        let (role, before) = (guest.role, guest.taken.replace(meta.number));
        if before.is_some_and(|it| it >= meta.number) {
            self.violate(format!("frame {} comes after {before:?}", meta.number));
        }
        // A unit of sound is not of whole packets; of a converted session the frames are another's.
        // The address of another role may be its own, and after an exchange either has the other's.
        let has_two = role == ALIKE[1] || role == ALIKE[0] && self.facts.has_exchanged;
        let sources = if has_two { ALIKE } else { [role; 2] };
        let is_torn = sources
            .into_iter()
            .all(|it| self.air.is_torn(it, meta.rtp_timestamp));
        if is_torn && meta.is_complete() && role != CONVERTED {
            self.violate(format!("frame {} is torn, and claims all", meta.number));
        }
    }

    /// A flush was answered well: all that was submitted before it is sent, or dropped by a stop or a detach before.
    pub(super) fn check_flushed(&mut self, purpose: &Purpose) {
        let Some(id) = purpose.session else {
            return;
        };
        let listed = self.list();
        let Some(view) = listed.iter().find(|it| it.id.0 == id) else {
            return;
        };
        let is_exact = self.facts.sessions[&id].evicted.is_empty();
        let done = done(&view.counters);
        if is_exact && done < purpose.submitted {
            self.violate(format!(
                "{purpose:?} is answered, and {done} frames are sent or dropped: {:?}",
                view.counters
            ));
        }
    }

    /// The numbers of a certificate are those that were lived.
    pub(super) fn check_frames(&mut self, certificate: &Certificate) {
        let traffic = self.facts.traffic.get(&certificate.session.0);
        let Traffic { submitted, put } = traffic.copied().unwrap_or_default();
        let (counts, frames) = (&certificate.counts, &certificate.frames);
        // What an evicted client gave back meanwhile is not looked at.
        let is_exact = counts.evictions == 0;
        let mine = [submitted, submitted + put];
        let theirs = [frames.frames_submitted, counts.frames_returned];
        let is_wrong = match is_exact {
            true => mine != theirs,
            false => mine.iter().zip(theirs).any(|(mine, theirs)| *mine < theirs),
        };
        let is_sender = frames.frames_submitted > 0;
        if is_wrong || is_sender && done(frames) != frames.frames_submitted {
            self.violate(format!(
                "{} had {mine:?} frames submitted, and returned, and its certificate says {counts:?} {frames:?}",
                certificate.name
            ));
        }
    }
}
