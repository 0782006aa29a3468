//! The view of frames with ancillary data, which are the ANC packets of a frame or field.

mod packet;

use onair::{AncillaryStream, AncillaryView, Contents, UnitWriter};
use pyo3::prelude::*;

use super::add_properties;
use super::viewed::Viewed;
use crate::error::{invalid, raised};
use crate::loan::Loan;
use crate::session::Session;

use packet::AncPacket;

/// Adds the classes of this view.
pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Ancillary>()?;
    module.add_class::<AncillaryFormat>()?;
    module.add_class::<AncPacket>()?;
    add_properties::<Ancillary, AncillaryFormat>(module.py(), "ancillary")
}

/// The format of what has ANC packets.
fn stream<'a>(py: Python<'_>, contents: &'a Contents) -> PyResult<&'a AncillaryStream> {
    match contents {
        Contents::Ancillary(stream) => Ok(stream),
        _ => Err(invalid(py, "the session carries no ancillary data")),
    }
}

/// The format of a session's ancillary data.
#[pyclass(frozen, module = "onair")]
pub(crate) struct AncillaryFormat(AncillaryStream);

#[pymethods]
impl AncillaryFormat {
    #[new]
    fn new(session: &Bound<'_, Session>) -> PyResult<Self> {
        let stream = stream(session.py(), session.get().layout())?;
        Ok(Self(stream.clone()))
    }

    /// Frames a second.
    #[getter]
    fn rate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rate = self.0.rate;
        let fraction = py.import("fractions")?.getattr("Fraction")?;
        fraction.call1((rate.numerator(), rate.denominator()))
    }

    fn __repr__(&self) -> String {
        format!("<onair.AncillaryFormat {}>", self.0)
    }
}

/// The view of a frame or unit as ANC packets.
#[pyclass(frozen, module = "onair")]
pub(crate) struct Ancillary(Viewed);

#[pymethods]
impl Ancillary {
    #[new]
    fn new(frame: Viewed) -> Self {
        Self(frame)
    }

    /// The session's format.
    #[getter]
    fn format(&self, py: Python<'_>) -> PyResult<AncillaryFormat> {
        let bytes = self.0.view(py)?;
        let stream = stream(py, bytes.contents())?;
        Ok(AncillaryFormat(stream.clone()))
    }

    /// The ANC packets, in order; also those with wrong parity or checksum.
    #[getter]
    fn packets(&self, py: Python<'_>) -> PyResult<Vec<AncPacket>> {
        let bytes = self.0.view(py)?;
        stream(py, bytes.contents())?;
        let unit = AncillaryView::parse(&bytes).map_err(|error| invalid(py, error))?;
        Ok(unit.iter().map(|it| AncPacket::from(&it)).collect())
    }

    /// Send session: fills the frame with ANC packets; without one the stream is kept alive. Parity, checksum and field are
    /// the sender's own. Raises `BufferError` while there are views of the frame.
    fn pack(&self, py: Python<'_>, packets: Vec<PyRef<'_, AncPacket>>) -> PyResult<()> {
        let held = self.0.held(py)?;
        stream(py, self.0.view(py)?.contents())?;
        match held.take(py)?.writable() {
            Ok(mut buffer) => {
                let packed = UnitWriter::new(&mut buffer).and_then(|mut unit| {
                    packets.iter().try_for_each(|packet| {
                        let (place, kind, data) = packet.parts();
                        unit.push(place, kind, &data)
                    })
                });
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
