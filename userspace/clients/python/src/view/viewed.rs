//! Subject of a view: a frame of a session, or a unit of a group.

use std::ops::Deref;
use std::sync::Arc;

use onair::{Contents, ConvertError, Error, Field, PixelFormat, Status};
use pyo3::prelude::*;

use crate::error::raised;
use crate::frame::{Frame, Held};
use crate::group::Unit;
use crate::loan::Loan;

/// Subject of a view.
#[derive(FromPyObject)]
pub(crate) enum Viewed {
    Frame(Py<Frame>),
    Unit(Py<Unit>),
}

impl Viewed {
    /// Its bytes, unless it was put.
    pub(super) fn view(&self, py: Python<'_>) -> PyResult<Bytes> {
        match self {
            Self::Frame(frame) => frame.get().held().view(py).map(Bytes::Frame),
            Self::Unit(unit) => unit.get().view(py).map(Bytes::Unit),
        }
    }

    /// The loan of a frame, to fill it. A unit is refused: a group receives.
    pub(super) fn held(&self, py: Python<'_>) -> PyResult<&Held> {
        match self {
            Self::Frame(frame) => Ok(frame.get().held()),
            Self::Unit(unit) => {
                let error = Error::NotASender(unit.get().member().to_owned());
                Err(raised(py, error))
            }
        }
    }

    pub(super) fn status(&self) -> Status {
        match self {
            Self::Frame(frame) => frame.get().status(),
            Self::Unit(unit) => *unit.get().status(),
        }
    }

    /// The object, which has the buffer protocol.
    pub(super) fn object<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        match self {
            Self::Frame(frame) => frame.bind(py).as_any(),
            Self::Unit(unit) => unit.bind(py).as_any(),
        }
    }
}

/// Bytes that stay as long as this.
pub(super) enum Bytes {
    Frame(Arc<Loan>),
    Unit(Arc<onair::Unit>),
}

impl Bytes {
    pub(super) fn contents(&self) -> &Contents {
        match self {
            Self::Frame(loan) => loan.buffer().layout(),
            Self::Unit(unit) => unit.contents(),
        }
    }

    pub(super) fn field(&self) -> Option<Field> {
        match self {
            Self::Frame(loan) => loan.buffer().field(),
            Self::Unit(unit) => unit.field(),
        }
    }

    pub(super) fn unpack(
        &self,
        format: PixelFormat,
        pixels: &mut [u8],
    ) -> Result<(), ConvertError> {
        match self {
            Self::Frame(loan) => loan.buffer().unpack(format, pixels),
            Self::Unit(unit) => unit.unpack(format, pixels),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Frame(loan) => loan.buffer(),
            Self::Unit(unit) => unit,
        }
    }
}
