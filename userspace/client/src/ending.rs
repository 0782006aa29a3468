//! Requests on an attachment's connection: flush, and the end by detach, destroy, abort, drop.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_ipc::label;
use onair_ipc::message::{Abort, AttachRequest, Destroy, Destroyed, Detach, Flush};
use onair_ipc::pins::End;

use crate::carries::Carries;
use crate::line::Turn;
use crate::{Certificate, Error, Session};

/// First pause between two checks of callers that are leaving; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_micros(20);
const LAST_PAUSE: Duration = Duration::from_millis(5);

impl<L: Carries> Session<L> {
    /// Ends the attachment. Stops the session for this process, lets its callers leave, and unmaps
    /// the shared memory; after that every call returns [`Error::Stale`], in every thread. The
    /// memory that a [`Buffer`](crate::Buffer) of an ended session borrows stays until the buffer
    /// is dropped.
    ///
    /// # Errors
    /// - [`Error::InUse`] (`EBUSY`) while this process holds buffers, or if callers do not leave.
    ///   The attachment stays. If it held no buffer at the call, the session is stopped for this
    ///   process ([`Session::start`] undoes that).
    /// - [`Error::Stale`] if the attachment or the daemon had already ended.
    /// - [`Error::Busy`], [`Error::NoAnswer`], [`Error::Protocol`]: the attachment stays.
    pub fn detach(&self) -> Result<(), Error> {
        let turn = self.turn().inspect_err(|_| self.let_go_of_handles())?;
        let in_use = |callers| Error::InUse {
            frames: self.attachment.held(),
            callers,
        };
        if self.attachment.held() > 0 {
            return Err(in_use(0));
        }
        self.stop();
        label!("detach.stopped");
        let callers = self.callers_left();
        label!("detach.callers_left");
        if callers > 0 || self.attachment.held() > 0 {
            return Err(in_use(callers));
        }
        match self.request(&turn, Detach {}, self.timeout) {
            Ok(_) => {
                self.leave(End::ByHand);
                Ok(())
            }
            // The daemon has ended, or it has already taken the attachment back.
            Err(Error::Disconnected | Error::Stale) => {
                self.leave(End::ByHand);
                Err(Error::Stale)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits at most `wait` until the frames that this process and other clients have submitted so
    /// far are sent. It does not wait for frames submitted during the call. Returns the number of
    /// frames sent while it waited. It changes nothing: the session continues, also after a
    /// time-out. A stopped session and a receive session have no submitted frames: the call returns
    /// at once.
    ///
    /// Other requests on this session ([`Session::detach`], [`Session::destroy`]) wait for it.
    /// [`Session::abort`] does not wait; it ends the flush.
    ///
    /// # Errors
    /// - [`Error::TimedOut`] (`ETIMEDOUT`): some frames are not sent yet.
    /// - [`Error::Refused`] (`frames_dropped`, `ECANCELED`): some frames will not be sent, because
    ///   the daemon evicted their client, or the session stopped and could not send them.
    /// - [`Error::Refused`] (`limit_reached`, `EDQUOT`): too many flushes of the session are
    ///   waiting.
    /// - [`Error::Stale`], [`Error::NoAnswer`], [`Error::Protocol`].
    pub fn flush(&self, wait: Duration) -> Result<u64, Error> {
        let turn = self.turn()?;
        let request = Flush { wait_ms: ms(wait) };
        match self.request(&turn, request, self.timeout.saturating_add(wait)) {
            Ok(flushed) => Ok(flushed.frames_sent),
            // A flush has no blockers: `Busy` means that the time passed.
            Err(Error::Busy(busy)) if busy.waited => Err(Error::TimedOut),
            Err(Error::Disconnected | Error::Stale) => {
                self.leave(End::FoundOut);
                Err(Error::Stale)
            }
            Err(error) => Err(error),
        }
    }

    /// Destroys the session, which this process created and has stopped, if it has no user. It does
    /// not wait. After that every call returns [`Error::Stale`].
    ///
    /// # Errors
    /// - [`Error::Busy`] (`EBUSY`) with the blockers if the session has users: those that the
    ///   counters, the probe or the ledger of loaned buffers know, in any process. The session runs on:
    ///   other clients saw a stop and a start. It stays stopped for this process until
    ///   [`Session::start`].
    /// - [`Error::NotStopped`] (`EINVAL`), [`Error::NotOwner`] (`EACCES`), [`Error::Stale`].
    /// - [`Error::Refused`] (`probe_blind`, …), [`Error::NoAnswer`], [`Error::Protocol`].
    pub fn destroy(&self) -> Result<Certificate, Error> {
        self.end(None)
    }

    /// As [`Session::destroy`], but waits at most `wait` for the last user to leave.
    /// [`Session::abort`] by another thread ends the wait, with [`Error::Stale`].
    ///
    /// # Errors
    /// As [`Session::destroy`]; [`Error::Busy`] means that there were still users after `wait`.
    pub fn destroy_wait(&self, wait: Duration) -> Result<Certificate, Error> {
        self.end(Some(wait))
    }

    /// Ends the session, which this process created, despite its users: stops it, evicts every
    /// client including this process, and destroys it. It waits for no user. After that every call
    /// returns [`Error::Stale`], in every process. The memory that a [`Buffer`](crate::Buffer)
    /// borrows stays readable until the buffer is dropped, in this process too.
    ///
    /// # Errors
    /// - [`Error::NotOwner`] (`EACCES`), [`Error::Stale`].
    /// - [`Error::Refused`] (`dataplane_busy`) if the daemon's poller does not hand the session
    ///   back in time: all clients are evicted, and the session is stopped.
    /// - [`Error::NoAnswer`], [`Error::Protocol`].
    pub fn abort(&self) -> Result<Certificate, Error> {
        if !self.is_owner() {
            return Err(Error::NotOwner(self.name().to_owned()));
        }
        self.is_ours()?;
        let turn = self.line.turn_to_abort()?;
        self.finish(&turn, Abort {}, Duration::ZERO)
    }

    /// Ends the attachment at once, without asking the daemon, which takes it back: closes the
    /// connection. A request that waits for its answer returns [`Error::Stale`], and so does every later
    /// call. The memory that a [`Buffer`](crate::Buffer) borrows stays until the buffer is dropped.
    pub fn hang_up(&self) {
        if !self.attachment.is_inherited() {
            self.leave(End::ByHand);
            self.close_connection();
        }
    }

    fn end(&self, wait: Option<Duration>) -> Result<Certificate, Error> {
        let request = Destroy {
            wait_ms: wait.map(ms),
        };
        if !self.is_owner() {
            return Err(Error::NotOwner(self.name().to_owned()));
        }
        let turn = self.turn()?;
        self.finish(&turn, request, wait.unwrap_or_default())
    }

    fn finish<R: AttachRequest<Answer = Destroyed>>(
        &self,
        turn: &Turn<'_>,
        request: R,
        wait: Duration,
    ) -> Result<Certificate, Error> {
        let timeout = self.timeout.saturating_add(wait);
        match self.request(turn, request, timeout) {
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
    fn is_ours(&self) -> Result<(), Error> {
        match self.attachment.is_inherited() {
            false => Ok(()),
            true => Err(Error::Stale),
        }
    }

    /// The right to send a request, if this process may.
    fn turn(&self) -> Result<Turn<'_>, Error> {
        self.is_ours()?;
        self.line.turn()
    }

    fn request<R: AttachRequest>(
        &self,
        turn: &Turn<'_>,
        request: R,
        timeout: Duration,
    ) -> Result<R::Answer, Error> {
        if !self.attachment.has_connection() {
            return Err(Error::Disconnected);
        }
        let socket = self.attachment.as_fd();
        let answer = self.line.ask(turn, socket, request, self.name(), timeout);
        if self.line.is_to_be_let_go() {
            self.close_connection();
        }
        answer
    }

    /// Waits until every caller of this process has left; returns how many have not.
    fn callers_left(&self) -> u32 {
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
    fn leave(&self, end: End) {
        self.attachment.leave(end);
        if self.line.close() {
            self.close_connection();
        }
        label!("leave.hung_up");
    }

    /// After an end that the client discovered, the memory that raw handles hold stays mapped.
    /// After a detach it does not.
    fn let_go_of_handles(&self) {
        if !self.attachment.is_inherited() && self.line.is_closed() {
            self.attachment.leave(End::ByHand);
        }
    }

    /// Closes the connection, also while an [`EventFd`](crate::EventFd) keeps its descriptor.
    fn close_connection(&self) {
        if !self.attachment.has_connection() {
            return;
        }
        // The connection may already be closed.
        let _ = rustix::net::shutdown(self.attachment.as_fd(), rustix::net::Shutdown::Both);
    }
}

/// A wait as a message has it.
fn ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

impl<L: Carries> Drop for Session<L> {
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
