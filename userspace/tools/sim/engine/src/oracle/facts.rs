//! Facts that events have told.

use std::collections::{BTreeMap, BTreeSet};

use onair_api::{
    Certificate, Event, EventKind, Operation, RecordingId, SessionCounters, SessionName,
};
use onair_ipc::caller::Lease;

use super::PollerFacts;
use super::views::Kept;
use crate::cast::{self, ALIKE, CONVERTED};
use crate::stage::{Purpose, Request, Stage};

/// A session, as the events tell of it.
#[derive(Clone, Debug)]
pub(crate) struct SessionFacts {
    pub(crate) name: SessionName,
    pub(crate) runs: bool,
    generation: u64,
    /// How it ended.
    pub(crate) ended: Option<Operation>,
    /// In quarantine.
    pub(crate) is_aside: bool,
    /// Its memory is given back.
    pub(crate) is_complete: bool,
    pub(crate) attached: BTreeSet<u64>,
    pub(crate) evicted: BTreeSet<u64>,
    pub(crate) of_daemon: u32,
}

/// Facts that events told, of all daemons of the life.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) sessions: BTreeMap<u64, SessionFacts>,
    recordings: BTreeSet<u64>,
    last: u64,
    pub(crate) daemon: u32,
    /// Sessions that the next daemon must have.
    pub(crate) kept: BTreeMap<SessionName, Kept>,
    /// Two receivers were to exchange their flows: either may have the other's.
    pub(crate) has_exchanged: bool,
    pub(crate) violations: Vec<String>,
    pub(crate) pollers: PollerFacts,
    pub(crate) traffic: AllTraffic,
    /// Sessions that this daemon removed.
    pub(crate) removed: u64,
    /// Sessions whose certificate was answered as one that is on disk.
    pub(crate) promised: BTreeSet<u64>,
    /// The last run that was told of a session of this name.
    generations: BTreeMap<SessionName, u64>,
    /// The daemon has just started: its sessions are those of the one before.
    pub(crate) is_restoring: bool,
    /// The disk did not work for a time: what it has not taken may be tried again later.
    pub(crate) had_disk_trouble: bool,
    /// A daemon had such a disk, and ended.
    pub(crate) is_disk_unsure: bool,
}

impl Facts {
    pub(crate) fn apply(&mut self, event: &Event) -> Result<(), String> {
        if event.sequence != self.last + 1 {
            return Err(format!(
                "event {} comes after {}",
                event.sequence, self.last
            ));
        }
        self.last = event.sequence;
        self.pollers.apply(&event.kind)?;
        let (Some(id), Some(name)) = (event.session, &event.name) else {
            return Ok(());
        };
        match &event.kind {
            EventKind::RecordingStarted { recording, .. } => self.recording(*recording, true),
            EventKind::RecordingEnded { recording, .. } => self.recording(*recording, false),
            EventKind::SessionCreated { .. } => self.create(id.0, name),
            kind => match self.sessions.get_mut(&id.0) {
                Some(session) => {
                    let applied = session.apply(kind, &mut self.removed);
                    self.generations.insert(name.clone(), session.generation);
                    applied
                }
                None => Err(format!(
                    "an event of a session that was never created: {kind:?}"
                )),
            },
        }
    }

    fn create(&mut self, id: u64, name: &SessionName) -> Result<(), String> {
        let is_taken = self.named(name).is_some();
        if self.sessions.last_key_value().is_some_and(|it| *it.0 >= id) {
            return Err(format!(
                "session {id:x} comes after one with a higher number"
            ));
        }
        // A full disk did not take the number of a run that was told.
        let goes_on = self.is_restoring && !self.is_disk_unsure;
        let before = self.generations.get(name).filter(|_| goes_on);
        let session = SessionFacts {
            name: name.clone(),
            runs: false,
            generation: before.copied().unwrap_or_default(),
            ended: None,
            is_aside: false,
            is_complete: false,
            attached: BTreeSet::new(),
            evicted: BTreeSet::new(),
            of_daemon: self.daemon,
        };
        let before = self.sessions.insert(id, session);
        match before.is_some() || is_taken {
            true => Err(format!("a second session {name}, or a second one {id:x}")),
            false => Ok(()),
        }
    }

    fn recording(&mut self, id: RecordingId, begins: bool) -> Result<(), String> {
        if !begins {
            // One whose files were never made has not begun.
            self.recordings.remove(&id.0);
            return Ok(());
        }
        match self.recordings.insert(id.0) {
            true => Ok(()),
            false => Err(format!("recording {id} began twice")),
        }
    }

