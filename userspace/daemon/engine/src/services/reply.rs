//! The answer to a request, in transit to the requester.

use std::time::Duration;

use futures_channel::oneshot;
use onair_api::{Problem, Timestamp, Versions};

/// Destination of the answer to one request. If it is dropped without an answer, the requester gets
/// `internal`.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<Result<T, Problem>>);

/// The requester's end of a reply.
pub type Awaited<T> = oneshot::Receiver<Result<T, Problem>>;

impl<T> Reply<T> {
    /// A reply, and the requester's end of it.
    pub fn new() -> (Self, Awaited<T>) {
        let (reply, awaited) = oneshot::channel();
        (Self(reply), awaited)
    }

    /// The reply of a request that the daemon makes itself: the answer is discarded.
    #[must_use]
    pub fn unread() -> Self {
        Self::new().0
    }

    /// Sends the answer. It is no error if the requester is gone.
    pub fn send(self, answer: Result<T, Problem>) {
        let _ = self.0.send(answer);
    }

    /// The value with the reply that is still to be sent. If there is a problem instead, it is the
    /// answer.
    pub fn or_refuse<V>(self, found: Result<V, Problem>) -> Option<(V, Self)> {
        match found {
            Ok(value) => Some((value, self)),
            Err(problem) => {
                self.send(Err(problem));
                None
            }
        }
    }

    /// Resolves when the requester is gone.
    pub async fn unwanted(&mut self) {
        self.0.cancellation().await;
    }

    /// Whether the requester is gone, or never wanted an answer.
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        self.0.is_canceled()
    }
}

/// Identity of this daemon.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The high half of every session id that it issues: Unix seconds at its start, or more.
    pub incarnation: u32,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Versions of the daemon, DPDK and the kernel.
    pub versions: Versions,
    /// When the daemon started.
    pub started_at: Timestamp,
}

/// Slows down one kind of step: tests show with it that the step does not block other work.
#[derive(Debug, Default)]
pub struct TestDelay(Option<(&'static str, Duration)>);

impl TestDelay {
    /// Makes each step of `kind` take `longer` from now on.
    pub fn set(&mut self, kind: &'static str, longer: Duration) {
        self.0 = Some((kind, longer));
    }

    /// How much longer a step of `kind` takes.
    #[must_use]
    pub fn of(&self, kind: &str) -> Option<Duration> {
        let (_, longer) = self.0.filter(|(slow, _)| *slow == kind)?;
        Some(longer)
    }
}
