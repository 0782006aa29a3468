//! Converted sessions that the daemon makes for clients, which name a layout when they attach.
//!
//! The first client of a session in a layout causes one, which the next ones share.
//! [`onair_session::Followers`] decides what becomes of it.

use std::time::{Duration, Instant};

use crate::services::reply::Reply;
use onair_api::{DestroyWait, Problem, SessionId, SessionState};
use onair_session::{
    ClientPlaces, ConverterState, FollowedSource, FollowedState, FollowerAction, LayoutChoice,
    follower_name,
};

use crate::access::authority::Caller;
use crate::control::actor::Actor;
use crate::control::schedule::TURN;
use crate::services::this_daemon;
use crate::session::Session;

/// The session for a client that wants a layout.
#[derive(Debug)]
pub(crate) enum InLayout {
    /// It has this id.
    Session(u64),
    /// None, until one that has no client has ended. If the client does not wait, this is the refusal.
    NotYet(Problem),
    /// None.
    Refused(Problem),
}

impl Actor {
    /// The session that has the frames of `source` in `layout`: itself, one that exists, or one that is made
    /// now. The caller may attach to `source`.
    pub(crate) fn in_layout(&mut self, caller: &Caller, source: u64, layout: &str) -> InLayout {
        let layout = match self.sessions[source].layout_for_clients(layout) {
            Ok(None) => return InLayout::Session(source),
            Ok(Some(layout)) => layout,
            Err(problem) => return InLayout::Refused(problem),
        };
        let has_it = |it: &&Session| {
            it.source() == Some(SessionId(source))
                && it.layout() == Some(layout)
                && caller.grant.covers(Some(it.owner.uid))
        };
        let all = self.sessions.living().filter(has_it);
        match LayoutChoice::among(all.map(Session::as_layout)) {
            LayoutChoice::Share(id) => return InLayout::Session(id),
            LayoutChoice::After(id) => {
                if let Err(problem) = self.sessions[id].check_not_draining() {
                    return InLayout::NotYet(problem);
                }
            }
            LayoutChoice::Make => {}
        }
        let from = &self.sessions[source];
        if let Err(problem) = from.check_source(&from.spec.format) {
            return match self.places(source).wait() {
                Some(_) => InLayout::NotYet(problem),
                None => InLayout::Refused(problem),
            };
        }
        let name = follower_name(&from.spec.name, layout.ffmpeg(), |name| {
            self.sessions.named(name).is_some()
        });
        let spec = from.follower(name, layout);
        let owner = from.owner.clone();
        match self.make(owner, caller.owner(), caller.attach, spec, None) {
            Ok(id) => {
                tracing::info!(session = %self.sessions[id].spec.name, client = %caller.who, "made for clients");
                self.followers.add(id);
                self.follow_source(id, Instant::now());
                InLayout::Session(id)
            }
            Err(problem) => InLayout::Refused(problem),
        }
    }

    /// The places of a session's clients. One that belongs to a session that was made for clients and has none
    /// comes free soon.
    pub(crate) fn places(&self, source: u64) -> ClientPlaces {
        let session = &self.sessions[source];
        let mut followers = self.followers.ids().filter_map(|id| self.sessions.get(id));
        let id = Some(SessionId(source));
        ClientPlaces {
            is_full: session.is_full(),
            is_settling: session.core.is_settling(),
            has_unused_follower: followers.any(|it| it.source() == id && !it.has_clients()),
        }
    }

    /// When [`Self::follow_sources`] is due.
    pub(crate) fn followers_due(&self, now: Instant) -> Option<Instant> {
        let has_changed = self.sessions.has_changed();
        let due = self.followers.due(now, has_changed);
        due.filter(|_| !self.shutdown.is_shutting_down())
    }

    /// Does what is due with the sessions that were made for clients, for a turn's time at most. The shutdown
    /// ends them as all others.
    pub(crate) fn follow_sources(&mut self, now: Instant) {
        if self.shutdown.is_shutting_down() {
            return;
        }
        self.sessions.set_changed(false);
        let ids: Vec<u64> = self.followers.ids().collect();
        for id in ids {
            if now.elapsed() >= TURN {
                // The rest has its turn soon.
                return self.sessions.set_changed(true);
            }
            self.follow_source(id, now);
        }
    }

    fn follow_source(&mut self, id: u64, now: Instant) {
        while let Some(step) = self.followers.next(id, self.see(id), now) {
            match step {
                // No requester reads this answer.
                FollowerAction::Start => match self.leave_dead_thread(id) {
                    Ok(()) => self.start_session(id, Reply::unread()),
                    Err(problem) => tracing::warn!(%problem, "made for clients, not started"),
                },
                FollowerAction::Stop => drop(self.stop_session(id)),
                FollowerAction::End => return self.end_follower(id, now),
            }
        }
    }

    /// The session and its source; `None`: it is gone.
    fn see(&self, id: u64) -> Option<FollowedState> {
        let session = self.sessions.get(id)?;
        let source = session.source().and_then(|it| self.sessions.get(it.0));
        Some(FollowedState {
            source: match source {
                None => FollowedSource::Gone,
                Some(it) if it.state() == SessionState::Running => {
                    FollowedSource::Running(it.core.generation())
                }
                Some(_) => FollowedSource::Stopped,
            },
            runs: session.state() == SessionState::Running,
            thread: match session.state() {
                _ if session.has_live_thread(&self.services) => ConverterState::Lives,
                SessionState::Stopped => ConverterState::Dead,
                _ => ConverterState::Dying,
            },
            is_draining: session.core.is_draining(),
            has_clients: session.has_clients(),
        })
    }

    /// Stops and destroys it; what hinders that is tried again.
    fn end_follower(&mut self, id: u64, now: Instant) {
        let name = self.sessions[id].spec.name.clone();
        self.stop_session(id);
        let (reply, ended) = Reply::new();
        let wait = Duration::from_millis(DestroyWait::MAX_MS);
        self.begin_destroy(id, this_daemon(0), Some((now + wait, wait)), reply);
        // While this waits for the answer, the destroy is wanted.
        tokio::task::spawn_local(async move {
            if let Ok(Err(problem)) = ended.await {
                tracing::warn!(session = %name, %problem, "made for clients, not ended yet");
            }
        });
    }
}
