//! The view of frames with ancillary data, which are the ANC packets of a frame or field.

use std::borrow::Cow;

use onair::anc_content::{Kind, TIMECODE, Timecode};
use onair::{
    AncPacket as Packet, AncillaryStream, AncillaryView, Contents, Place, Signalled, UnitWriter,
};
use pyo3::prelude::*;

use super::add_properties;
use super::viewed::Viewed;
use crate::error::{invalid, raised};
use crate::loan::Loan;
use crate::session::Session;

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

/// An ANC packet (ST 291-1): of a received frame, or to be sent.
#[pyclass(frozen, module = "onair")]
pub(crate) struct AncPacket {
    place: Place,
    kind: (u8, u8),
    field: Signalled,
    words: Vec<u16>,
    checksum: Option<u16>,
    is_parity_wrong: bool,
    is_checksum_wrong: bool,
}

impl AncPacket {
    /// What a sender needs of it.
    fn parts(&self) -> (Place, (u8, u8), Vec<u8>) {
        (self.place, self.kind, self.bytes().collect())
    }

    /// The low 8 bits of each word.
    fn bytes(&self) -> impl ExactSizeIterator<Item = u8> + Clone + '_ {
        self.words.iter().map(|word| word.to_le_bytes()[0])
    }
}

impl From<&Packet<'_>> for AncPacket {
    fn from(packet: &Packet<'_>) -> Self {
        let record = &packet.record;
        Self {
            place: record.place,
            kind: packet.kind(),
            field: record.field,
            words: packet.words().collect(),
            checksum: Some(record.checksum),
            is_parity_wrong: record.is_parity_wrong,
            is_checksum_wrong: record.is_checksum_wrong,
        }
    }
}

#[pymethods]
impl AncPacket {
    /// One to be sent, with at most 255 bytes of `data`.
    #[new]
    #[pyo3(signature = (did, sdid, data, *, line=None, offset=None, is_chroma=false, stream=None))]
    fn new(
        did: u8,
        sdid: u8,
        data: Cow<'_, [u8]>,
        line: Option<u16>,
        offset: Option<u16>,
        is_chroma: bool,
        stream: Option<u8>,
    ) -> PyResult<Self> {
        let place = Place {
            is_chroma,
            line: line.unwrap_or(Place::ANY_LINE),
            offset: offset.unwrap_or(Place::ANY_OFFSET),
            stream,
        };
        let is_placed = place.line <= Place::ANY_LINE && place.offset <= Place::ANY_OFFSET;
        if !is_placed || stream.is_some_and(|it| it > 127) || data.len() > 255 {
            let why = "an ANC packet has at most line 2047, offset 4095, stream 127 and 255 bytes";
            return Err(Python::attach(|py| invalid(py, why)));
        }
        Ok(Self {
            place,
            kind: (did, sdid),
            field: Signalled::Frame,
            words: data.iter().copied().map(u16::from).collect(),
            checksum: None,
            is_parity_wrong: false,
            is_checksum_wrong: false,
        })
    }

    #[getter]
    fn did(&self) -> u8 {
        self.kind.0
    }

    /// SDID, or DBN if the DID is 0x80 or more.
    #[getter]
    fn sdid(&self) -> u8 {
        self.kind.1
    }

    /// Its name by SMPTE, if it is known.
    #[getter]
    fn name(&self) -> Option<&'static str> {
        Kind::of(self.kind).name()
    }

    /// The user data: the low 8 bits of each word.
    #[getter]
    fn data(&self) -> Cow<'_, [u8]> {
        self.bytes().collect()
    }

    /// The words of user data as they came, 10 bits each.
    #[getter]
    fn words(&self) -> Vec<u16> {
        self.words.clone()
    }

    /// Line of the interface; `None`: not specified.
    #[getter]
    fn line(&self) -> Option<u16> {
        Some(self.place.line).filter(|it| *it != Place::ANY_LINE)
    }

    /// Samples from the start of active video; `None`: not specified.
    #[getter]
    fn offset(&self) -> Option<u16> {
        Some(self.place.offset).filter(|it| *it != Place::ANY_OFFSET)
    }

    /// Whether it is in the colour difference channel.
    #[getter]
    fn is_chroma(&self) -> bool {
        self.place.is_chroma
    }

    /// Stream of a multi-stream interface, if it is known.
    #[getter]
    fn stream(&self) -> Option<u8> {
        self.place.stream
    }

    /// "first" or "second"; `None`: no field is named.
    #[getter]
    fn field(&self) -> Option<&'static str> {
        match self.field {
            Signalled::Frame => None,
            Signalled::First => Some("first"),
            Signalled::Second => Some("second"),
        }
    }

    /// The checksum as it came, 10 bits.
    #[getter]
    fn checksum(&self) -> Option<u16> {
        self.checksum
    }

    /// Whether a word's parity is wrong.
    #[getter]
    fn is_parity_wrong(&self) -> bool {
        self.is_parity_wrong
    }

    /// Whether the checksum is wrong.
    #[getter]
    fn is_checksum_wrong(&self) -> bool {
        self.is_checksum_wrong
    }

    /// A right timecode as text (ST 12-2), such as "10:00:01:02".
    #[getter]
    fn timecode(&self) -> Option<String> {
        let is_right = !self.is_parity_wrong && !self.is_checksum_wrong;
        let is_timecode = is_right && self.kind == TIMECODE;
        let timecode = is_timecode.then(|| Timecode::of_data(self.bytes()))?;
        timecode.map(|it| it.to_string())
    }

    fn __repr__(&self) -> String {
        let ((did, sdid), words) = (self.kind, self.words.len());
        format!("<onair.AncPacket {did:02x}/{sdid:02x}: {words} words>")
    }
}
