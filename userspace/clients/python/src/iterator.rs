//! The frames of a session, in a loop.

use std::sync::{Arc, Mutex, PoisonError};

use onair::{Error, Timeout};
use pyo3::prelude::*;

use crate::again::Again;
use crate::attached::Attached;
use crate::error::raised;
use crate::frame::{Frame, Held};
use crate::loan::Loan;

/// Iterator over frames. Each step puts the frame of the step before, unless there is a view of it. It waits while the
/// daemon has stopped the session, and ends when this process stops or ends it.
#[pyclass(frozen, module = "onair")]
pub(crate) struct Frames {
    origin: Origin,
    last: Last,
}

/// Where frames come from.
enum Origin {
    /// The session, stopped by this process so often before.
    Session(Arc<Attached>, u64),
    Again(Arc<Again>),
}

/// The frames of the last step of a loop.
#[derive(Default)]
pub(crate) struct Last(Mutex<Vec<Arc<Held>>>);

impl Frames {
    pub(crate) fn new(attached: Arc<Attached>) -> Self {
        let stops = attached.stops();
        Self {
            origin: Origin::Session(attached, stops),
            last: Last::default(),
        }
    }

    pub(crate) fn again(again: Arc<Again>) -> Self {
        Self {
            origin: Origin::Again(again),
            last: Last::default(),
        }
    }
}

impl Last {
    /// Keeps the frames of this step in mind, and puts those of the step before.
    pub(crate) fn replace(&self, held: Vec<Arc<Held>>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *last, held);
        drop(last);
        before.iter().for_each(|held| held.put_unless_viewed());
    }
}

/// The next buffer of a session, stopped by this process so often before the loop; `None`: the loop is over.
pub(crate) fn take(py: Python<'_>, attached: &Attached, stops: u64) -> PyResult<Option<Loan>> {
    loop {
        match attached.get(py, Timeout::NEVER)? {
            Ok(loan) => return Ok(Some(loan)),
            Err(_) if attached.is_over(stops) => return Ok(None),
            Err(Error::Stopped) => {
                if !attached.wait_started(py, stops)? {
                    return Ok(None);
                }
            }
            Err(error) => return Err(raised(py, error)),
        }
    }
}

#[pymethods]
impl Frames {
    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Frame>> {
        self.last.replace(Vec::new());
        let loan = match &self.origin {
            Origin::Session(attached, stops) => take(py, attached, *stops)?,
            Origin::Again(again) => again.buffer(py, None)?.map(Loan::of_next),
        };
        let frame = loan.map(Frame::new);
        let held = frame.iter().map(|it| it.held().clone());
        self.last.replace(held.collect());
        Ok(frame)
    }
}
