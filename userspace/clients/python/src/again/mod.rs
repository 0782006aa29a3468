//! Attaching again, between the calls of one thread and a close by any.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair::{AnySession, Contents, Ended, Error, Next, OwnedFrame, Timeout};
use pyo3::prelude::*;

use crate::error::{invalid, raised};
use crate::loan::OwnedBuffer;
use crate::waiting::PERIOD;

/// An attachment to sessions of any essence.
pub(crate) type Reattaching = onair::Reattaching<Contents>;

/// The lock is taken under the GIL only, and for some instructions, so that a child of a fork finds it free.
pub(crate) struct Again(Mutex<Now>);

enum Now {
    Idle(Box<Reattaching>),
    /// A thread is in a call, which began with this session.
    InCall(Option<Arc<AnySession>>),
    Closed,
}

impl Again {
    pub(crate) fn new(reattaching: Reattaching) -> Self {
        Self(Mutex::new(Now::Idle(Box::new(reattaching))))
    }

    /// The session that it is attached to, if any.
    pub(crate) fn session(&self) -> Option<Arc<AnySession>> {
        match &*self.lock() {
            Now::Idle(reattaching) => reattaching.session().cloned(),
            Now::InCall(session) => session.clone(),
            Now::Closed => None,
        }
    }

    pub(crate) fn buffer(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
    ) -> PyResult<Option<Next<OwnedBuffer>>> {
        self.call(py, timeout, Reattaching::buffer_get)
    }

    pub(crate) fn frame(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
    ) -> PyResult<Option<Next<OwnedFrame<Contents>>>> {
        self.call(py, timeout, Reattaching::frame_get)
    }

    /// Ends the attachment now, or when a call of another thread ends, which is within a period.
    pub(crate) fn close(&self) {
        let before = std::mem::replace(&mut *self.lock(), Now::Closed);
        if let Now::Idle(reattaching) = before {
            end(&reattaching);
        }
    }

    /// Makes a call in parts: between two it looks for signals, and for a close. `None`: it is closed.
    fn call<T: Send>(
        &self,
        py: Python<'_>,
        timeout: Option<Duration>,
        get: impl Fn(&mut Reattaching, Timeout) -> Result<T, Error> + Sync,
    ) -> PyResult<Option<T>> {
        // A time beyond the clock's range never comes.
        let end = timeout.and_then(|it| Instant::now().checked_add(it));
        loop {
            let left = end.map(|it| it.saturating_duration_since(Instant::now()));
            let part = left.unwrap_or(PERIOD).min(PERIOD);
            match self.part(py, |it| get(it, part.into()))? {
                None => return Ok(None),
                Some(Err(Error::TimedOut)) if left.is_none_or(|it| it > part) => {
                    py.check_signals()?;
                }
                Some(result) => return result.map(Some).map_err(|error| raised(py, error)),
            }
        }
    }

    fn part<T: Send>(
        &self,
        py: Python<'_>,
        get: impl FnOnce(&mut Reattaching) -> T + Send,
    ) -> PyResult<Option<T>> {
        let Some(taken) = self.take() else {
            return Err(invalid(
                py,
                "another thread is in a call: one thread calls it",
            ));
        };
        let Some(mut reattaching) = taken else {
            return Ok(None);
        };
        let result = py.detach(|| get(&mut reattaching));
        let mut now = self.lock();
        if matches!(*now, Now::Closed) {
            drop(now);
            end(&reattaching);
            return Ok(None);
        }
        *now = Now::Idle(reattaching);
        Ok(Some(result))
    }

    /// The object that attaches again, for a call; `Some(None)`: it is closed, `None`: another thread has it.
    fn take(&self) -> Option<Option<Box<Reattaching>>> {
        let mut now = self.lock();
        match std::mem::replace(&mut *now, Now::Closed) {
            Now::Idle(reattaching) => {
                *now = Now::InCall(reattaching.session().cloned());
                Some(Some(reattaching))
            }
            in_call @ Now::InCall(_) => {
                *now = in_call;
                None
            }
            Now::Closed => Some(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the attachment, also if frames of it are out.
fn end(reattaching: &Reattaching) {
    if let Some(session) = reattaching.session() {
        session.hang_up();
    }
}

/// A time without frames, of an attachment that attaches again.
#[pyclass(frozen, get_all, module = "onair")]
pub(crate) struct Gap {
    /// The worst that happened: the session was "stopped", the "session" ended (or this process was evicted from it), or
    /// the "daemon" did.
    ended: &'static str,
    /// From when a call found that out until the next frame came, in seconds.
    lasted: f64,
    /// The last frame before; `None`: there was none.
    last: Option<Py<Mark>>,
    /// The first frame after it.
    first: Py<Mark>,
    /// Frames that the sender sent between the two, by number or else by media time. `None`: not known, as in a send
    /// session.
    missing: Option<u64>,
}

impl Gap {
    pub(crate) fn new(py: Python<'_>, gap: &onair::Gap) -> PyResult<Self> {
        let mark = |mark: onair::Mark| {
            let mark = Mark {
                session: mark.session.to_string(),
                number: mark.number,
                media_time_ns: mark.media_time_ns,
            };
            Py::new(py, mark)
        };
        Ok(Self {
            ended: match gap.ended {
                Ended::Stopped => "stopped",
                Ended::Session => "session",
                Ended::Daemon => "daemon",
            },
            lasted: gap.lasted.as_secs_f64(),
            last: gap.last.map(mark).transpose()?,
            first: mark(gap.first)?,
            missing: gap.missing,
        })
    }
}

/// Where a frame is in its session and in time.
#[pyclass(frozen, get_all, module = "onair")]
pub(crate) struct Mark {
    /// Id of the session: one that was made again has another.
    session: String,
    /// As `Frame.number`.
    number: u64,
    /// As `Frame.media_time_ns`.
    media_time_ns: Option<u64>,
}

#[pymethods]
impl Gap {
    fn __repr__(&self) -> String {
        let missing = self.missing.map(|it| format!(", {it} frames missing"));
        let (ended, lasted) = (self.ended, self.lasted);
        format!(
            "<onair.Gap {ended}: {lasted:.3} s{}>",
            missing.unwrap_or_default()
        )
    }
}

#[pymethods]
impl Mark {
    fn __repr__(&self) -> String {
        format!("<onair.Mark {} of {}>", self.number, self.session)
    }
}
