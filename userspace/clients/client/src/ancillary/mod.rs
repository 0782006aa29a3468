//! Sessions of ancillary data: their buffers are the ANC packets of a frame or field.

use onair_essence::ancillary::AncillaryStream;
use onair_essence::ancillary::unit::{UNIT_BYTES, Unit, UnitError, UnitWriter};
use onair_ipc::message::Attached;

use crate::carries::{Described, LayoutError};
use crate::{BufferMutOf, BufferOf, LenderOf, Session};

/// An attachment to a session of ancillary data; its layout is the format.
pub type AncillarySession = Session<AncillaryStream>;

/// The ANC packets of a buffer.
pub type AncillaryView<'a> = Unit<'a>;

impl Described for AncillaryStream {
    fn of(attached: &Attached) -> Result<Self, LayoutError> {
        let kind = attached.format.kind();
        let stream = attached.format.ancillary();
        let stream = stream.ok_or(LayoutError::Essence(kind.name()))?.clone();
        let bytes = attached.geometry.frame_bytes;
        if bytes as usize == UNIT_BYTES {
            Ok(stream)
        } else {
            Err(LayoutError::Sizes(stream.to_string(), bytes))
        }
    }

    /// No part of a unit is listed as missing.
    fn row(&self) -> (u32, u32) {
        (1, 1)
    }

    fn rate(&self) -> (u32, u32) {
        let rate = self.unit_rate();
        (rate.numerator(), rate.denominator())
    }
}

impl<S: LenderOf<Layout = AncillaryStream>> BufferOf<S> {
    /// The ANC packets, with the verdicts on their parity and checksums.
    ///
    /// # Errors
    /// [`UnitError`] of a buffer of a send session that was not written as a unit.
    pub fn ancillary(&self) -> Result<AncillaryView<'_>, UnitError> {
        Unit::parse(self)
    }
}

impl<S: LenderOf<Layout = AncillaryStream>> BufferMutOf<S> {
    /// Begins the unit anew: without a packet it keeps the stream alive.
    pub fn ancillary_writer(&mut self) -> UnitWriter<'_> {
        UnitWriter::new(self).expect("a buffer has UNIT_BYTES")
    }
}
