//! Whole frames of video, also of a session whose frames are fields.

use std::sync::{Arc, Mutex, PoisonError};

use onair::{AnySession, Assembly, Contents, Field, Next, OwnedFrame};
use pyo3::prelude::*;

use super::{name, pictures, unpack};
use crate::again::{Again, Gap};
use crate::attached::Attached;
use crate::error::raised;
use crate::frame::Frame;
use crate::iterator::{Last, take};
use crate::loan::Loan;
use crate::reattaching::Reattaching;
use crate::session::Session;

/// Iterator over the whole frames of a session: the two fields of an interlaced frame together. It waits and ends as the
/// loop over a session. It holds a first field until the second one comes: the session needs a `quota` of at least 2.
#[pyclass(frozen, module = "onair")]
pub(crate) struct VideoFrames {
    origin: Origin,
    last: Last,
}

/// Where frames come from.
enum Origin {
    /// The session, stopped by this process so often before.
    Session(Arc<Attached>, u64, Mutex<Assembly<Arc<AnySession>>>),
    Again(Arc<Again>),
}

/// Source of the frames.
#[derive(FromPyObject)]
enum Of<'py> {
    Session(Bound<'py, Session>),
    Reattaching(Bound<'py, Reattaching>),
}

/// A frame of video: the fields of it that came, or the one frame of a session that is not interlaced.
#[pyclass(frozen, module = "onair")]
pub(crate) struct VideoFrame {
    fields: Vec<Py<Frame>>,
    missing: Option<Field>,
    gap: Option<onair::Gap>,
}

#[pymethods]
impl VideoFrames {
    #[new]
    fn new(py: Python<'_>, session: Of<'_>) -> PyResult<Self> {
        let origin = match session {
            Of::Session(session) => {
                let attached = session.get().attached().clone();
                let assembly = Assembly::of(&attached.session);
                let assembly = Mutex::new(assembly.map_err(|error| raised(py, error))?);
                let stops = attached.stops();
                Origin::Session(attached, stops, assembly)
            }
            Of::Reattaching(reattaching) => Origin::Again(reattaching.get().again().clone()),
        };
        let last = Last::default();
        Ok(Self { origin, last })
    }

    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<VideoFrame>> {
        self.last.replace(Vec::new());
        let (whole, gap) = match &self.origin {
            Origin::Session(attached, stops, assembly) => {
                (whole(py, attached, *stops, assembly)?, None)
            }
            Origin::Again(again) => match again.frame(py, None)? {
                None => (None, None),
                Some(Next::Buffer(whole)) => (Some(whole), None),
                Some(Next::Resumed(gap, whole)) => (Some(whole), Some(gap)),
            },
        };
        let Some(whole) = whole else { return Ok(None) };
        let missing = whole.missing();
        let fields = whole
            .into_buffers()
            .map(|it| Py::new(py, Frame::new(Loan::new(it))));
        let fields = fields.collect::<PyResult<Vec<_>>>()?;
        let held = fields.iter().map(|it| it.get().held().clone());
        self.last.replace(held.collect());
        Ok(Some(VideoFrame {
            fields,
            missing,
            gap,
        }))
    }
}

/// The next whole frame of a session; `None`: the loop is over.
fn whole(
    py: Python<'_>,
    attached: &Attached,
    stops: u64,
    assembly: &Mutex<Assembly<Arc<AnySession>>>,
) -> PyResult<Option<OwnedFrame<Contents>>> {
    let assembly = || assembly.lock().unwrap_or_else(PoisonError::into_inner);
    let mut whole = assembly().waiting();
    while whole.is_none() {
        let Some(loan) = take(py, attached, stops)? else {
            assembly().clear();
            return Ok(None);
        };
        whole = assembly().push(loan.into_buffer());
    }
    Ok(whole)
}

#[pymethods]
impl VideoFrame {
    /// Its fields that came, the first one first.
    #[getter]
    fn fields(&self, py: Python<'_>) -> Vec<Py<Frame>> {
        self.fields.iter().map(|it| it.clone_ref(py)).collect()
    }

    /// The field that did not come, "first" or "second", if one did not.
    #[getter]
    fn missing(&self) -> Option<&'static str> {
        self.missing.map(name)
    }

    /// The time without frames before it, as `Frame.gap`.
    #[getter]
    fn gap(&self, py: Python<'_>) -> PyResult<Option<Gap>> {
        self.gap.map(|gap| Gap::new(py, &gap)).transpose()
    }

    /// Whether every byte came.
    #[getter]
    fn is_complete(&self) -> bool {
        let mut fields = self.fields.iter();
        self.missing.is_none() && fields.all(|it| it.get().status().is_complete())
    }

    /// Writes the pixels of the frame in another format into `into`, or into new memory: lines 0, 2, 4 … are the first
    /// field's. Lines of a field that did not come stay as they are, in new memory 0. No sample changes.
    #[pyo3(signature = (format, into=None))]
    fn unpack<'py>(
        &self,
        py: Python<'py>,
        format: &str,
        into: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let loans = self.fields.iter().map(|it| it.get().held().view(py));
        let loans = loans.collect::<PyResult<Vec<_>>>()?;
        let picture = pictures(py, loans[0].buffer().layout())?.frame_picture();
        unpack(py, format, into, &picture, |format, pixels| {
            let mut buffers = loans.iter().map(|it| it.buffer());
            buffers.try_for_each(|it| it.unpack_lines(format, pixels))
        })
    }
}
