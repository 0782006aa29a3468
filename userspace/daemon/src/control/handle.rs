//! The handle through which tasks send requests to the actor that owns the sessions.

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
use onair_session::Reply;

/// Sends actions to the actor and awaits its answers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    actions: mpsc::Sender<Action>,
    patience: Duration,
}

impl ControlHandle {
    /// A handle and the actor's end of the queue, which holds `capacity` actions (at least 1). If
    /// it stays full for `patience`, the requester gets `overloaded`.
    #[must_use]
    pub fn new(capacity: usize, patience: Duration) -> (Self, mpsc::Receiver<Action>) {
        let (actions, receiver) = mpsc::channel(capacity.max(1));
        (Self { actions, patience }, receiver)
    }

    /// Sends the action that `action` builds around a reply, and awaits the answer.
    ///
    /// # Errors
    /// The actor's own; `shutting_down` if it is gone, `overloaded` if its queue stays full,
    /// `internal` if it dropped the reply.
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
                    format!("the control queue stayed full for {:?}", self.patience),
                ),
            })?;
        answer.await.unwrap_or_else(|_| {
            // The actor drops waiting requests only when it ends.
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

    /// Creates a session.
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

    /// Lists all existing sessions.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn list(&self) -> Result<SessionList, Problem> {
        self.ask(|reply| Action::List { reply }).await
    }

    /// Shows one session.
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

    /// Stops a session; no effect if it is stopped.
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

    /// Starts a session; no effect if it runs.
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

    /// Destroys a session now or not at all.
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

    /// Destroys a session as soon as the last user has left; gives up after `wait`.
    ///
    /// # Errors
    /// `deadline_passed`, and those of [`ControlHandle::destroy`] except `busy`.
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

    /// Waits, at most for `wait`, until everything is sent that clients had submitted to a send
    /// session at the time of the request. Changes nothing else.
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

    /// Evicts one client.
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

    /// Evicts all clients.
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

    /// Evicts all clients and destroys the session; waits for no user.
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

    /// Records a session; answers once the recording takes packets.
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

    /// Lists the recordings of a session, or all.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn recordings(&self, session: Option<SessionRef>) -> Result<RecordingList, Problem> {
        self.ask(|reply| Action::Recordings { session, reply })
            .await
    }

    /// Shows one recording.
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

    /// Ends a recording; answers once its files are complete. No effect if it has ended.
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

    /// Lists the users of a session.
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

    /// Reads each witness now; changes nothing.
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

    /// Shows the certificate of a destroyed session.
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

    /// Lists stored certificates.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn certificates(&self, query: CertificateQuery) -> Result<CertificateList, Problem> {
        self.ask(|reply| Action::Certificates { query, reply })
            .await
    }

    /// Follows the events.
    ///
    /// # Errors
    /// `limit_reached`; for a named session: `no_such_session`, `stale_session`, `forbidden`.
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

    /// Collects all metrics.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn metrics(&self) -> Result<Exposition, Problem> {
        self.ask(|reply| Action::Metrics { reply }).await
    }

    /// Shows the configuration in force.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn config(&self) -> Result<Box<ActiveConfig>, Problem> {
        self.ask(|reply| Action::Config { reply }).await
    }

    /// Applies what can be applied of the configuration file, which was read again.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn reload(
        &self,
        loaded: Result<Box<Config>, String>,
    ) -> Result<Box<Reload>, Problem> {
        self.ask(|reply| Action::Reload { loaded, reply }).await
    }

    /// As [`ControlHandle::reload`], from a thread that may block; the log has the result.
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

    /// Shows the daemon's health.
    ///
    /// # Errors
    /// Those of [`ControlHandle::ask`].
    pub async fn health(&self) -> Result<Box<Health>, Problem> {
        self.ask(|reply| Action::Health { reply }).await
    }
}
