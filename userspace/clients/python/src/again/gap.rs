//! A time without frames, for Python.

use onair::Ended;
use pyo3::prelude::*;

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
