//! A frame: its bytes by the buffer protocol, and its description.

use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use onair::{Error, Status};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

use crate::again::Gap;
use crate::error::raised;
use crate::loan::{Loan, OwnedBuffer};
use crate::waiting::{call, timeout};

/// A frame that this process holds. `memoryview(frame)` and `numpy.asarray(frame)` are its bytes, without a copy: read-only,
/// or writable in a send session. The frame is given back when the last of it and its views is deleted, or by `put`.
#[pyclass(frozen, weakref, module = "onair")]
pub(crate) struct Frame {
    held: Arc<Held>,
    seen: Mutex<FrameFacts>,
    gap: Option<onair::Gap>,
}

/// State of the frame when it was got, or waited for last.
#[derive(Clone, Copy)]
struct FrameFacts {
    bytes: usize,
    number: u64,
    rtp_timestamp: u32,
    media_time_ns: Option<u64>,
    first_packet_ns: u64,
    last_packet_ns: u64,
    packets: u32,
    status: Status,
    is_open: bool,
    lines: u32,
}

impl FrameFacts {
    fn of(buffer: &OwnedBuffer) -> Self {
        Self {
            // First: it may end meanwhile.
            is_open: buffer.is_open(),
            bytes: buffer.len(),
            number: buffer.number(),
            rtp_timestamp: buffer.rtp_timestamp(),
            media_time_ns: buffer.media_time_ns(),
            first_packet_ns: buffer.first_packet_ns(),
            last_packet_ns: buffer.last_packet_ns(),
            packets: buffer.packets(),
            status: buffer.status(),
            lines: buffer.progress(),
        }
    }
}

impl Frame {
    pub(crate) fn new(loan: Loan) -> Self {
        Self {
            seen: Mutex::new(FrameFacts::of(loan.buffer())),
            gap: loan.gap().copied(),
            held: Arc::new(Held::new(loan)),
        }
    }

    pub(crate) fn held(&self) -> &Arc<Held> {
        &self.held
    }

    pub(crate) fn status(&self) -> Status {
        self.seen().status
    }

    fn seen(&self) -> FrameFacts {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the frame again.
    fn look(&self, loan: &Loan) -> FrameFacts {
        let now = FrameFacts::of(loan.buffer());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
        now
    }
}

#[pymethods]
impl Frame {
    /// Number since the session's creation, from 0. A gap: frames that this client lost.
    #[getter]
    fn number(&self) -> u64 {
        self.seen().number
    }

    /// In units of 1/90000 s.
    #[getter]
    fn rtp_timestamp(&self) -> u32 {
        self.seen().rtp_timestamp
    }

    /// The time of the RTP timestamp: ns since the SMPTE Epoch, in TAI; `None` if the sender has another clock.
    #[getter]
    fn media_time_ns(&self) -> Option<u64> {
        self.seen().media_time_ns
    }

    /// CLOCK_MONOTONIC, ns.
    #[getter]
    fn first_packet_ns(&self) -> u64 {
        self.seen().first_packet_ns
    }

    /// CLOCK_MONOTONIC, ns.
    #[getter]
    fn last_packet_ns(&self) -> u64 {
        self.seen().last_packet_ns
    }

    /// Packets that contributed data.
    #[getter]
    fn packets(&self) -> u32 {
        self.seen().packets
    }

    /// Whether every byte arrived.
    #[getter]
    fn is_complete(&self) -> bool {
        self.status().is_complete()
    }

    /// Bytes that did not arrive.
    #[getter]
    fn bytes_missing(&self) -> u32 {
        match self.status() {
            Status::Complete => 0,
            Status::Incomplete(what) => what.bytes_missing,
        }
    }

    /// Packets that did not arrive.
    #[getter]
    fn packets_lost(&self) -> u32 {
        match self.status() {
            Status::Complete => 0,
            Status::Incomplete(what) => what.packets_lost,
        }
    }

    /// The first missing ranges: offset and length in bytes.
    #[getter]
    fn missing(&self) -> Vec<(u32, u32)> {
        match self.status() {
            Status::Complete => Vec::new(),
            Status::Incomplete(what) => what.ranges().map(|it| (it.offset, it.len)).collect(),
        }
    }

    /// Whether more of it may still come: as seen when it was got, or waited for last.
    #[getter]
    fn is_open(&self) -> bool {
        self.seen().is_open
    }

    /// Lines from the first on that stand in memory: as seen when it was got, or waited for last. Of audio: samples; else
    /// bytes.
    #[getter]
    fn lines(&self) -> u32 {
        self.seen().lines
    }

