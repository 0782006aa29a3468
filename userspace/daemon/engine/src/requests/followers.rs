//! Makes converted sessions for clients, and carries out the actions of [`onair_session::Followers`].

use std::time::{Duration, Instant};

use onair_api::{DestroyWait, Problem};
use onair_session::{FollowerAction, NoPlace};
use onair_settings::access::authority::Caller;
use onair_settings::access::peer::this_daemon;

use crate::engine::Engine;
use crate::inputs::ConnectionId;
use crate::services::reply::Reply;
use crate::sessions::layouts::InLayout;
use crate::sessions::make::Users;

impl Engine {
    /// The session with the frames of `source` in `layout`, which may be made now.
    pub(crate) fn in_layout(
        &mut self,
        caller: &Caller,
        source: u64,
        layout: &str,
    ) -> Result<u64, NoPlace<Problem>> {
        let found = self
            .sessions
            .in_layout(caller, source, layout, &self.followers)?;
        let spec = match found {
            InLayout::Session(id) => return Ok(id),
            InLayout::Make(spec) => spec,
        };
        let users = Users {
            owner: self.sessions[source].owner.clone(),
            ..Users::of(caller, None)
        };
        let id = self.make_new(*spec, users)?;
        let (lines, now) = (&self.services.lines.sessions, self.services.machine.now());
        if let Some(more) = lines.note_caused(caller.who.uid, now) {
            let session = &self.sessions[id].spec.name;
            tracing::info!(%session, client = %caller.who, more, "made for clients");
        }
        self.followers.add(id);
        self.follow_source(id, now);
        Ok(id)
    }

    /// A connection has ended: what it created to end with it is destroyed, as a session whose source is gone.
    pub(crate) fn creator_gone(&mut self, connection: ConnectionId) {
        let now = self.services.machine.now();
        let created = self
            .creators
            .range((connection, 0)..=(connection, u64::MAX));
        let created: Vec<_> = created.map(|(_, id)| *id).collect();
        for id in created {
            self.creators.remove(&(connection, id));
            self.followers.add(id);
            self.follow_source(id, now);
        }
    }

    /// Does with a session that was made for clients what its source demands.
    pub(crate) fn follow_source(&mut self, id: u64, now: Instant) {
        let seen = |it: &Self| it.sessions.followed(id, &it.services);
        while let Some(step) = self.followers.next(id, seen(self), now) {
            match step {
                // No requester reads this answer.
                FollowerAction::Start => {
                    match self.sessions.leave_dead_thread(&mut self.services, id) {
                        Ok(()) => self.start_session(id, Reply::unread()),
                        Err(problem) => {
                            tracing::warn!(%problem, "made for clients, not started");
                        }
                    }
                }
                FollowerAction::Stop => drop(self.stop_session(id)),
                FollowerAction::End => return self.end_follower(id, now),
                FollowerAction::Abort => {
                    return self.abort(id, this_daemon(0), Reply::unread());
                }
            }
        }
    }

    /// Stops and destroys it; what hinders that is tried again.
    fn end_follower(&mut self, id: u64, now: Instant) {
        let name = self.sessions[id].spec.name.clone();
        drop(self.stop_session(id));
        let (reply, ended) = Reply::new();
        let wait = Duration::from_millis(DestroyWait::MAX_MS);
        self.begin_destroy(id, this_daemon(0), Some((now + wait, wait)), false, reply);
        // While this waits for the answer, the destroy is wanted.
        let work = async move {
            if let Ok(Err(problem)) = ended.await {
                tracing::warn!(session = %name, %problem, "made for clients, not ended yet");
            }
        };
        self.services.machine.spawn(Box::pin(work));
    }
}
