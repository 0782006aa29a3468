//! `onair._onair`, the native part of the Python package `onair`: sessions, frames and their errors, on the Rust client
//! library.
//!
//! Each call that can block releases the interpreter's lock (GIL). A frame gives its bytes out by the buffer
//! protocol; the loan lasts as long as the last view of it. Not in this crate: the control socket, exceptions and
//! `asyncio`, which are in Python (`onair/`).

mod again;
mod attached;
mod error;
mod event;
mod frame;
mod group;
mod iterator;
mod loan;
mod reattaching;
mod session;
mod view;
mod waiting;

use pyo3::prelude::*;

#[pymodule]
mod _onair {
    use onair::{Client, PixelFormat};
    use pyo3::exceptions::PyValueError;
    use pyo3::prelude::*;
    use pyo3::types::PyString;

    use crate::error::of_python;
    use crate::error::{invalid, raised};
    use crate::waiting::{duration, request};

    #[pymodule_export]
    use crate::again::{Gap, Mark};
    #[pymodule_export]
    use crate::event::{Event, EventFd};
    #[pymodule_export]
    use crate::frame::Frame;
    #[pymodule_export]
    use crate::group::{Group, GroupStep, Unit};
    #[pymodule_export]
    use crate::iterator::Frames;
    #[pymodule_export]
    use crate::reattaching::Reattaching;
    #[pymodule_export]
    use crate::session::Session;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::view::add_classes(module)
    }

    fn client(socket: Option<String>, response_timeout: f64) -> PyResult<Client> {
        let client = socket.map_or_else(Client::from_env, Client::at);
        Ok(client.response_timeout(duration(response_timeout)?))
    }

    /// Attaches this process to a session, by name or id.
    ///
    /// With a `layout`, such as "v210", the frames are those of a converted session, which an operator made. `socket` is the attach socket, by default
    /// $ONAIR_ATTACH or /run/onair/attach.sock. `response_timeout` (seconds) limits the daemon's answers, no wait for
    /// a frame. With `reattach` it attaches again whenever the session ends. With `fill` this process fills the frames of
    /// a send session, or of a local one that others read. With `sample` it takes some frames, the newest ones, and is slow
    /// to none.
    #[pyfunction]
    #[pyo3(signature = (session, layout=None, *, reattach=false, fill=false, sample=false, socket=None, response_timeout=30.0))]
    #[expect(clippy::too_many_arguments, reason = "what Python names")]
    fn attach<'py>(
        py: Python<'py>,
        session: String,
        layout: Option<&str>,
        reattach: bool,
        fill: bool,
        sample: bool,
        socket: Option<String>,
        response_timeout: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let client = client(socket, response_timeout)?;
        let format = layout.map(str::parse::<PixelFormat>).transpose();
        let format = format.map_err(|error| invalid(py, error))?;
        if fill && (reattach || format.is_some()) {
            return Err(PyValueError::new_err(
                "give `fill` without `layout` and `reattach`",
            ));
        }
        if sample && (fill || reattach) {
            return Err(PyValueError::new_err(
                "give `sample` without `fill` and `reattach`",
            ));
        }
        if fill {
            let attach = move || client.attach_to_fill_of(&session);
            let attached = request(py, attach, || {})?.map_err(|error| raised(py, error))?;
            return Ok(Bound::new(py, Session::new(attached))?.into_any());
        }
        if reattach {
            let attach = move || client.reattaching_of(&session, format);
            let attached = request(py, attach, || {})?.map_err(|error| raised(py, error))?;
            return Ok(Bound::new(py, Reattaching::new(attached))?.into_any());
        }
        let attach = move || match sample {
            true => client.attach_to_sample_of(&session, format),
            false => client.attach_of(&session, format),
        };
        let attached = request(py, attach, || {})?.map_err(|error| raised(py, error))?;
        Ok(Bound::new(py, Session::new(attached))?.into_any())
    }

    /// Attaches this process to all sessions of a group that receives, or to none. `socket`, `response_timeout`: as of
    /// `attach`.
    #[pyfunction]
    #[pyo3(signature = (group, *, socket=None, response_timeout=30.0))]
    fn attach_group(
        py: Python<'_>,
        group: String,
        socket: Option<String>,
        response_timeout: f64,
    ) -> PyResult<Group> {
        let client = client(socket, response_timeout)?;
        let attached = request(py, move || client.attach_group(&group), || {})?;
        Ok(Group::new(attached.map_err(|error| raised(py, error))?))
    }

    /// Creates a session that this process owns, and attaches to it; to a local session, to fill it. `spec` is a document as for the control API, or
    /// its JSON.
    #[pyfunction]
    #[pyo3(signature = (spec, *, socket=None, response_timeout=30.0))]
    fn create(
        spec: &Bound<'_, PyAny>,
        socket: Option<String>,
        response_timeout: f64,
    ) -> PyResult<Session> {
        let py = spec.py();
        let client = client(socket, response_timeout)?;
        let text = match spec.cast::<PyString>() {
            Ok(text) => text.to_str()?.to_owned(),
            Err(_) => of_python(spec)?,
        };
        let spec = serde_json::from_str(&text).map_err(|error| invalid(py, error))?;
        let created = request(py, move || client.create_of(&spec), || {})?;
        Ok(Session::new(created.map_err(|error| raised(py, error))?))
    }

    /// The errno of a code of the control API.
    #[pyfunction]
    fn errno_of(code: String) -> i32 {
        let message = String::new();
        onair::Error::Refused { code, message }.errno()
    }
}
