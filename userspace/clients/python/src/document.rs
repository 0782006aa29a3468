//! Documents of the daemon as plain Python objects, and back.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use serde_json::Value;

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
