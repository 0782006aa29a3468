//! An attachment that attaches again when its session ends.

use std::sync::Arc;

use onair::Error;
use pyo3::prelude::*;

use crate::again::{self, Again};
use crate::attached::Attached;
use crate::error::raised;
use crate::frame::Frame;
use crate::iterator::Frames;
use crate::loan::Loan;
use crate::session::Session;
use crate::waiting::duration;

/// An attachment to whatever session has a name. When the session stops, ends or its daemon dies, calls wait for the
/// next one and attach to it; the first frame after that has the `gap`. One thread calls it, any thread may close it.
///
/// In a `for` loop it gives the frames, until it is closed.
#[pyclass(frozen, weakref, module = "onair")]
pub(crate) struct Reattaching(Arc<Again>);

impl Reattaching {
    pub(crate) fn new(reattaching: again::Reattaching) -> Self {
        Self(Arc::new(Again::new(reattaching)))
    }

    pub(crate) fn again(&self) -> &Arc<Again> {
        &self.0
    }
}

#[pymethods]
impl Reattaching {
    /// The session that it is attached to now, if any.
    #[getter]
    fn session(&self) -> Option<Session> {
        let session = self.0.session()?;
        Some(Attached::new(session).into())
    }

    /// Gets the oldest frame; in a send session a free one. Waits at most `timeout` seconds, however often the session ends
    /// meanwhile; `None` has no limit. Raises what no time heals, such as `NotPermitted`; the next call tries again.
    #[pyo3(signature = (timeout=None))]
    fn get(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Frame> {
        let next = self.0.buffer(py, timeout.map(duration).transpose()?)?;
        let loan = next.map(Loan::of_next);
        Ok(Frame::new(loan.ok_or_else(|| raised(py, Error::Stale))?))
    }

    /// Ends the attachment at once, or within 0.1 seconds if a thread is in a call. Views of frames stay readable.
    fn close(&self) {
        self.0.close();
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.0.close();
    }

    fn __iter__(&self) -> Frames {
        Frames::again(self.0.clone())
    }
}
