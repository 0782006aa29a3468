//! Calls that block: without the GIL, and with Python's signal handlers run meanwhile.
//!
//! Python runs them in its main thread only, between two instructions. So a call of that thread is made in parts, or
//! in a thread of its own; a call of another thread just waits.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use onair::{Error, Parts, Timeout};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// Between two looks for signals while a call waits.
pub(crate) const PERIOD: Duration = Duration::from_millis(100);

/// A result of the library, or an exception of a signal handler.
pub(crate) type Waited<T> = PyResult<Result<T, Error>>;

/// A time limit in seconds; `None`: none.
pub(crate) fn timeout(seconds: Option<f64>) -> PyResult<Timeout> {
    seconds.map_or(Ok(Timeout::NEVER), |it| Ok(duration(it)?.into()))
}

pub(crate) fn duration(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| PyValueError::new_err(format!("{seconds} is no time in seconds")))
}

/// Makes a call on the shared memory, in parts if signals are for this thread.
pub(crate) fn call<T: Send>(
    py: Python<'_>,
    timeout: Timeout,
    whole: impl FnOnce(Timeout) -> Result<T, Error> + Send,
    part: impl Fn(&mut Parts) -> Result<Option<T>, Error> + Sync,
) -> Waited<T> {
    if !is_main() {
        return Ok(py.detach(|| whole(timeout)));
    }
    let mut parts = Parts::new(timeout);
    loop {
        match py.detach(|| part(&mut parts)).transpose() {
            Some(result) => return Ok(result),
            None => py.check_signals()?,
        }
    }
}

/// Makes a request to the daemon. If a signal handler raises an exception in the meantime, `give_up` is called, and the
/// answer is dropped.
pub(crate) fn request<T: Send + 'static>(
    py: Python<'_>,
    ask: impl FnOnce() -> T + Send + 'static,
    give_up: impl FnOnce(),
) -> PyResult<T> {
    if !is_main() {
        return Ok(py.detach(ask));
    }
    let (to, mut from) = channel();
    let thread = std::thread::Builder::new().name("onair-request".into());
    // The receiver may have given up.
    thread.spawn(move || drop(to.send(ask())))?;
    loop {
        let received;
        (from, received) = py.detach(move || {
            let received = from.recv_timeout(PERIOD);
            (from, received)
        });
        match received {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(raised) = py.check_signals() {
                    give_up();
                    return Err(raised);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("a fault in the library; report it"));
            }
        }
    }
}

/// Whether Python's signal handlers run in this thread.
fn is_main() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}
