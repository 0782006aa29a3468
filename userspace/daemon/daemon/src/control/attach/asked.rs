//! A request that is being handled.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use onair_ipc::message::{Destroy, Request, Tag};

use super::requests::{Connection, handle};
use super::stage::{Handled, Stage};

pub(super) type Pending<'a> = Pin<Box<dyn Future<Output = Handled> + 'a>>;

/// A pending request of an attached client.
pub(super) struct Asked<'a> {
    pub(super) tag: Tag,
    pub(super) is_abort: bool,
    /// The request ends when its requester does.
    pub(super) is_wait: bool,
    pub(super) pending: Pending<'a>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(connection: &'a Connection, tag: Tag, request: Request) -> Self {
        Self {
            tag,
            is_abort: matches!(request, Request::Abort(_)),
            is_wait: matches!(
                request,
                Request::Destroy(Destroy { wait_ms: Some(_) }) | Request::Flush(_)
            ),
            pending: Box::pin(handle(connection, Stage::Attached, request)),
        }
    }
}

/// The first of them that is answered: its index and its outcome.
pub(super) async fn first_answered(asked: &mut [Asked<'_>]) -> (usize, Handled) {
    std::future::poll_fn(|context| {
        for (at, it) in asked.iter_mut().enumerate() {
            if let Poll::Ready(outcome) = it.pending.as_mut().poll(context) {
                return Poll::Ready((at, outcome));
            }
        }
        Poll::Pending
    })
    .await
}
