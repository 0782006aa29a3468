//! Requests on an attachment's connection: flush, and the end by detach, destroy, abort, drop.

use std::time::Duration;

use onair_ipc::label;
use onair_ipc::message::{Abort, Detach, Flush};
use onair_ipc::pins::End;

use crate::carries::Carries;
use crate::link::ms;
use crate::{Certificate, Error, Session};

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
        let link = &self.link;
        let turn = link.turn().inspect_err(|_| link.let_go_of_handles())?;
        let in_use = |callers| Error::InUse {
            frames: link.attachment.held(),
            callers,
        };
        if link.attachment.held() > 0 {
            return Err(in_use(0));
        }
        self.stop();
        label!("detach.stopped");
        let callers = link.callers_left();
        label!("detach.callers_left");
        if callers > 0 || link.attachment.held() > 0 {
            return Err(in_use(callers));
        }
        match link.request(&turn, Detach {}, Duration::ZERO) {
            Ok(_) => {
                link.leave(End::ByHand);
                Ok(())
            }
            // The daemon has ended, or it has already taken the attachment back.
            Err(Error::Disconnected | Error::Stale) => {
                link.leave(End::ByHand);
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
        let turn = self.link.turn()?;
        let request = Flush { wait_ms: ms(wait) };
        match self.link.request(&turn, request, wait) {
            Ok(flushed) => Ok(flushed.frames_sent),
            // A flush has no blockers: `Busy` means that the time passed.
            Err(Error::Busy(busy)) if busy.waited => Err(Error::TimedOut),
            Err(Error::Disconnected | Error::Stale) => {
                self.link.leave(End::FoundOut);
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
        self.link.destroy(None)
    }

    /// As [`Session::destroy`], but waits at most `wait` for the last user to leave.
    /// [`Session::abort`] by another thread ends the wait, with [`Error::Stale`].
    ///
    /// # Errors
    /// As [`Session::destroy`]; [`Error::Busy`] means that there were still users after `wait`.
    pub fn destroy_wait(&self, wait: Duration) -> Result<Certificate, Error> {
        self.link.destroy(Some(wait))
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
        self.link.is_ours()?;
        let turn = self.link.line.turn_to_abort()?;
        self.link.finish(&turn, Abort {}, Duration::ZERO)
    }

    /// Ends the attachment at once, without asking the daemon, which takes it back: closes the
    /// connection. A request that waits for its answer returns [`Error::Stale`], and so does every later
    /// call. The memory that a [`Buffer`](crate::Buffer) borrows stays until the buffer is dropped.
    pub fn hang_up(&self) {
        if !self.link.attachment.is_inherited() {
            self.link.leave(End::ByHand);
            self.link.close_connection();
        }
    }
}
