//! The connection of an attachment: the order of its requests, and the routing of its answers.
//!
//! Requests are sent one at a time, in turn. An abort is sent beside them, under a tag, if the
//! daemon supports tags: it ends the operation that the others wait for. One of the waiting threads
//! reads for all: a thread that waits for an answer and finds no reader becomes the reader.

use std::os::fd::BorrowedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_ipc::message::{Abort, AttachRequest, Tag};

use crate::Error;
use crate::connection::{self, Answer};

/// Which requests the connection still allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineState {
    /// The next untagged answer belongs to the next untagged request.
    Open,
    /// An answer is late and may still arrive: a later answer could not be told from it.
    OutOfStep,
    /// The attachment has ended.
    Closed,
}

/// State of the connection's requests.
#[derive(Debug)]
pub(crate) struct Line {
    turn: Mutex<()>,
    aborting: Mutex<Tag>,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    state: LineState,
    /// Tags of the requests that wait for their answers.
    awaited: Vec<Tag>,
    answers: Vec<(Tag, Answer)>,
    /// One of the waiting threads is the reader.
    is_read: bool,
    is_disconnected: bool,
    is_let_go: bool,
}

/// The right to send a request.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// In turn, without a tag.
    Ordinary(#[expect(dead_code, reason = "held, not read")] MutexGuard<'a, ()>),
    /// Beside others.
    Beside(MutexGuard<'a, Tag>),
}

impl Turn<'_> {
    fn tag(&self) -> Tag {
        match self {
            Self::Ordinary(_) => 0,
            Self::Beside(tag) => **tag,
        }
    }
}

impl Line {
    /// A fresh connection.
    pub(crate) fn new() -> Self {
        Self {
            turn: Mutex::new(()),
            aborting: Mutex::new(0),
            inner: Mutex::new(Inner {
                state: LineState::Open,
                awaited: Vec::new(),
                answers: Vec::new(),
                is_read: false,
                is_disconnected: false,
                is_let_go: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for the turn to make a request.
    pub(crate) fn turn(&self) -> Result<Turn<'_>, Error> {
        let turn = locked(&self.turn);
        match self.inner().state {
            LineState::Open => Ok(Turn::Ordinary(turn)),
            LineState::Closed => Err(Error::Stale),
            LineState::OutOfStep => Err(Error::Protocol(
                "an earlier request was never answered; drop the session and attach again".into(),
            )),
        }
    }

    /// The turn to abort: at once, unless another abort is in progress.
    pub(crate) fn turn_to_abort(&self) -> Result<Turn<'_>, Error> {
        let mut last = locked(&self.aborting);
        if self.inner().state == LineState::Closed {
            return Err(Error::Stale);
        }
        *last = last.checked_add(1).unwrap_or(1);
        Ok(Turn::Beside(last))
    }

    /// Sends `request` about `session`, and waits at most `timeout` for its answer.
    pub(crate) fn ask<R: AttachRequest>(
        &self,
        turn: &Turn<'_>,
        socket: BorrowedFd<'_>,
        request: R,
        session: &str,
        timeout: Duration,
    ) -> Result<R::Answer, Error> {
        let tag = turn.tag();
        let deadline = Instant::now().checked_add(timeout);
        self.inner().awaited.push(tag);
        let answer = connection::send(socket, tag, &request.into(), (deadline, timeout))
            .and_then(|()| self.recv(tag, socket, (deadline, timeout)))
            .and_then(|answer| answer.to::<R>(session));
        let mut inner = self.inner();
        inner.awaited.retain(|it| *it != tag);
        let is_lost = match &answer {
            Err(Error::Protocol(_) | Error::System { .. }) => true,
            // Its tag identifies a late answer.
            Err(Error::NoAnswer(_)) => tag == 0,
            _ => false,
        };
        if is_lost && inner.state == LineState::Open {
            inner.state = LineState::OutOfStep;
        }
        answer.map(|(answer, _)| answer)
    }

    fn recv(
        &self,
        tag: Tag,
        socket: BorrowedFd<'_>,
        until: (Option<Instant>, Duration),
    ) -> Result<Answer, Error> {
        let mut inner = self.inner();
        loop {
            if let Some(at) = inner.answers.iter().position(|(of, _)| *of == tag) {
                return Ok(inner.answers.swap_remove(at).1);
            }
            if inner.is_disconnected {
                return Err(Error::Disconnected);
            }
            if inner.is_read {
                let left = match until.0 {
                    Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                    None => Duration::MAX,
                };
                if left.is_zero() {
                    return Err(Error::NoAnswer(until.1));
                }
                let waited = self.changed.wait_timeout(inner, left);
                inner = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            inner.is_read = true;
            drop(inner);
            let packet = connection::recv(socket, until);
            inner = self.inner();
            inner.is_read = false;
            self.changed.notify_all();
            match packet {
                Ok((of, answer)) if of == tag => return Ok(answer),
                Ok((of, answer)) if inner.awaited.contains(&of) => {
                    inner.answers.push((of, answer));
                }
                // The requester no longer waits for it.
                Ok((1.., _)) => {}
                Ok((0, answer)) => {
                    return Err(connection::unexpected(&answer.response, Abort::NAME));
                }
                Err(error) => {
                    inner.is_disconnected |= matches!(error, Error::Disconnected);
                    return Err(error);
                }
            }
        }
    }

    /// Marks the attachment as ended. Returns true exactly once, to the caller that must release
    /// it; never while another request waits for its answer.
    #[must_use]
    pub(crate) fn close(&self) -> bool {
        self.inner().state = LineState::Closed;
        self.is_to_be_let_go()
    }

    /// Whether the attachment has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.inner().state == LineState::Closed
    }

    /// Whether the attachment has ended, no thread waits for an answer, and no thread has released
    /// it yet.
    #[must_use]
    pub(crate) fn is_to_be_let_go(&self) -> bool {
        let mut inner = self.inner();
        let is_due = inner.state == LineState::Closed && inner.awaited.is_empty();
        is_due && !std::mem::replace(&mut inner.is_let_go, true)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        locked(&self.inner)
    }
}

/// No code panics while it holds one of these locks; after a panic the guarded state would still be
/// valid.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
