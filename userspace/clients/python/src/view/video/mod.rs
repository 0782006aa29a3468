//! The view of frames with video.

mod whole;

use onair::{
    Colorimetry, Contents, ConvertError, Field, Layout, Picture, Pictured as _, PixelFormat, Plane,
    Scan, Status, TransferCharacteristics, VideoRange,
};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyMemoryView, PySlice, PyString};

use super::add_properties;
use super::viewed::Viewed;
use crate::error::{invalid, raised};
use crate::loan::Loan;
use crate::session::Session;

use whole::{VideoFrame, VideoFrames};

/// Adds the classes of this view.
pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Video>()?;
    module.add_class::<VideoFormat>()?;
    module.add_class::<VideoFrame>()?;
    module.add_class::<VideoFrames>()?;
    add_properties::<Video, VideoFormat>(module.py(), "video")
}

/// The layout of what has pictures.
fn pictures(py: Python<'_>, contents: &Contents) -> PyResult<Layout> {
    let layout = contents.pictures().copied();
    layout.ok_or_else(|| invalid(py, "the session carries no video"))
}

/// The format of a session's video.
#[pyclass(frozen, module = "onair")]
pub(crate) struct VideoFormat(Layout);

#[pymethods]
impl VideoFormat {
    #[new]
    fn new(session: &Bound<'_, Session>) -> PyResult<Self> {
        pictures(session.py(), session.get().layout()).map(Self)
    }

    /// Pixels in a line.
    #[getter]
    fn width(&self) -> u32 {
        self.0.video.width()
    }

    /// Lines of a frame.
    #[getter]
    fn height(&self) -> u32 {
        self.0.video.height()
    }

    /// Frames a second.
    #[getter]
    fn rate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rate = self.0.video.rate();
        let fraction = py.import("fractions")?.getattr("Fraction")?;
        fraction.call1((rate.numerator(), rate.denominator()))
    }

    /// Such as "YCbCr-4:2:2".
    #[getter]
    fn sampling(&self) -> &'static str {
        self.0.video.sampling().as_str()
    }

    /// Bits of a sample.
    #[getter]
    fn depth(&self) -> u8 {
        self.0.video.depth().bits()
    }

    /// "progressive", "interlaced" (each frame is a field) or "psf".
    #[getter]
    fn scan(&self) -> &'static str {
        match self.0.video.scan() {
            Scan::Progressive => "progressive",
            Scan::Interlaced => "interlaced",
            Scan::Psf => "psf",
        }
    }

    /// Colour primaries and matrix as ST 2110-20 names them, such as "BT2100"; `None`: not said.
    #[getter]
    fn colorimetry(&self) -> Option<&'static str> {
        self.0.appearance.colorimetry.map(Colorimetry::as_str)
    }

    /// Transfer characteristic system, such as "HLG"; `None`: not said.
    #[getter]
    fn transfer(&self) -> Option<&'static str> {
        let transfer = self.0.appearance.transfer;
        transfer.map(TransferCharacteristics::as_str)
    }

    /// Range of the code values: "NARROW", "FULLPROTECT" or "FULL"; `None`: not said.
    #[getter]
    fn range(&self) -> Option<&'static str> {
        self.0.appearance.range.map(VideoRange::as_str)
    }

    /// Width of a pixel to its height; `None`: not said.
    #[getter]
    fn pixel_aspect<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(aspect) = self.0.appearance.pixel_aspect else {
            return Ok(None);
        };
        let fraction = py.import("fractions")?.getattr("Fraction")?;
        fraction.call1(aspect.ratio()).map(Some)
    }

    /// "pgroup" (RFC 4175), or a pixel format by FFmpeg's name.
    #[getter]
    fn layout(&self) -> &'static str {
        self.0.pixel_format.map_or("pgroup", PixelFormat::ffmpeg)
    }

    fn __repr__(&self) -> String {
        format!("<onair.VideoFormat {}, {}>", self.0.video, self.layout())
    }
}

/// The view of a frame or unit as video.
#[pyclass(frozen, module = "onair")]
pub(crate) struct Video(Viewed);

#[pymethods]
impl Video {
    #[new]
    fn new(frame: Viewed) -> Self {
        Self(frame)
    }

    /// The session's format.
    #[getter]
    fn format(&self, py: Python<'_>) -> PyResult<VideoFormat> {
        let bytes = self.0.view(py)?;
        pictures(py, bytes.contents()).map(VideoFormat)
    }

    /// "first" or "second"; `None`: a whole frame.
    #[getter]
    fn field(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        let field = self.0.view(py)?.field();
        Ok(field.map(name))
    }

