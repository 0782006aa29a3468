//! A view of frames for each essence, and the format of its sessions.

mod ancillary;
mod audio;
mod video;
mod viewed;

use pyo3::PyTypeInfo;
use pyo3::prelude::*;

use crate::frame::Frame;
use crate::group::Unit;
use crate::session::Session;

/// Adds the classes of the views.
pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    video::add_classes(module)?;
    audio::add_classes(module)?;
    ancillary::add_classes(module)
}

/// Gives frames, units and sessions the property `name`: a view of the frame or unit, and its format.
fn add_properties<V: PyTypeInfo, F: PyTypeInfo>(py: Python<'_>, name: &str) -> PyResult<()> {
    let property = py.import("builtins")?.getattr("property")?;
    let view = property.call1((py.get_type::<V>(),))?;
    py.get_type::<Frame>().setattr(name, &view)?;
    py.get_type::<Unit>().setattr(name, view)?;
    let format = property.call1((py.get_type::<F>(),))?;
    py.get_type::<Session>().setattr(name, format)
}
