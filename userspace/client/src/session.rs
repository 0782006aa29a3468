//! An attached session: what the application calls while it runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use onair_ipc::caller::Attachment;
use onair_ipc::event::Event;
use onair_ipc::message::Attached;
use onair_types::{SessionId, SessionSpec};

use crate::line::Line;
use crate::{Buffer, BufferMut, Client, Error, EventFd, Layout, PutError, Timeout};

/// One attachment of this process to a session. All methods take `&self` and may be called from any
/// number of threads at once.
///
/// Dropping it closes the connection and lets the memory go, without blocking; the daemon takes the
/// attachment back. [`Session::detach`] does the same and says whether it was in order.
#[derive(Debug)]
pub struct Session {
    pub(crate) attachment: Arc<Attachment>,
    id: SessionId,
    name: String,
    layout: Layout,
    owner: bool,
    watched: bool,
    /// Orders the requests; kicks use the socket without it.
    pub(crate) line: Line,
    pub(crate) patience: Duration,
}

impl Session {
    pub(crate) fn new(
        attachment: Arc<Attachment>,
        attached: Attached,
        id: SessionId,
        layout: Layout,
        line: Line,
        patience: Duration,
    ) -> Self {
        Self {
            attachment,
            id,
            name: attached.name,
            layout,
            owner: attached.owner,
            watched: attached.watched,
            line,
            patience,
        }
    }

    /// Attaches to a living session, by name or id, of the daemon at the attach socket `path`:
    /// short for [`Client::attach`].
    ///
    /// # Errors
    /// As [`Client::attach`].
    pub fn attach(path: impl Into<PathBuf>, session: &str) -> Result<Self, Error> {
        Client::at(path).attach(session)
    }

    /// Creates a session and attaches to it as its owner: short for [`Client::create`].
    ///
    /// # Errors
    /// As [`Client::create`].
    pub fn create(path: impl Into<PathBuf>, spec: &SessionSpec) -> Result<Self, Error> {
        Client::at(path).create(spec)
    }

    /// The session's id: never used again, so a kept one cannot mean another session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of this attachment, unique in the daemon's life: what the list of blockers shows.
    #[must_use]
    pub fn attachment(&self) -> u64 {
        self.attachment.attachment()
    }

    /// How the bytes of each frame lie.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether frames go from this process to the wire.
    #[must_use]
    pub fn is_sender(&self) -> bool {
        self.attachment.sends()
    }

    /// Whether this process created the session, and may destroy it.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.owner
    }

    /// Whether the daemon's probe watches this process. Not under Valgrind, nor where the daemon
    /// runs with the probe off.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched
    }

    /// Takes the oldest ready frame; waits for one at most for `timeout`. In a send session: a free
    /// frame, to be filled through [`Session::buffer_get_mut`].
    ///
    /// # Errors
    /// [`Error::Stopped`] (`EAGAIN`) if the session is stopped, or a stop came while it waited, even
    /// if a start followed; each stop is told to each waiting caller exactly once. Do not loop on
    /// it: call [`Session::wait_started`].
    /// [`Error::TimedOut`] (`ETIMEDOUT`), [`Error::Stale`] (`ESTALE`). Never `EINTR`.
    #[inline(always)]
    pub fn buffer_get(&self, timeout: Timeout) -> Result<Buffer<'_>, Error> {
        match self.attachment.take(timeout.deadline()) {
            Ok(held) => Ok(Buffer::new(self, held)),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Send session: takes a free frame to be filled and submitted; waits for one at most for
    /// `timeout`.
    ///
    /// # Errors
    /// As [`Session::buffer_get`]; [`Error::NotASender`] (`EINVAL`) in a receive session.
    pub fn buffer_get_mut(&self, timeout: Timeout) -> Result<BufferMut<'_>, Error> {
        if !self.is_sender() {
            return Err(Error::NotASender(self.name.clone()));
        }
        self.buffer_get(timeout)?
            .writable()
            .map_err(|_| Error::NotASender(self.name.clone()))
    }

    /// Gives a buffer back; works when the session is stopped, too. Dropping the buffer does the
    /// same.
    ///
    /// # Errors
    /// `EINVAL` if the buffer came from another session: it comes back in the error, untouched.
    /// `ESTALE` if the session is gone, with the buffer.
    pub fn buffer_put<'b>(&self, buffer: Buffer<'b>) -> Result<(), PutError<'b>> {
        buffer.put_into(self)
    }

    /// Takes the next event; waits for one at most for `timeout`.
    ///
    /// # Errors
    /// As [`Session::buffer_get`].
    pub fn event_poll(&self, timeout: Timeout) -> Result<Event, Error> {
        Ok(self.attachment.poll_event(timeout.deadline())?)
    }

    /// Stops the session for this process: `buffer_get` and `event_poll` return
    /// [`Error::Stopped`] from now on, and those that wait wake up and return it.
    ///
    /// May be called from any thread and from a signal handler: no allocation, no lock, bounded
    /// work, `errno` is kept. Of a stopped session: done already.
    pub fn stop(&self) {
        self.attachment.stop();
    }

    /// Undoes [`Session::stop`]. A stop of the session itself, by the daemon, stays in force. May be
    /// called wherever `stop` may.
    pub fn start(&self) {
        self.attachment.start();
    }

    /// Whether a stop, of this process or of the session itself, is in force.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.attachment.is_stopped()
    }

    /// Whether the service itself goes away, rather than this session alone: the daemon has
    /// announced its shutdown, or has died. True before calls return `EAGAIN` for it, and still
    /// after they return `ESTALE`. No system call.
    #[must_use]
    pub fn is_service_ending(&self) -> bool {
        self.attachment.is_service_ending()
    }

    /// Waits until the session runs, at most for `timeout`. The caller uses no processor and does
    /// not count as a user meanwhile.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::Stale`].
    pub fn wait_started(&self, timeout: Timeout) -> Result<(), Error> {
        Ok(self.attachment.wait_started(timeout.deadline())?)
    }

    /// A descriptor that becomes readable when a call might return something: a frame, an event, a
    /// stop, a start, the end. For `poll`, `epoll` and what is built on them. A small thread of the
    /// library feeds it, until it is dropped.
    ///
    /// # Errors
    /// [`Error::System`]: out of descriptors or threads.
    pub fn event_fd(&self) -> Result<EventFd, Error> {
        match self.attachment.watch() {
            Ok(watch) => Ok(EventFd::new(watch)),
            Err(source) => Err(Error::System {
                what: "start the event descriptor",
                source,
            }),
        }
    }

    /// Buffers that this process holds now, forgotten guards included.
    #[must_use]
    pub fn buffers_held(&self) -> usize {
        self.attachment.held()
    }
}
