//! The link of a session with the daemon: its requests, and its end.

mod line;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_ipc::caller::Attachment;
use onair_ipc::label;
use onair_ipc::message::{AttachRequest, Destroy, Destroyed};
use onair_ipc::pins::End;

use crate::{Certificate, Error};

pub(crate) use line::{Line, Turn};

/// First pause between two checks of callers that are leaving; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_micros(20);
const LAST_PAUSE: Duration = Duration::from_millis(5);

/// The shared memory of a session, and the connection for its requests.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) attachment: Arc<Attachment>,
    /// Of the session.
    pub(crate) name: String,
    /// This process created the session.
    pub(crate) owner: bool,
    /// Orders the requests. Kicks use the socket without it.
    pub(crate) line: Line,
    pub(crate) timeout: Duration,
}

impl Link {
    /// Destroys the session; waits at most `wait` for its last user.
    pub(crate) fn destroy(&self, wait: Option<Duration>) -> Result<Certificate, Error> {
        let request = Destroy {
            wait_ms: wait.map(ms),
        };
        if !self.owner {
            return Err(Error::NotOwner(self.name.clone()));
        }
        let turn = self.turn()?;
        self.finish(&turn, request, wait.unwrap_or_default())
    }

    pub(crate) fn finish<R: AttachRequest<Answer = Destroyed>>(
        &self,
        turn: &Turn<'_>,
        request: R,
        wait: Duration,
    ) -> Result<Certificate, Error> {
        match self.request(turn, request, wait) {
            Ok(destroyed) => {
                self.leave(End::ByHand);
                Ok(Certificate(destroyed.certificate))
            }
            Err(Error::Disconnected | Error::Stale) => {
                self.leave(End::ByHand);
                Err(Error::Stale)
            }
            Err(error) => Err(error),
        }
    }

    /// A forked child must not use the connection.
    pub(crate) fn is_ours(&self) -> Result<(), Error> {
        match self.attachment.is_inherited() {
            false => Ok(()),
            true => Err(Error::Stale),
        }
    }

    /// The right to send a request, if this process may.
    pub(crate) fn turn(&self) -> Result<Turn<'_>, Error> {
        self.is_ours()?;
        self.line.turn()
    }

    /// Waits for the answer so much longer than `timeout` as the daemon may `wait`.
    pub(crate) fn request<R: AttachRequest>(
        &self,
        turn: &Turn<'_>,
        request: R,
        wait: Duration,
    ) -> Result<R::Answer, Error> {
        if !self.attachment.has_connection() {
            return Err(Error::Disconnected);
        }
        let socket = self.attachment.as_fd();
        let timeout = self.timeout.saturating_add(wait);
        let answer = self.line.ask(turn, socket, request, &self.name, timeout);
        if self.line.is_to_be_let_go() {
            self.close_connection();
        }
        answer
    }

    /// Waits until every caller of this process has left; returns how many have not.
    pub(crate) fn callers_left(&self) -> u32 {
        let deadline = Instant::now().checked_add(self.timeout);
        let mut pause = FIRST_PAUSE;
        loop {
            let callers = self.attachment.callers();
            if callers == 0 || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return callers;
            }
            // The callers were woken and hold nothing: they leave within their next few
            // instructions.
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Ends the attachment. If another request waits for its answer, that request hangs up.
    pub(crate) fn leave(&self, end: End) {
        self.attachment.leave(end);
        if self.line.close() {
            self.close_connection();
        }
        label!("leave.hung_up");
    }

    /// After an end that the client discovered, the memory that raw handles hold stays mapped.
    /// After a detach it does not.
    pub(crate) fn let_go_of_handles(&self) {
        if !self.attachment.is_inherited() && self.line.is_closed() {
            self.attachment.leave(End::ByHand);
        }
    }

    /// Closes the connection, also while an [`EventFd`](crate::EventFd) keeps its descriptor.
    pub(crate) fn close_connection(&self) {
        if !self.attachment.has_connection() {
            return;
        }
        // The connection may already be closed.
        let _ = rustix::net::shutdown(self.attachment.as_fd(), rustix::net::Shutdown::Both);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // A forked child shares the connection with its parent, and has no shared memory.
        if self.attachment.is_inherited() {
            return;
        }
        self.close_connection();
        label!("drop.hung_up");
        if Arc::strong_count(&self.attachment) > 1 {
            // An event descriptor outlives the session: release the memory nevertheless.
            self.attachment.leave(End::ByHand);
        }
    }
}

/// A wait as a message has it.
pub(crate) fn ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
