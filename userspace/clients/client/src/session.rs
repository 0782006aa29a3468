//! An attached session: the calls of a running application.

use std::sync::Arc;
use std::time::Duration;

use onair_api::SessionId;
use onair_ipc::caller::Attachment;
use onair_ipc::event::Event;
use onair_ipc::message::Attached;

use crate::carries::Carries;
use crate::link::{Line, Link};
use crate::{Error, EventFd, Layout, Timeout};

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
}
