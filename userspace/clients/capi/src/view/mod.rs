//! The format of a session, and a view of its buffers for each essence.

pub(crate) mod anc;
pub(crate) mod audio;
pub(crate) mod jpeg_xs;
pub(crate) mod video;

use std::ffi::c_int;

use onair::{Contents, Error};

use crate::attached::{Attached, OwnedBuffer, onair_session};
use crate::border::{Fault, call};

versions! { "ONAIR_1.0":
    onair_format_kind
}

const ONAIR_FORMAT_VIDEO: c_int = 1;
const ONAIR_FORMAT_AUDIO: c_int = 2;
const ONAIR_FORMAT_ANC: c_int = 3;
const ONAIR_FORMAT_JPEG_XS: c_int = 4;

#[unsafe(no_mangle)]
extern "C" fn onair_format_kind(session: onair_session) -> c_int {
    call(|| Ok(kind(Attached::of(session)?.session.layout())))
}

pub(crate) const fn kind(contents: &Contents) -> c_int {
    match contents {
        Contents::Video(_) => ONAIR_FORMAT_VIDEO,
        Contents::Audio(_) => ONAIR_FORMAT_AUDIO,
        Contents::Ancillary(_) => ONAIR_FORMAT_ANC,
        Contents::JpegXs(_) => ONAIR_FORMAT_JPEG_XS,
    }
}

/// Fills a buffer of a send session.
fn fill(
    buffer: OwnedBuffer,
    fill: impl FnOnce(&mut [u8]) -> Result<c_int, Fault>,
) -> (OwnedBuffer, Result<c_int, Fault>) {
    match buffer.writable() {
        Ok(mut buffer) => {
            let filled = fill(&mut buffer);
            (buffer.into_buffer(), filled)
        }
        Err(buffer) => {
            let name = buffer.session().name().to_owned();
            (buffer, Err(Error::NotASender(name).into()))
        }
    }
}
