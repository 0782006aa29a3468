//! A loan that Python holds, until it is put, submitted, or no object has a view of it any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use onair::Error;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;

use crate::error::raised;
use crate::loan::Loan;

/// The loan of a frame. Each view of its bytes has a reference to it. The lock is taken under the GIL only, and for some
/// instructions, so that a child of a fork finds it free.
pub(crate) struct Held(Mutex<Option<Arc<Loan>>>);

impl Held {
    pub(crate) fn new(loan: Loan) -> Self {
        Self(Mutex::new(Some(Arc::new(loan))))
    }

    /// The loan, for a view of its bytes, which keeps it.
    pub(crate) fn view(&self, py: Python<'_>) -> PyResult<Arc<Loan>> {
        let loan = self.lock().clone();
        loan.ok_or_else(|| raised(py, Error::AlreadyPut))
    }

    pub(crate) fn is_held(&self) -> bool {
        self.lock().is_some()
    }

    /// Takes the loan, if there is no view of it.
    pub(crate) fn take(&self, py: Python<'_>) -> PyResult<Loan> {
        // An exception is made without the lock: it runs Python's code, which may let another thread run.
        let taken = self.lock().take();
        let loan = taken.ok_or_else(|| raised(py, Error::AlreadyPut))?;
        Arc::try_unwrap(loan).map_err(|viewed| {
            *self.lock() = Some(viewed);
            PyBufferError::new_err(
                "the frame has views (memoryview, numpy array): delete them first",
            )
        })
    }

    /// Keeps a loan that was taken.
    pub(crate) fn keep(&self, loan: Loan) {
        *self.lock() = Some(Arc::new(loan));
    }

    /// Puts the loan, unless there is a view of it.
    pub(crate) fn put_unless_viewed(&self) {
        let loan = self.lock().take_if(|loan| Arc::strong_count(loan) == 1);
        drop(loan);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Loan>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