    /// The planes, each of shape (lines, bytes of a line), without a copy; "pgroup" has one.
    #[getter]
    fn planes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let bytes = self.0.view(py)?;
        let layout = pictures(py, bytes.contents())?;
        let field = bytes.field();
        let whole = PyMemoryView::from(self.0.object(py))?;
        // PyO3 0.30.1's `PySlice::new` keeps a reference to each of its integers for ever.
        let slice = py.get_type::<PySlice>();
        let view = |plane: &Plane| {
            let (from, shape) = (plane.offset, (plane.lines, plane.stride));
            let part = whole.get_item(slice.call1((from, from + plane.lines * plane.stride))?)?;
            part.call_method1("cast", (PyString::intern(py, "B"), shape))
        };
        match layout.planes(field) {
            Some(planes) => planes.all().iter().map(view).collect(),
            None => Ok(vec![view(&Plane {
                offset: 0,
                stride: layout.video.line_bytes(),
                // Of a frame that is received: those that stand.
                lines: whole.len()? / layout.video.line_bytes(),
            })?]),
        }
    }

    /// The lines that lack something: first line, and the one after the last.
    #[getter]
    fn missing_lines(&self) -> Vec<(u32, u32)> {
        match self.0.status() {
            Status::Complete => Vec::new(),
            Status::Incomplete(what) => what.lines().map(|it| (it.start, it.end)).collect(),
        }
    }

    /// Writes the pixels in another format, such as "yuv422p10le", into `into`, or into new memory. No sample changes.
    #[pyo3(signature = (format, into=None))]
    fn unpack<'py>(
        &self,
        py: Python<'py>,
        format: &str,
        into: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = self.0.view(py)?;
        let picture = pictures(py, bytes.contents())?.picture(bytes.field());
        unpack(py, format, into, &picture, |format, pixels| {
            bytes.unpack(format, pixels)
        })
    }

    /// Send session: fills the frame with `pixels` of a format. Raises `BufferError` while there are views of the frame.
    #[pyo3(signature = (format, pixels, field=None))]
    fn pack(
        &self,
        py: Python<'_>,
        format: &str,
        pixels: PyBuffer<u8>,
        field: Option<&str>,
    ) -> PyResult<()> {
        let format = format.parse::<PixelFormat>();
        let format = format.map_err(|error| invalid(py, error))?;
        let field = match field {
            None => None,
            Some("first") => Some(Field::First),
            Some("second") => Some(Field::Second),
            Some(other) => return Err(invalid(py, format_args!("{other:?} is no field"))),
        };
        let pixels = pixels.to_vec(py)?;
        let held = self.0.held(py)?;
        let loan = held.take(py)?;
        match loan.writable() {
            Ok(mut buffer) => {
                let packed = py.detach(|| buffer.pack(format, field, &pixels));
                held.keep(Loan::new(buffer.into_buffer()));
                packed.map_err(|error| invalid(py, error))
            }
            Err((loan, refused)) => {
                held.keep(loan);
                Err(raised(py, refused))
            }
        }
    }
}

/// A field for Python.
pub(crate) fn name(field: Field) -> &'static str {
    match field {
        Field::First => "first",
        Field::Second => "second",
    }
}

/// Has `write` write the pixels of `picture` in a format into `into`, or into new memory.
pub(crate) fn unpack<'py>(
    py: Python<'py>,
    format: &str,
    into: Option<Bound<'py, PyAny>>,
    picture: &Picture,
    write: impl FnOnce(PixelFormat, &mut [u8]) -> Result<(), ConvertError> + Send,
) -> PyResult<Bound<'py, PyAny>> {
    let format = format.parse::<PixelFormat>();
    let format = format.map_err(|error| invalid(py, error))?;
    let into = into.map_or_else(
        || {
            let bytes = format.holds(picture).then(|| format.planes(picture).bytes);
            // If it does not hold the picture, the conversion says so.
            PyByteArray::new_with(py, bytes.unwrap_or_default(), |_| Ok(())).map(Bound::into_any)
        },
        Ok,
    )?;
    let target = PyBuffer::<u8>::get(&into)?;
    if target.readonly() || !target.is_c_contiguous() {
        let why = "the target must be writable and contiguous";
        return Err(PyBufferError::new_err(why));
    }
    let pixels = Pixels(target.buf_ptr().cast(), target.len_bytes());
    let unpacked = py.detach(|| {
        let pixels = pixels;
        // SAFETY: the buffer is contiguous, writable, and kept by `target`. Other threads may use it at the same time
        // only as they may use any object of Python that they share without a lock.
        let pixels = unsafe { std::slice::from_raw_parts_mut(pixels.0, pixels.1) };
        write(format, pixels)
    });
    unpacked.map_err(|error| invalid(py, error))?;
    Ok(into)
}

/// Memory of an object of Python.
struct Pixels(*mut u8, usize);

// SAFETY: Python's memory is the same in every thread.
unsafe impl Send for Pixels {}
