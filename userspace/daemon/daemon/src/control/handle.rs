//! The handle through which tasks send requests to the actor that owns the sessions.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use onair_api::operations::ApiOperation;
use onair_api::{Problem, ProblemCode};
use onair_engine::inputs::{Action, Asked};
use onair_engine::reload::ReloadError;
use onair_engine::services::reply::Reply;
use onair_settings::access::authority::Caller;
use onair_settings::config::Config;
use onair_settings::diagnostics::exposition::Exposition;
use tokio::sync::{Mutex, mpsc};

/// Greatest age of the text: making it walks over all sessions on the control thread. A Prometheus that asks each
/// second gets another one each time.
const AGE: Duration = Duration::from_millis(900);

/// Sends actions to the actor and awaits its answers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    actions: mpsc::Sender<Action>,
    timeout: Duration,
    metrics: MetricsText,
}

impl ControlHandle {
    /// A handle and the actor's end of the queue, which holds `capacity` actions (at least 1). If
    /// it stays full for `timeout`, the requester gets `overloaded`.
    #[must_use]
    pub fn new(capacity: usize, timeout: Duration) -> (Self, mpsc::Receiver<Action>) {
        let (actions, receiver) = mpsc::channel(capacity.max(1));
        let metrics = MetricsText::default();
        let handle = Self {
            actions,
            timeout,
            metrics,
        };
        (handle, receiver)
    }

    /// Asks for an operation on `target`, and awaits the answer.
    ///
    /// # Errors
    /// The problems that the operation declares (`api/src/operations`).
    pub async fn ask<O: ApiOperation>(
        &self,
        caller: Caller,
        target: O::Target,
        input: O::Input,
    ) -> Result<O::Answer, Problem>
    where
        Action: From<Asked<O>>,
    {
        let at = Instant::now();
        let asked = |reply| Asked {
            caller,
            target,
            input,
            at,
            reply,
        };
        self.send(|reply| asked(reply).into()).await
    }

    /// Sends the action that `action` builds around a reply, and awaits the answer.
    ///
    /// # Errors
    /// The actor's own; `shutting_down` if it is gone, `overloaded` if its queue stays full,
    /// `internal` if it dropped the reply.
    pub async fn send<T>(&self, action: impl FnOnce(Reply<T>) -> Action) -> Result<T, Problem> {
        let (reply, answer) = Reply::new();
        self.actions
            .send_timeout(action(reply), self.timeout)
            .await
            .map_err(|error| match error {
                mpsc::error::SendTimeoutError::Closed(_) => Problem::new(
                    ProblemCode::ShuttingDown,
                    "the daemon takes no more requests",
                ),
                mpsc::error::SendTimeoutError::Timeout(_) => Problem::new(
                    ProblemCode::Overloaded,
                    format!("the control queue stayed full for {:?}", self.timeout),
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

    /// The text of all metrics, at most a second old.
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub async fn metrics_text(&self) -> Result<Bytes, Problem> {
        let collect = self.send(|reply| Action::Metrics { reply });
        self.metrics.get(collect).await
    }

    /// Reads the configuration file again, and has the actor apply what can be applied of it. For a thread
    /// that may block; the log has the result.
    pub fn reload_blocking(&self, file: Option<&Path>) {
        let (loaded, reply) = (load(file), Reply::unread());
        if self
            .actions
            .blocking_send(Action::Reload { loaded, reply })
            .is_err()
        {
            tracing::warn!("nothing is reloaded: the daemon takes no more requests");
        }
    }
}

/// Reads the configuration file again.
///
/// # Errors
/// [`ReloadError`]: there is no file, or it is invalid.
pub(super) fn load(file: Option<&Path>) -> Result<Box<Config>, ReloadError> {
    let file = file.ok_or(ReloadError::NoFile)?;
    Ok(Box::new(Config::load(file)?))
}

/// The last text. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricsText(Arc<Mutex<Option<(Instant, Bytes)>>>);

impl MetricsText {
    /// The text, at most a second old. Of several that need a new one, the first has it made of what `collect`
    /// returns.
    ///
    /// # Errors
    /// Those of `collect`; `internal`.
    pub(super) async fn get(
        &self,
        collect: impl Future<Output = Result<Exposition, Problem>>,
    ) -> Result<Bytes, Problem> {
        let mut last = self.0.lock().await;
        if let Some((made_at, text)) = &*last
            && made_at.elapsed() < AGE
        {
            return Ok(text.clone());
        }
        let made_at = Instant::now();
        let text = collect.await?.text();
        let text = text.map_err(|e| Problem::new(ProblemCode::Internal, e.to_string()))?;
        let text = Bytes::from(text);
        *last = Some((made_at, text.clone()));
        Ok(text)
    }
}
