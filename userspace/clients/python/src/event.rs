//! Events of a session, and the descriptor for event loops.

use std::os::fd::AsRawFd as _;
use std::sync::Mutex;

use onair::{Error, EventKind};
use pyo3::prelude::*;

use crate::error::raised;

/// Something that happened to the session.
#[pyclass(frozen, get_all, module = "onair")]
pub(crate) struct Event {
    /// "started", "draining" (the daemon is shutting down), "dropped" or "retargeted" (other addresses).
    kind: &'static str,
    /// Number of frames that were dropped.
    argument: u64,
    /// Position in the attachment's history, from 1.
    sequence: u64,
    /// CLOCK_MONOTONIC, ns.
    at_ns: u64,
}

impl From<onair::Event> for Event {
    fn from(event: onair::Event) -> Self {
        Self {
            kind: match event.kind {
                EventKind::Started => "started",
                EventKind::Draining => "draining",
                EventKind::Dropped => "dropped",
                EventKind::Retargeted => "retargeted",
                EventKind::Other(_) => "other",
            },
            argument: event.argument,
            sequence: event.sequence,
            at_ns: event.at_ns,
        }
    }
}

#[pymethods]
impl Event {
    fn __repr__(&self) -> String {
        format!("<onair.Event {} {}>", self.kind, self.argument)
    }
}

/// A descriptor that is readable when a call might have a result. Clear it before you look.
#[pyclass(frozen, module = "onair")]
pub(crate) struct EventFd(Mutex<Option<onair::EventFd>>);

impl From<onair::EventFd> for EventFd {
    fn from(ready: onair::EventFd) -> Self {
        Self(Mutex::new(Some(ready)))
    }
}

#[pymethods]
impl EventFd {
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.with(py, |ready| ready.as_raw_fd())
    }

    /// Makes it unreadable, unless a call would have a result.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, onair::EventFd::clear)
    }

    /// Closes it.
    fn close(&self) {
        let ready = self.0.lock().map(|mut it| it.take());
        drop(ready);
    }
}

impl EventFd {
    fn with<T>(&self, py: Python<'_>, body: impl FnOnce(&onair::EventFd) -> T) -> PyResult<T> {
        let ready = self.0.lock();
        let result = ready.ok().and_then(|it| it.as_ref().map(body));
        result.ok_or_else(|| raised(py, Error::Stale))
    }
}
