//! An attached session: the calls of a running application.

use std::sync::Arc;
use std::time::Duration;

use onair_api::SessionId;
use onair_ipc::caller::Attachment;
use onair_ipc::event::Event;
use onair_ipc::label;
use onair_ipc::message::{Abort, Attached, Detach, Flush};
use onair_ipc::pins::End;

use crate::carries::Carries;
use crate::link::{Line, Link, ms};
use crate::{Certificate, Error, EventFd, Layout, Timeout};

/// One attachment of this process to a session. All methods take `&self`; any number of threads may
/// call them at once.
///
/// Dropping it closes the connection and releases the memory, without blocking; the daemon takes
/// the attachment back. [`Session::detach`] does the same and reports errors.
///
/// ```no_run
/// use onair::{Client, Timeout};
///
/// let session = Client::from_env().attach("studio")?;
/// let buffer = session.buffer_get(Timeout::millis(100))?;
/// println!("{}: frame {} of {}", session.name(), buffer.number(), session.layout().video);
/// # Ok::<(), onair::Error>(())
/// ```
#[derive(Debug)]
pub struct Session<L: Carries = Layout> {
    pub(crate) link: Link,
    id: SessionId,
    layout: L,
    local: bool,
    watched: bool,
    quota: u32,
}

impl<L: Carries> Session<L> {
    pub(crate) fn new(
        attachment: Arc<Attachment>,
        attached: Attached,
        id: SessionId,
        layout: L,
        line: Line,
        timeout: Duration,
    ) -> Self {
        Self {
            link: Link {
                attachment,
                name: attached.name,
                owner: attached.owner,
                line,
                timeout,
            },
            id,
            layout,
            local: attached.local,
            watched: attached.watched,
            quota: attached.quota,
        }
    }

    /// The session's id. It is never reused, so a stored id cannot mean another session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.link.name
    }

    /// Number of this attachment, unique since the daemon's start. The list of blockers shows it.
    #[must_use]
    pub fn attachment(&self) -> u64 {
        self.link.attachment.attachment()
    }

    /// Contents of each buffer: the layout of a frame's bytes, or the format of a block of audio.
    #[must_use]
    pub fn layout(&self) -> &L {
        &self.layout
    }

    /// Whether this process fills frames: for the wire, or for the readers of a local session.
    #[must_use]
    pub fn is_sender(&self) -> bool {
        self.link.attachment.sends()
    }

    /// Whether the session is local: one process fills its frames, the others read them, and there are no packets.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// Whether this process created the session, and may destroy it.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.link.owner
    }

    /// Whether the daemon's probe watches this process. False under Valgrind, and if the daemon
    /// runs with the probe off.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// Buffers that this process may hold at a time, all threads together. While it holds so many, `buffer_get` waits, and
    /// a receive session drops frames.
    #[must_use]
    pub fn quota(&self) -> usize {
        self.quota as usize
    }

    /// Gets the next event; waits at most `timeout` for one.
    ///
    /// # Errors
    /// As [`Session::buffer_get`].
    pub fn event_poll(&self, timeout: Timeout) -> Result<Event, Error> {
        Ok(self.link.attachment.poll_event(timeout.deadline(), None)?)
    }

    /// Stops the session for this process: from now on `buffer_get`, `event_poll` and `wait_started`
    /// return [`Error::Stopped`], and waiting callers wake up and return it.
    ///
    /// Any thread and any signal handler may call it: no allocation, no lock, bounded work, `errno`
    /// is preserved. Does nothing if the session is stopped.
    pub fn stop(&self) {
        self.link.attachment.stop();
    }

    /// Undoes [`Session::stop`]. It does not undo a stop of the session itself by the daemon. It
    /// may be called wherever `stop` may.
    pub fn start(&self) {
        self.link.attachment.start();
    }

    /// Whether the session is stopped, by this process or by the daemon.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.link.attachment.is_stopped()
    }

    /// Whether the daemon, rather than this session alone, is ending: the daemon has announced its
    /// shutdown, or has died. True before calls return `EAGAIN` because of it, and still true after
    /// they return `ESTALE`. No system call.
    #[must_use]
    pub fn is_service_ending(&self) -> bool {
        self.link.attachment.is_service_ending()
    }

    /// Waits at most `timeout` until the session runs. During the wait the caller uses no processor
    /// and does not count as a user.
    ///
    /// # Errors
    /// [`Error::Stopped`] as long as this process has [stopped](Session::stop) it,
    /// [`Error::TimedOut`], [`Error::Stale`].
    pub fn wait_started(&self, timeout: Timeout) -> Result<(), Error> {
        Ok(self.link.attachment.wait_started(timeout.deadline())?)
    }

    /// A descriptor that becomes readable when a call might have a result: a frame, an event, a
    /// stop, a start, the end. For `poll`, `epoll` and event loops. A small thread of the library
    /// signals it, until it is dropped.
    ///
    /// # Errors
    /// [`Error::System`]: out of descriptors or threads.
    pub fn event_fd(&self) -> Result<EventFd, Error> {
        match self.link.attachment.watch() {
            Ok(watch) => Ok(EventFd::new(watch)),
            Err(source) => Err(Error::System {
                what: "start the event descriptor",
                source,
            }),
        }
    }

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
