//! The answer to a request, on its way to the requester.

use onair_types::Problem;
use tokio::sync::oneshot;

/// Where the answer to one request goes. Dropped unanswered, the requester gets `internal`.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<Result<T, Problem>>);

/// What the requester waits for.
pub type Awaited<T> = oneshot::Receiver<Result<T, Problem>>;

impl<T> Reply<T> {
    /// A reply, and what its requester waits for.
    #[must_use]
    pub fn new() -> (Self, Awaited<T>) {
        let (reply, awaited) = oneshot::channel();
        (Self(reply), awaited)
    }

    /// Of a request that the daemon makes itself: the answer goes nowhere.
    #[must_use]
    pub fn unread() -> Self {
        Self::new().0
    }

    /// Answers. A requester that has gone is no error: there is nobody to tell.
    pub fn send(self, answer: Result<T, Problem>) {
        let _ = self.0.send(answer);
    }

    /// Whether the requester has gone, or never wanted an answer.
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        self.0.is_closed()
    }
}
