//! An attachment to a session.

use std::sync::Arc;

use onair::{AnySession, Contents};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::attached::Attached;
use crate::error::{raised, to_python};
use crate::event::{Event, EventFd};
use crate::frame::Frame;
use crate::iterator::Frames;
use crate::waiting::{call, duration, timeout};

/// One attachment of this process to a session. Any number of threads may use it.
///
/// In a `for` loop it gives its frames, also after pauses, until this process stops or ends it.
#[pyclass(frozen, weakref, module = "onair")]
pub(crate) struct Session(Arc<Attached>);

impl Session {
    pub(crate) fn new(session: AnySession) -> Self {
        Attached::new(Arc::new(session)).into()
    }

    pub(crate) fn attached(&self) -> &Arc<Attached> {
        &self.0
    }

    pub(crate) fn layout(&self) -> &Contents {
        self.0.session.layout()
    }
}

impl From<Attached> for Session {
    fn from(attached: Attached) -> Self {
        Self(Arc::new(attached))
    }
}

#[pymethods]
impl Session {
    /// The session's id, which is never reused.
    #[getter]
    fn id(&self) -> String {
        self.0.session.id().to_string()
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        self.0.session.name()
    }

    /// Its essence: "video", "audio", "ancillary" or "jpeg_xs".
    #[getter]
    fn essence(&self) -> &'static str {
        self.layout().essence()
    }

    /// Number of this attachment; the list of blockers shows it.
    #[getter]
    fn attachment(&self) -> u64 {
        self.0.session.attachment()
    }

    /// Whether frames go from this process to the wire.
    #[getter]
    fn is_sender(&self) -> bool {
        self.0.session.is_sender()
    }

    /// Whether this process created the session, and may destroy it.
    #[getter]
    fn is_owner(&self) -> bool {
        self.0.session.is_owner()
    }

    /// Whether the daemon's probe watches this process.
    #[getter]
    fn is_watched(&self) -> bool {
        self.0.session.is_watched()
    }

    /// Whether this process or the daemon has stopped the session.
    #[getter]
    fn is_stopped(&self) -> bool {
        self.0.session.is_stopped()
    }

    /// Whether the daemon is shutting down, or has died.
    #[getter]
    fn is_service_ending(&self) -> bool {
        self.0.session.is_service_ending()
    }

    /// Frames that this process may hold at a time. While it holds so many, `get` waits.
    #[getter]
    fn quota(&self) -> usize {
        self.0.session.quota()
    }

    /// Frames that this process holds.
    #[getter]
    fn frames_held(&self) -> usize {
        self.0.session.buffers_held()
    }

    /// Gets the oldest frame; in a send session a free one. Waits at most `timeout` seconds; 0 never blocks, `None` has no
    /// limit.
    #[pyo3(signature = (timeout=None))]
    fn get(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Frame> {
        let loan = self.0.get(py, self::timeout(timeout)?)?;
        Ok(Frame::new(loan.map_err(|error| raised(py, error))?))
    }

    /// Gets the oldest frame of which so many lines stand in memory, also while the rest is still received:
    /// `frame.wait_lines` waits for more. Of audio: samples; of JPEG XS: bytes. A frame that began before the first such
    /// call comes whole, as does all ancillary data. Waits at most `timeout` seconds.
    #[pyo3(signature = (lines, timeout=None))]
    fn get_open(&self, py: Python<'_>, lines: u32, timeout: Option<f64>) -> PyResult<Frame> {
        let loan = self.0.get_open(py, lines, self::timeout(timeout)?)?;
        Ok(Frame::new(loan.map_err(|error| raised(py, error))?))
    }

    /// Gets the next event; waits at most `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn event(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Event> {
        let session = &self.0.session;
        let event = call(
            py,
            self::timeout(timeout)?,
            |timeout| session.event_poll(timeout),
            |parts| session.event_poll_part(parts),
        )?;
        Ok(event.map_err(|error| raised(py, error))?.into())
    }

    /// Stops the session for this process: calls raise `Stopped`, also those that wait. Loops end.
    fn stop(&self) {
        self.0.stop();
    }

    /// Undoes `stop`.
    fn start(&self) {
        self.0.session.start();
    }

    /// Waits at most `timeout` seconds until the session runs; raises `Stopped` if this process has stopped it.
    #[pyo3(signature = (timeout=None))]
    fn wait_started(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let session = &self.0.session;
        let started = call(
            py,
            self::timeout(timeout)?,
            |timeout| session.wait_started(timeout),
            |parts| session.wait_started_part(parts),
        )?;
        started.map_err(|error| raised(py, error))
    }

    /// Waits at most `wait` seconds until all that was submitted is sent; returns how many frames that were.
    fn flush(&self, py: Python<'_>, wait: f64) -> PyResult<u64> {
        let wait = duration(wait)?;
        self.0.request(py, move |session| session.flush(wait))
    }

    /// Ends the attachment; raises `Busy` while this process holds frames.
    fn detach(&self, py: Python<'_>) -> PyResult<()> {
        self.0.end(py, AnySession::detach)
    }

    /// Destroys the session, which this process created and has stopped; waits at most `wait` seconds for its users to leave.
    /// Returns the certificate. Raises `Busy` with the blockers.
    #[pyo3(signature = (wait=None))]
    fn destroy<'py>(&self, py: Python<'py>, wait: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let wait = wait.map(duration).transpose()?;
        let certificate = self.0.end(py, move |session| match wait {
            None => session.destroy(),
            Some(wait) => session.destroy_wait(wait),
        })?;
        to_python(py, certificate.document())
    }

    /// Destroys the session, which this process created, despite its users. Returns the certificate.
    fn abort<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let certificate = self.0.end(py, AnySession::abort)?;
        to_python(py, certificate.document())
    }

    /// Ends the attachment at once. Views of frames stay readable.
    fn close(&self) {
        self.0.close();
    }

    /// A descriptor for `select` and event loops.
    fn event_fd(&self, py: Python<'_>) -> PyResult<EventFd> {
        let ready = self.0.session.event_fd();
        Ok(ready.map_err(|error| raised(py, error))?.into())
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.0.close();
    }

    fn __iter__(&self) -> Frames {
        Frames::new(self.0.clone())
    }

    fn __aiter__(this: Bound<'_, Self>) -> PyResult<Bound<'_, PyAny>> {
        static FRAMES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let frames = FRAMES.import(this.py(), "onair._aio", "AsyncFrames")?;
        frames.call1((this,))
    }

    /// Stops by this process so far.
    #[getter]
    fn _stops(&self) -> u64 {
        self.0.stops()
    }

    /// Whether a loop that began after so many stops is over.
    fn _is_over(&self, stops: u64) -> bool {
        self.0.is_over(stops)
    }

    fn __repr__(&self) -> String {
        let session = &self.0.session;
        format!("<onair.Session {} ({})>", session.name(), session.id())
    }
}
