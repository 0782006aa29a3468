//! A unit of a group's member: its bytes by the buffer protocol, and its description.

use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use onair::{Error, Status};
use pyo3::ffi;
use pyo3::prelude::*;

use crate::again::Gap;
use crate::error::raised;

/// A unit: a frame or field, a block of samples, the ANC data of a frame. `memoryview(unit)` and `numpy.asarray(unit)` are its
/// bytes, read-only. It is given back when the last of it and its views is deleted, or after `put` when its last view is.
#[pyclass(frozen, weakref, module = "onair")]
pub(crate) struct Unit {
    unit: Mutex<Option<Arc<onair::Unit>>>,
    bytes: usize,
    /// Name of the member.
    #[pyo3(get)]
    member: String,
    /// "video", "audio", "ancillary" or "jpeg_xs".
    #[pyo3(get)]
    essence: &'static str,
    /// As `Frame.number`.
    #[pyo3(get)]
    number: u64,
    /// As `Frame.rtp_timestamp`.
    #[pyo3(get)]
    rtp_timestamp: u32,
    /// Its place in the order, as `Frame.media_time_ns`.
    #[pyo3(get)]
    media_time_ns: Option<u64>,
    /// Whether every byte arrived.
    #[pyo3(get)]
    is_complete: bool,
    /// Whether later units of other members came before it.
    #[pyo3(get)]
    is_late: bool,
    status: Status,
    gap: Option<onair::Gap>,
}

impl Unit {
    pub(crate) fn new(
        unit: onair::Unit,
        member: String,
        is_late: bool,
        gap: Option<onair::Gap>,
    ) -> Self {
        Self {
            bytes: unit.len(),
            member,
            essence: unit.contents().essence(),
            number: unit.number(),
            rtp_timestamp: unit.rtp_timestamp(),
            media_time_ns: unit.media_time_ns(),
            is_complete: unit.status().is_complete(),
            is_late,
            status: unit.status(),
            gap,
            unit: Mutex::new(Some(Arc::new(unit))),
        }
    }

    /// The unit, unless it was put, for a view of it, which keeps it.
    pub(crate) fn view(&self, py: Python<'_>) -> PyResult<Arc<onair::Unit>> {
        let unit = self.unit.lock();
        let unit = unit.unwrap_or_else(PoisonError::into_inner).clone();
        unit.ok_or_else(|| raised(py, Error::AlreadyPut))
    }

    /// Name of the member.
    pub(crate) fn member(&self) -> &str {
        &self.member
    }

    pub(crate) fn status(&self) -> &Status {
        &self.status
    }
}

#[pymethods]
impl Unit {
    /// The time without units of its member before it, if it is the first after one.
    #[getter]
    fn gap(&self, py: Python<'_>) -> PyResult<Option<Gap>> {
        self.gap.map(|gap| Gap::new(py, &gap)).transpose()
    }

    /// Gives the unit back; views of it stay readable, and keep it.
    fn put(&self) {
        let mut unit = self.unit.lock().unwrap_or_else(PoisonError::into_inner);
        drop(unit.take());
    }

    fn __len__(&self) -> usize {
        self.bytes
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.put();
    }

    fn __repr__(&self) -> String {
        let (member, number, bytes) = (&self.member, self.number, self.bytes);
        format!("<onair.Unit {number} of {member}: {bytes} bytes>")
    }

    /// # Safety
    /// Python's promise: `view` may be written.
    unsafe fn __getbuffer__(
        this: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let py = this.py();
        let unit = this.get().view(py)?;
        let start: *mut c_void = unit.as_ptr().cast_mut().cast();
        let bytes = unit.len().try_into().expect("memory of a process");
        // SAFETY: `view` is Python's and read-only; the unit's memory stays as long as `internal` keeps it, which is until
        // `__releasebuffer__`.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, this.as_ptr(), start, bytes, 1, flags) };
        if filled != 0 {
            return Err(PyErr::fetch(py));
        }
        // SAFETY: as above.
        unsafe { (*view).internal = Arc::into_raw(unit).cast_mut().cast() };
        Ok(())
    }

    /// # Safety
    /// Python's promise: `__getbuffer__` filled `view`, which is released once.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: `__getbuffer__` put it there.
        drop(unsafe { Arc::from_raw((*view).internal.cast::<onair::Unit>()) });
    }
}
