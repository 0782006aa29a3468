//! Converted sessions that the daemon makes for clients, which name a layout when they attach.
//!
//! The first client of a session in a layout causes one, which the next ones share.
//! [`Followers`] decides what becomes of it.

use onair_api::{Problem, SessionId, SessionSpec, SessionState};
use onair_session::{
    ClientPlaces, ConverterState, FollowedSource, FollowedState, Followers, LayoutChoice, NoPlace,
    SessionInLayout, UNUSED, follower_name,
};
use onair_settings::access::authority::Caller;

use super::Sessions;
use crate::services::Services;
use crate::session::{Session, converted};

/// The session for a client that wants a layout.
#[derive(Debug)]
pub enum InLayout {
    /// This session, which exists.
    Session(u64),
    /// One of this specification is to be made.
    Make(Box<SessionSpec>),
}

impl Sessions {
    /// The session that has the frames of `source` in `layout`: itself, one that exists, or one to make. The caller
    /// may attach to `source`.
    ///
    /// # Errors
    /// `invalid_spec`, `draining`, `limit_reached`.
    pub fn in_layout(
        &self,
        caller: &Caller,
        source: u64,
        layout: &str,
        followers: &Followers,
    ) -> Result<InLayout, NoPlace<Problem>> {
        let from = &self[source];
        let Some(layout) = converted::layout_for_clients(&from.spec, layout)? else {
            return Ok(InLayout::Session(source));
        };
        let has_it = |it: &&Session| {
            it.source.id() == Some(SessionId(source))
                && converted::layout(&it.spec) == Some(layout)
                && caller.grant.covers(Some(it.owner.uid))
        };
        let all = self.living().filter(has_it);
        match LayoutChoice::among(all.map(as_layout)) {
            LayoutChoice::Share(id) => return Ok(InLayout::Session(id)),
            LayoutChoice::After(id) => {
                if let Err(problem) = self[id].check_not_draining() {
                    let (problem, wait) = (Box::new(problem), Some(UNUSED));
                    return Err(NoPlace { problem, wait });
                }
            }
            LayoutChoice::Make => {}
        }
        let checked = from.check_source(&from.spec.format);
        checked.map_err(|problem| self.places(source, followers).refuse(problem))?;
        let name = follower_name(&from.spec.name, layout.ffmpeg(), |name| {
            self.named(name).is_some()
        });
        let follower = converted::follower(from, name, layout);
        Ok(InLayout::Make(Box::new(follower)))
    }

    /// The places of a session's clients. An unused session that was made for clients frees its place soon.
    pub fn places(&self, source: u64, followers: &Followers) -> ClientPlaces {
        let session = &self[source];
        let mut followers = followers.ids().filter_map(|id| self.get(id));
        let id = Some(SessionId(source));
        ClientPlaces {
            is_full: (session.places).are_taken(&session.spec, &session.core, false),
            is_settling: session.core.clients().is_settling(),
            has_unused_follower: followers
                .any(|it| it.source.id() == id && !it.places.have_clients(&it.core)),
        }
    }

    /// A session that was made for clients, and its source; `None`: it is gone.
    pub fn followed(&self, id: u64, services: &Services) -> Option<FollowedState> {
        let session = self.get(id)?;
        let source = self.source_of(session);
        // It ends when it is stopped.
        let is_its_own = session.spec.ends_with_creator && session.owner_connection.is_none();
        let source = source.or((is_its_own && !session.has_stopped()).then_some(session));
        Some(FollowedState {
            source: match source {
                None => FollowedSource::Gone,
                Some(it) if it.core.state() == SessionState::Running => {
                    FollowedSource::Running(it.core.life().generation())
                }
                Some(_) => FollowedSource::Stopped,
            },
            runs: session.core.state() == SessionState::Running,
            thread: match session.core.state() {
                _ if session.home.is_live(services) => ConverterState::Lives,
                SessionState::Stopped => ConverterState::Dead,
                _ => ConverterState::Dying,
            },
            is_draining: session.core.life().is_draining(),
            has_clients: is_its_own || session.places.have_clients(&session.core),
        })
    }
}

impl Session {
    /// Whether it ran, and does not run any more.
    fn has_stopped(&self) -> bool {
        self.core.life().generation() > 0 && self.core.state() != SessionState::Running
    }
}

/// The session for the choice of one that has a layout.
fn as_layout(session: &Session) -> SessionInLayout {
    SessionInLayout {
        id: session.id.0,
        is_draining: session.core.life().is_draining(),
        is_full: (session.places).are_taken(&session.spec, &session.core, false),
        has_clients: session.places.have_clients(&session.core),
    }
}