    /// Recordings that have begun and not ended.
    pub(crate) fn recordings(&self) -> usize {
        self.recordings.len()
    }

    /// The session that exists under a name.
    pub(crate) fn named(&self, name: &SessionName) -> Option<u64> {
        let mut all = self.living();
        let found = all.find(|(_, it)| it.name == *name && !it.is_aside);
        found.map(|(id, _)| id)
    }

    /// Sessions that exist, also in quarantine.
    pub(crate) fn living(&self) -> impl Iterator<Item = (u64, &SessionFacts)> {
        let all = self.sessions.iter();
        let own = all.filter(|(_, it)| it.ended.is_none() && it.of_daemon == self.daemon);
        own.map(|(id, it)| (*id, it))
    }

    /// Whether a session runs; `None`: it is gone, or in quarantine.
    pub(crate) fn runs(&self, id: u64) -> Option<bool> {
        let mut all = self.living();
        let found = all.find(|(it, session)| *it == id && !session.is_aside);
        found.map(|(_, it)| it.runs)
    }

    pub(crate) fn is_evicted(&self, id: u64, number: u64) -> bool {
        let session = self.sessions.get(&id);
        session.is_none_or(|it| it.evicted.contains(&number))
    }

    /// The next daemon's events follow.
    pub(crate) fn next_daemon(&mut self) {
        self.daemon += 1;
        self.is_restoring = true;
        (self.last, self.removed) = (0, 0);
        self.recordings.clear();
        self.pollers = PollerFacts::default();
    }

    /// It is not known any more what the next daemon has of this role's session.
    pub(crate) fn is_unsure(&mut self, role: usize) {
        let roles = match role {
            cast::ROLES.. => cast::ROLES..cast::ROLES + cast::MEMBERS,
            _ => role..role + 1,
        };
        for role in roles {
            self.kept.insert(cast::name(role), Kept::default());
        }
    }

    /// A user ended a session for good.
    pub(crate) fn forget(&mut self, name: &SessionName, is_certain: bool) {
        let kept = self.kept.entry(name.clone()).or_default();
        *kept = Kept {
            is_there: is_certain.then_some(false),
            ..Kept::default()
        };
    }

    /// The daemon ends while these requests are open.
    pub(crate) fn daemon_ends(&mut self, open: &[Request]) {
        for request in open {
            self.is_unsure(request.purpose.role);
        }
        self.next_daemon();
    }
}

impl SessionFacts {
    fn apply(&mut self, kind: &EventKind, removed: &mut u64) -> Result<(), String> {
        let (name, ended) = (&self.name, self.ended);
        match kind {
            EventKind::SessionStarted { generation } => {
                let is_next = *generation > self.generation;
                if self.runs || self.is_aside || ended.is_some() || !is_next {
                    return Err(format!("session {name} is started: {self:?}, {generation}"));
                }
                (self.runs, self.generation) = (true, *generation);
            }
            EventKind::SessionStopped { .. } => {
                if !self.runs || ended.is_some() {
                    return Err(format!("session {name} is stopped: {self:?}"));
                }
                self.runs = false;
            }
            EventKind::ClientAttached { attachment, .. } => {
                let is_new = self.attached.insert(*attachment);
                return self.lives_and(is_new, || format!("client {attachment} attaches"));
            }
            EventKind::ClientLeft { attachment, .. } => {
                let was_there = self.attached.remove(attachment);
                return self.lives_and(was_there, || format!("client {attachment} leaves"));
            }
            EventKind::Evicted { eviction } => {
                let number = eviction.attachment;
                let is_new = self.evicted.insert(number);
                return self.lives_and(is_new, || format!("client {number} is evicted"));
            }
            EventKind::Destroyed { operation, .. } => {
                if self.runs || ended.is_some() || self.is_aside {
                    return Err(format!("session {name} is destroyed: {self:?}"));
                }
                self.ended = Some(*operation);
                *removed += 1;
            }
            EventKind::CertificateCompleted { .. } => {
                if self.is_complete {
                    return Err(format!("the certificate of {name} is completed twice"));
                }
                self.is_complete = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the session exists, and what an event tells can be so.
    fn lives_and(&self, may_be: bool, what: impl FnOnce() -> String) -> Result<(), String> {
        match may_be && self.ended.is_none() {
            true => Ok(()),
            false => Err(format!("{}: {self:?}", what())),
        }
    }
}

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
