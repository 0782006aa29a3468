//! A session of this process, and what Python did to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use onair::{AnySession, Error, Parts, Timeout};
use pyo3::prelude::*;

use crate::error::raised;
use crate::loan::Loan;
use crate::waiting::{Waited, call, request};

pub(crate) struct Attached {
    pub(crate) session: Arc<AnySession>,
    /// Stops by this process: they end the loops that had begun.
    stops: AtomicU64,
    /// This process has closed, detached or ended it.
    has_ended: AtomicBool,
}

impl Attached {
    pub(crate) fn new(session: Arc<AnySession>) -> Self {
        Self {
            session,
            stops: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
        }
    }

    pub(crate) fn get(&self, py: Python<'_>, timeout: Timeout) -> Waited<Loan> {
        let session = &self.session;
        call(
            py,
            timeout,
            |timeout| Ok(Loan::new(session.buffer_get_owned(timeout)?)),
            |parts| {
                let buffer = session.buffer_get_part(parts)?;
                Ok(buffer.map(Loan::new))
            },
        )
    }

    pub(crate) fn get_open(&self, py: Python<'_>, lines: u32, timeout: Timeout) -> Waited<Loan> {
        let session = &self.session;
        call(
            py,
            timeout,
            |timeout| Ok(Loan::new(session.buffer_get_open_owned(lines, timeout)?)),
            |parts| {
                let buffer = session.buffer_get_open_part(lines, parts)?;
                Ok(buffer.map(Loan::new))
            },
        )
    }

    pub(crate) fn stop(&self) {
        self.stops.fetch_add(1, Ordering::SeqCst);
        self.session.stop();
    }

    pub(crate) fn stops(&self) -> u64 {
        self.stops.load(Ordering::SeqCst)
    }

    /// Whether a loop that began after so many stops is over.
    pub(crate) fn is_over(&self, stops: u64) -> bool {
        self.stops() != stops || self.has_ended.load(Ordering::SeqCst)
    }

    /// Waits until the session runs; `false`: the loop that began after so many stops is over.
    pub(crate) fn wait_started(&self, py: Python<'_>, stops: u64) -> PyResult<bool> {
        // In parts in each thread: Python's signal handlers run between them.
        let mut parts = Parts::new(Timeout::NEVER);
        while !self.is_over(stops) {
            match py.detach(|| self.session.wait_started_part(&mut parts)) {
                Ok(Some(())) => return Ok(true),
                Ok(None) => py.check_signals()?,
                Err(error) if !self.is_over(stops) => return Err(raised(py, error)),
                Err(_) => {}
            }
        }
        Ok(false)
    }

    pub(crate) fn close(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.session.hang_up();
    }

    /// Makes a request. Ctrl-C while it waits ends the attachment: another request could not tell its answer from the
    /// late one.
    pub(crate) fn request<T: Send + 'static>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&AnySession) -> Result<T, Error> + Send + 'static,
    ) -> PyResult<T> {
        let session = self.session.clone();
        let answer = request(py, move || ask(&session), || self.close())?;
        answer.map_err(|error| raised(py, error))
    }

    /// As [`Self::request`], of one that ends the attachment.
    pub(crate) fn end<T: Send + 'static>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&AnySession) -> Result<T, Error> + Send + 'static,
    ) -> PyResult<T> {
        let before = self.has_ended.swap(true, Ordering::SeqCst);
        let answer = self.request(py, ask);
        if answer.is_err() {
            self.has_ended.fetch_and(before, Ordering::SeqCst);
        }
        answer
    }
}
