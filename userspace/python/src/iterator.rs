//! The frames of a session, in a loop.

use std::sync::{Arc, Mutex, PoisonError};

use onair::{Error, Timeout};
use pyo3::prelude::*;

use crate::attached::Attached;
use crate::error::raised;
use crate::frame::Frame;
use crate::held::Held;
use crate::loan::Loan;

/// Iterator over the frames of a session. Each step puts the frame of the step before, unless there is a view of it. It
/// waits while the daemon has stopped the session, and ends when this process stops or ends it.
#[pyclass(frozen, module = "onair")]
pub(crate) struct Frames {
    attached: Arc<Attached>,
    stops: u64,
    last: Mutex<Vec<Arc<Held>>>,
}

impl Frames {
    pub(crate) fn new(attached: Arc<Attached>) -> Self {
        Self {
            stops: attached.stops(),
            attached,
            last: Mutex::default(),
        }
    }

    /// Keeps the frames of this step in mind, and puts those of the step before.
    pub(crate) fn replace(&self, held: Vec<Arc<Held>>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *last, held);
        drop(last);
        before.iter().for_each(|held| held.put_unless_viewed());
    }

    /// The next buffer; `None`: the loop is over.
    pub(crate) fn take(&self, py: Python<'_>) -> PyResult<Option<Loan>> {
        loop {
            match self.attached.get(py, Timeout::NEVER)? {
                Ok(loan) => return Ok(Some(loan)),
                Err(_) if self.attached.is_over(self.stops) => return Ok(None),
                Err(Error::Stopped) => {
                    if !self.attached.wait_started(py, self.stops)? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(raised(py, error)),
            }
        }
    }
}

#[pymethods]
impl Frames {
    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        self.replace(Vec::new());
        let frame = self.take(py)?.map(Frame::new);
        self.replace(frame.iter().map(|it| it.held().clone()).collect());
        Ok(frame)
    }
}
