//! Errors of the library as exceptions: `onair/_errors.py` has the classes.

use std::fmt::Display;

use onair::Error;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use serde_json::Value;

/// The errno of a wrong value that only Python can pass.
const EINVAL: i32 = 22;

/// The exception for an error.
pub(crate) fn raised(py: Python<'_>, error: Error) -> PyErr {
    let (message, errno) = (error.to_string(), error.errno());
    if matches!(error, Error::NoDaemon { .. }) {
        return no_daemon(py, errno, message).unwrap_or_else(|fault| fault);
    }
    let (code, blockers) = match error {
        Error::Refused { code, .. } => (Some(code), Vec::new()),
        Error::Busy(busy) => (None, busy.blockers),
        _ => (None, Vec::new()),
    };
    let blockers = serde_json::to_value(blockers).unwrap_or_default();
    let made = to_python(py, &blockers).and_then(|it| make(py, errno, message, code, Some(it)));
    made.unwrap_or_else(|fault| fault)
}

fn no_daemon(py: Python<'_>, errno: i32, message: String) -> PyResult<PyErr> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.import(py, "onair._errors", "NoDaemon")?;
    Ok(PyErr::from_value(class.call1((errno, message))?))
}

/// The exception for a value that is not valid.
pub(crate) fn invalid(py: Python<'_>, why: impl Display) -> PyErr {
    let made = make(py, EINVAL, why.to_string(), None, None);
    made.unwrap_or_else(|fault| fault)
}

fn make(
    py: Python<'_>,
    errno: i32,
    message: String,
    code: Option<String>,
    blockers: Option<Bound<'_, PyAny>>,
) -> PyResult<PyErr> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE.import(py, "onair._errors", "make")?;
    let made = make.call1((errno, message, code, blockers))?;
    Ok(PyErr::from_value(made))
}

pub(crate) fn to_python<'py>(py: Python<'py>, document: &Value) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    LOADS
        .import(py, "json", "loads")?
        .call1((document.to_string(),))
}

/// The JSON of a document.
pub(crate) fn of_python(document: &Bound<'_, PyAny>) -> PyResult<String> {
    static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let dumps = DUMPS.import(document.py(), "json", "dumps")?;
    dumps.call1((document,))?.extract()
}
