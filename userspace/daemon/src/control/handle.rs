//! The handle with which tasks ask the actor that owns the sessions.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use onair_types::{
    ActiveConfig, BlockerList, Certificate, CertificateList, CertificateQuery, EventName, Eviction,
    EvictionList, Flushed, Health, Problem, ProblemCode, RecordingList, RecordingRef,
    RecordingSpec, RecordingView, Reload, SessionList, SessionRef, SessionSpec, SessionView,
    Verdict,
};
use tokio::sync::mpsc;

use super::action::Action;
use crate::authority::Caller;
use crate::config::Config;
use crate::events::{LastSeen, Subscription};
use crate::exposition::Exposition;
use crate::reply::Reply;

/// Sends actions to the actor and awaits its answers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    actions: mpsc::Sender<Action>,
    patience: Duration,
}

impl ControlHandle {
    /// A handle and the actor's end of the queue. `capacity` actions may wait (at least 1); when it
    /// is full, a requester waits for `patience` and then gets `overloaded`.
    #[must_use]
    pub fn new(capacity: usize, patience: Duration) -> (Self, mpsc::Receiver<Action>) {
        let (actions, receiver) = mpsc::channel(capacity.max(1));
        (Self { actions, patience }, receiver)
    }

    /// Sends what `action` makes of a reply and awaits the answer.
    ///
    /// # Errors
    /// The actor's own; `shutting_down` when it has gone, `overloaded` when its queue stays full,
    /// `internal` when it dropped the reply.
    pub async fn ask<T>(&self, action: impl FnOnce(Reply<T>) -> Action) -> Result<T, Problem> {
        let (reply, answer) = Reply::new();
        self.actions
            .send_timeout(action(reply), self.patience)
            .await
            .map_err(|error| match error {
                mpsc::error::SendTimeoutError::Closed(_) => Problem::new(
                    ProblemCode::ShuttingDown,
                    "the daemon takes no more requests",
                ),
                mpsc::error::SendTimeoutError::Timeout(_) => Problem::new(
                    ProblemCode::Overloaded,
                    format!("no place in the control queue for {:?}", self.patience),
                ),
            })?;
        answer.await.unwrap_or_else(|_| {
            // The actor drops what waits when it ends, and only then may it drop a reply.
            Err(if self.actions.is_closed() {
                Problem::new(
                    ProblemCode::ShuttingDown,
                    "the daemon ended before it answered",
                )
            } else {
                Problem::new(
                    ProblemCode::Internal,
                    "the control thread dropped the request",
                )
            })
        })
    }

    /// Sets up a session.
    ///
    /// # Errors
    /// As the API documents for `POST /v1/sessions`.
    pub async fn create(&self, caller: Caller, spec: SessionSpec) -> Result<SessionView, Problem> {
        let spec = Box::new(spec);
        self.ask(|reply| Action::Create {
            caller,
            spec,
            reply,
        })
        .await
    }