    /// Waits at most `timeout` seconds until so many lines stand. Returns how many do; fewer, if the frame has ended. New
    /// views of it have what stands then.
    #[pyo3(signature = (lines, timeout=None))]
    fn wait_lines(&self, py: Python<'_>, lines: u32, timeout: Option<f64>) -> PyResult<u32> {
        let loan = self.held.view(py)?;
        let buffer = loan.buffer();
        let waited = call(
            py,
            self::timeout(timeout)?,
            |timeout| buffer.wait_for(lines, timeout),
            |parts| buffer.wait_for_part(lines, parts),
        )?;
        let seen = self.look(&loan);
        waited.map_err(|error| raised(py, error))?;
        Ok(seen.lines)
    }

    /// The time without frames before it, if it is the first after one, of an attachment that attaches again.
    #[getter]
    fn gap(&self, py: Python<'_>) -> PyResult<Option<Gap>> {
        self.gap.map(|gap| Gap::new(py, &gap)).transpose()
    }

    /// Whether it was neither put nor submitted.
    #[getter]
    fn is_held(&self) -> bool {
        self.held.is_held()
    }

    /// Gives the frame back. Raises `BufferError` while there are views of it.
    fn put(&self, py: Python<'_>) -> PyResult<()> {
        let put = self.held.take(py)?.into_buffer().put();
        put.map_err(|error| raised(py, error))
    }

    /// Send session: submits the frame to be sent. Raises `BufferError` while there are views of it.
    fn submit(&self, py: Python<'_>) -> PyResult<()> {
        let submitted = match self.held.take(py)?.writable() {
            Ok(buffer) => buffer.submit(),
            Err((loan, refused)) => {
                self.held.keep(loan);
                Err(refused)
            }
        };
        submitted.map_err(|error| raised(py, error))
    }

    /// Send session: submits the frame while it is being filled, through views of it. `lines_ready` says what is there;
    /// `submit`, that all of it is; `put` ends it.
    fn submit_open(&self, py: Python<'_>) -> PyResult<()> {
        let loan = self.held.view(py)?;
        let opened = loan.buffer().submit_open();
        opened.map_err(|error| raised(py, error))
    }

    /// The first `lines` lines of a frame that was submitted open are there, and do not change any more. Audio: samples
    /// of each channel; JPEG XS: bytes.
    fn lines_ready(&self, py: Python<'_>, lines: u32) -> PyResult<()> {
        let loan = self.held.view(py)?;
        let told = loan.buffer().ready(lines);
        told.map_err(|error| raised(py, error))
    }

    fn __len__(&self) -> usize {
        self.seen().bytes
    }

    fn __enter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    /// Gives the frame back, or leaves that to the last view of it.
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, _exception: &Bound<'_, PyAny>) {
        self.held.put_unless_viewed();
    }

    fn __repr__(&self) -> String {
        let FrameFacts { number, bytes, .. } = self.seen();
        let is = if self.held.is_held() { "" } else { ", put" };
        format!("<onair.Frame {number}: {bytes} bytes{is}>")
    }

    /// For numpy, which otherwise takes a frame that was put as an object.
    #[pyo3(signature = (*_arguments, **_options))]
    fn __array__<'py>(
        this: &Bound<'py, Self>,
        _arguments: &Bound<'py, PyAny>,
        _options: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        this.get().held.view(this.py())?;
        let numpy = this.py().import("numpy")?;
        numpy.call_method1("asarray", (PyMemoryView::from(this)?,))
    }

    /// # Safety
    /// Python's promise: `view` may be written.
    unsafe fn __getbuffer__(
        this: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let py = this.py();
        let (loan, bytes) = (this.get().held.view(py)?, this.get().seen().bytes);
        let start: *mut c_void = loan.start().cast();
        let bytes = bytes.try_into().expect("memory of a process");
        let readonly = (!loan.is_writable()).into();
        // SAFETY: `view` is Python's; the frame's memory stays, and stays writable if it is, as long as `internal` keeps
        // the loan, which is until `__releasebuffer__`.
        let filled =
            unsafe { ffi::PyBuffer_FillInfo(view, this.as_ptr(), start, bytes, readonly, flags) };
        if filled != 0 {
            return Err(PyErr::fetch(py));
        }
        // SAFETY: as above.
        unsafe { (*view).internal = Arc::into_raw(loan).cast_mut().cast() };
        Ok(())
    }

    /// # Safety
    /// Python's promise: `__getbuffer__` filled `view`, which is released once.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        // SAFETY: `__getbuffer__` put it there.
        drop(unsafe { Arc::from_raw((*view).internal.cast::<Loan>()) });
    }
}

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
