//! What is asked on an attachment's connection: flush, and its end by detach, destroy, drop.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_ipc::label;
use onair_ipc::message::{Request, Response};
use onair_ipc::pins::End;

use crate::connection::{Answer, refusal, unexpected};
use crate::line::Turn;
use crate::{Certificate, Error, Session};

/// First pause between two looks at callers that are on their way out; doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_micros(20);
const LAST_PAUSE: Duration = Duration::from_millis(5);

impl Session {
    /// Gives the attachment back. Stops the session for this process, lets its callers leave, and
    /// takes the shared memory out of reach; from then on every call returns [`Error::Stale`], in
    /// every thread. What a [`Buffer`](crate::Buffer) of an ended session borrows stays until it is
    /// dropped.
    ///
    /// # Errors
    /// - [`Error::InUse`] (`EBUSY`) while buffers are held, or if callers do not leave. The
    ///   attachment stays; if no buffer was held at the call, it is stopped for this process
    ///   ([`Session::start`] undoes it).
    /// - [`Error::Stale`] if it had ended already, or the daemon has.
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
        match self.request(&turn, &Request::Detach {}, self.patience) {
            Ok(Answer {
                response: Response::Detached {},
                ..
            }) => {
                self.leave(End::ByHand);
                Ok(())
            }
            Ok(other) => {
                self.line.out_of_step();
                Err(unexpected(&other.response, "detach"))
            }
            // The daemon has ended, or it has taken the attachment back already.
            Err(Error::Disconnected | Error::Stale) => {
                self.leave(End::ByHand);
                Err(Error::Stale)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until everything is sent that this process and other clients have submitted to the session
    /// so far, at most for `wait`; what is submitted meanwhile is not waited for. Returns how many frames
    /// were sent while it waited. Nothing is changed: the session goes on, also when the time is up. Of a
    /// stopped session and of a receive session nothing is submitted: done at once.
    ///
    /// Other requests on this session ([`Session::detach`], [`Session::destroy`]) wait for it;
    /// [`Session::abort`] does not, and ends it.
    ///
    /// # Errors
    /// - [`Error::TimedOut`] (`ETIMEDOUT`): it is not all sent yet.
    /// - [`Error::Refused`] (`frames_dropped`, `ECANCELED`): some of it will not be sent, because its
    ///   client was cut off, or the session stopped and could not send it.
    /// - [`Error::Refused`] (`limit_reached`, `EDQUOT`): too many flushes of the session wait.
    /// - [`Error::Stale`], [`Error::NoAnswer`], [`Error::Protocol`].
    pub fn flush(&self, wait: Duration) -> Result<u64, Error> {
        let turn = self.turn()?;
        let request = Request::Flush {
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        };
        match self.request(&turn, &request, self.patience.saturating_add(wait)) {
            Ok(Answer {
                response: Response::Flushed { frames_sent },
                ..
            }) => Ok(frames_sent),
            Ok(other) => {
                self.line.out_of_step();
                Err(unexpected(&other.response, "flush"))
            }
            // Nobody is in the way: it is the time that is up.
            Err(Error::Busy(busy)) if busy.waited => Err(Error::TimedOut),
            Err(Error::Disconnected | Error::Stale) => {
                self.leave(End::FoundOut);
                Err(Error::Stale)
            }
            Err(error) => Err(error),
        }
    }

    /// Destroys the session, which this process created and has stopped, if nobody uses it; waits
    /// for nobody. From then on every call returns [`Error::Stale`].
    ///
    /// # Errors
    /// - [`Error::Busy`] (`EBUSY`) with the blockers if it has users: those that the counters, the
    ///   probe or the ledger of lent buffers know of, in any process. Nothing changed.
    /// - [`Error::NotStopped`] (`EINVAL`), [`Error::NotOwner`] (`EACCES`), [`Error::Stale`].
    /// - [`Error::Refused`] (`probe_blind`, …), [`Error::NoAnswer`], [`Error::Protocol`].
    pub fn destroy(&self) -> Result<Certificate, Error> {
        self.end(None)
    }

    /// [`Session::destroy`], as soon as the last user has left, at most for `wait`. [`Session::abort`] by
    /// another thread ends the wait, with [`Error::Stale`].
    ///
    /// # Errors
    /// As [`Session::destroy`]; [`Error::Busy`] means that users remained when `wait` had passed.
    pub fn destroy_wait(&self, wait: Duration) -> Result<Certificate, Error> {
        self.end(Some(wait))
    }

    /// Ends the session, which this process created, whoever uses it: stops it, cuts every client off,
    /// this process too, and destroys it. It waits for no user. From then on every call returns
    /// [`Error::Stale`], in every process. What a [`Buffer`](crate::Buffer) borrows stays readable until
    /// it is dropped, in this process too.
    ///
    /// # Errors
    /// - [`Error::NotOwner`] (`EACCES`), [`Error::Stale`].
    /// - [`Error::Refused`] (`dataplane_busy`) if the daemon's poller does not hand the session back
    ///   in time: everybody is cut off, and the session is stopped.
    /// - [`Error::NoAnswer`], [`Error::Protocol`].
    pub fn abort(&self) -> Result<Certificate, Error> {
        if !self.is_owner() {
            return Err(Error::NotOwner(self.name().to_owned()));
        }
        self.is_ours()?;
        let turn = self.line.turn_to_abort()?;
        self.finish(&turn, &Request::Abort {}, "abort", Duration::ZERO)
    }

    fn end(&self, wait: Option<Duration>) -> Result<Certificate, Error> {
        let request = Request::Destroy {
            wait_ms: wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        };
        if !self.is_owner() {
            return Err(Error::NotOwner(self.name().to_owned()));
        }
        let turn = self.turn()?;
        self.finish(&turn, &request, "destroy", wait.unwrap_or_default())
    }

    fn finish(
        &self,
        turn: &Turn<'_>,
        request: &Request,
        name: &'static str,
        wait: Duration,
    ) -> Result<Certificate, Error> {
        let patience = self.patience.saturating_add(wait);
        match self.request(turn, request, patience) {
            Ok(Answer {
                response: Response::Destroyed { certificate },
                ..
            }) => {
                self.leave(End::ByHand);
                Ok(Certificate(certificate))
            }
            Ok(other) => {
                self.line.out_of_step();
                Err(unexpected(&other.response, name))
            }
            Err(Error::Disconnected | Error::Stale) => {
                self.leave(End::ByHand);
                Err(Error::Stale)
            }
            Err(error) => Err(error),
        }
    }

    /// A forked child has no business with the connection.
    fn is_ours(&self) -> Result<(), Error> {
        match self.attachment.is_inherited() {
            false => Ok(()),
            true => Err(Error::Stale),
        }
    }

    /// The turn to ask something, if this process may.
    fn turn(&self) -> Result<Turn<'_>, Error> {
        self.is_ours()?;
        self.line.turn()
    }

    fn request(
        &self,
        turn: &Turn<'_>,
        request: &Request,
        patience: Duration,
    ) -> Result<Answer, Error> {
        let answer = self
            .line
            .ask(turn, self.attachment.as_fd(), request, patience)
            .and_then(|answer| refusal(answer, self.name()));
        if self.line.is_to_be_let_go() {
            self.hang_up();
        }
        answer
    }

    /// Waits until every caller of this process has left; how many have not.
    fn callers_left(&self) -> u32 {
        let deadline = Instant::now().checked_add(self.patience);
        let mut pause = FIRST_PAUSE;
        loop {
            let callers = self.attachment.callers();
            if callers == 0 || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return callers;
            }
            // They were woken and hold nothing: they leave within their next few instructions.
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// The attachment has ended. Where another request waits for its answer, that one hangs up.
    fn leave(&self, end: End) {
        self.attachment.leave(end);
        if self.line.close() {
            self.hang_up();
        }
        label!("leave.hung_up");
    }

    /// An end that was found out keeps what raw handles hold. After it, a detach does not.
    fn let_go_of_handles(&self) {
        if !self.attachment.is_inherited() && self.line.is_closed() {
            self.attachment.leave(End::ByHand);
        }
    }

    /// Ends the connection, also while an [`EventFd`](crate::EventFd) keeps its descriptor.
    fn hang_up(&self) {
        // It may have been hung up already.
        let _ = rustix::net::shutdown(self.attachment.as_fd(), rustix::net::Shutdown::Both);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A forked child shares the connection with its parent, and has no shared memory.
        if self.attachment.is_inherited() {
            return;
        }
        self.hang_up();
        label!("drop.hung_up");
        if Arc::strong_count(&self.attachment) > 1 {
            // An event descriptor outlives the session: let the memory go in spite of it.
            self.attachment.leave(End::ByHand);
        }
    }
}