    /// Every session that lives.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn list(&self) -> Result<SessionList, Problem> {
        self.ask(|reply| Action::List { reply }).await
    }

    /// One session.
    ///
    /// # Errors
    /// `no_such_session`, `stale_session`, `forbidden`.
    pub async fn show(&self, caller: Caller, session: SessionRef) -> Result<SessionView, Problem> {
        self.ask(|reply| Action::Show {
            caller,
            session,
            reply,
        })
        .await
    }

    /// Stops a session; of a stopped one: done already.
    ///
    /// # Errors
    /// `no_such_session`, `stale_session`, `forbidden`, `disk_failed`.
    pub async fn stop(&self, caller: Caller, session: SessionRef) -> Result<SessionView, Problem> {
        self.ask(|reply| Action::Stop {
            caller,
            session,
            reply,
        })
        .await
    }

    /// Starts a session; of a running one: done already.
    ///
    /// # Errors
    /// `no_such_session`, `stale_session`, `forbidden`, `draining`, `quarantined`,
    /// `dataplane_busy`, `disk_failed`.
    pub async fn start(&self, caller: Caller, session: SessionRef) -> Result<SessionView, Problem> {
        self.ask(|reply| Action::Start {
            caller,
            session,
            reply,
        })
        .await
    }

    /// Destroys a session at once or not at all.
    ///
    /// # Errors
    /// `running`, `busy`, `draining`, `quarantined`, `probe_blind`, `dataplane_busy`, and those of
    /// [`ControlHandle::stop`].
    pub async fn destroy(
        &self,
        caller: Caller,
        session: SessionRef,
    ) -> Result<Box<Certificate>, Problem> {
        self.ask(|reply| Action::Destroy {
            caller,
            session,
            reply,
        })
        .await
    }

    /// Destroys a session as soon as the last user has left, `wait` from now at the latest.
    ///
    /// # Errors
    /// `deadline_passed`, and those of [`ControlHandle::destroy`] but `busy`.
    pub async fn destroy_wait(
        &self,
        caller: Caller,
        session: SessionRef,
        wait: Duration,
    ) -> Result<Box<Certificate>, Problem> {
        let deadline = Instant::now() + wait;
        let deadline_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.ask(|reply| Action::DestroyWait {
            caller,
            session,
            deadline,
            deadline_ms,
            reply,
        })
        .await
    }

    /// Waits until everything is sent that clients had submitted to a send session when the request
    /// came, at most for `wait`. Nothing else is changed.
    ///
    /// # Errors
    /// `deadline_passed`, `frames_dropped`, `limit_reached`, and those of [`ControlHandle::stop`].
    pub async fn flush(
        &self,
        caller: Caller,
        session: SessionRef,
        wait: Duration,
    ) -> Result<Flushed, Problem> {
        self.ask(|reply| Action::Flush {
            caller,
            session,
            wait,
            reply,
        })
        .await
    }

    /// Cuts one client off.
    ///
    /// # Errors
    /// `no_such_attachment`, `quarantined`, `dataplane_busy`, and those of [`ControlHandle::stop`].
    pub async fn evict(
        &self,
        caller: Caller,
        session: SessionRef,
        attachment: u64,
    ) -> Result<Eviction, Problem> {
        self.ask(|reply| Action::Evict {
            caller,
            session,
            attachment,
            reply,
        })
        .await
    }

    /// Cuts everybody off.
    ///
    /// # Errors
    /// `quarantined`, `dataplane_busy`, and those of [`ControlHandle::stop`].
    pub async fn evict_all(
        &self,
        caller: Caller,
        session: SessionRef,
    ) -> Result<EvictionList, Problem> {
        self.ask(|reply| Action::EvictAll {
            caller,
            session,
            reply,
        })
        .await
    }

    /// Cuts everybody off and destroys the session, waiting for no user.
    ///
    /// # Errors
    /// `quarantined`, `dataplane_busy`, and those of [`ControlHandle::stop`].
    pub async fn abort(
        &self,
        caller: Caller,
        session: SessionRef,
    ) -> Result<Box<Certificate>, Problem> {
        self.ask(|reply| Action::Abort {
            caller,
            session,
            reply,
        })
        .await
    }

    /// Sets a stopped session aside with its users.
    ///
    /// # Errors
    /// `running`, `draining`, `quarantined`, and those of [`ControlHandle::stop`].
    pub async fn quarantine(
        &self,
        caller: Caller,
        session: SessionRef,
    ) -> Result<Box<Certificate>, Problem> {
        self.ask(|reply| Action::Quarantine {
            caller,
            session,
            reply,
        })
        .await
    }

    /// Records a session; answered when the recording takes packets.
    ///
    /// # Errors
    /// `limit_reached`, `name_taken`, `disk_failed`, and those of [`ControlHandle::stop`].
    pub async fn record(
        &self,
        caller: Caller,
        session: SessionRef,
        spec: RecordingSpec,
    ) -> Result<RecordingView, Problem> {
        let spec = Box::new(spec);
        self.ask(|reply| Action::Record {
            caller,
            session,
            spec,
            reply,
        })
        .await
    }

    /// Recordings of a session, or all.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn recordings(&self, session: Option<SessionRef>) -> Result<RecordingList, Problem> {
        self.ask(|reply| Action::Recordings { session, reply })
            .await
    }

    /// One recording.
    ///
    /// # Errors
    /// `no_such_recording`, `forbidden`.
    pub async fn recording(
        &self,
        caller: Caller,
        recording: RecordingRef,
    ) -> Result<RecordingView, Problem> {
        self.ask(|reply| Action::Recording {
            caller,
            recording,
            reply,
        })
        .await
    }

    /// Ends a recording; answered when its files are whole. Of one that has ended: done already.
    ///
    /// # Errors
    /// `no_such_recording`, `forbidden`, `deadline_passed`.
    pub async fn stop_recording(
        &self,
        caller: Caller,
        recording: RecordingRef,
    ) -> Result<RecordingView, Problem> {
        self.ask(|reply| Action::StopRecording {
            caller,
            recording,
            reply,
        })
        .await
    }

    /// Who uses a session.
    ///
    /// # Errors
    /// `no_such_session`, `stale_session`, `forbidden`.
    pub async fn blockers(
        &self,
        caller: Caller,
        session: SessionRef,
    ) -> Result<BlockerList, Problem> {
        self.ask(|reply| Action::Blockers {
            caller,
            session,
            reply,
        })
        .await
    }

    /// What each witness says now; changes nothing.
    ///
    /// # Errors
    /// `no_such_session`, `stale_session`, `forbidden`.
    pub async fn verdict(&self, caller: Caller, session: SessionRef) -> Result<Verdict, Problem> {
        self.ask(|reply| Action::Verdict {
            caller,
            session,
            reply,
        })
        .await
    }

    /// The certificate of a session that was destroyed.
    ///
    /// # Errors
    /// `certificate_pending`, `no_such_session`, `forbidden`.
    pub async fn certificate(
        &self,
        caller: Caller,
        session: SessionRef,
    ) -> Result<Box<Certificate>, Problem> {
        self.ask(|reply| Action::Certificate {
            caller,
            session,
            reply,
        })
        .await
    }

    /// Certificates that are kept.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn certificates(&self, query: CertificateQuery) -> Result<CertificateList, Problem> {
        self.ask(|reply| Action::Certificates { query, reply })
            .await
    }

    /// Follows what happens.
    ///
    /// # Errors
    /// `limit_reached`; for a session that is named: `no_such_session`, `stale_session`,
    /// `forbidden`.
    pub async fn subscribe(
        &self,
        caller: Caller,
        session: Option<SessionRef>,
        kinds: BTreeSet<EventName>,
        after: Option<LastSeen>,
    ) -> Result<Subscription, Problem> {
        self.ask(|reply| Action::Subscribe {
            caller,
            session,
            kinds,
            after,
            reply,
        })
        .await
    }

    /// What everything counts.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn metrics(&self) -> Result<Exposition, Problem> {
        self.ask(|reply| Action::Metrics { reply }).await
    }

    /// The configuration in force.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn config(&self) -> Result<Box<ActiveConfig>, Problem> {
        self.ask(|reply| Action::Config { reply }).await
    }

    /// Takes what can be taken of the configuration file, which was read anew.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn reload(
        &self,
        loaded: Result<Box<Config>, String>,
    ) -> Result<Box<Reload>, Problem> {
        self.ask(|reply| Action::Reload { loaded, reply }).await
    }

    /// As [`ControlHandle::reload`], from a thread that may wait; what comes of it is told in the
    /// log.
    pub fn reload_blocking(&self, loaded: Result<Box<Config>, String>) {
        let reply = Reply::unread();
        if self
            .actions
            .blocking_send(Action::Reload { loaded, reply })
            .is_err()
        {
            tracing::warn!("nothing is reloaded: the daemon takes no more requests");
        }
    }

    /// How the daemon is.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn health(&self) -> Result<Box<Health>, Problem> {
        self.ask(|reply| Action::Health { reply }).await
    }
}
