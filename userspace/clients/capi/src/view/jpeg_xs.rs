//! The view of buffers with JPEG XS.

use std::ffi::c_int;

use onair::{AnySession, CodestreamView, Contents, Field, JpegXsStream, PacketMode};

use crate::attached::{Attached, onair_session};
use crate::border::{Fault, call, invalid};
use crate::buffer::{loan, onair_buffer};
use crate::structs::{Grows, ResultPlace};

versions! { "ONAIR_1.0":
    onair_jpeg_xs_field
    onair_jpeg_xs_view
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct onair_jpeg_xs {
    size: u32,
    width: u32,
    height: u32,
    rate_numerator: u32,
    rate_denominator: u32,
    depth: u32,
    is_interlaced: u32,
    has_slices: u32,
    is_sender: u32,
    buffer_bytes: u32,
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_jpeg_xs {
    const FIRST: usize = 40;
}

/// The format of what has JPEG XS.
fn stream(contents: &Contents) -> Result<&JpegXsStream, Fault> {
    match contents {
        Contents::JpegXs(stream) => Ok(stream),
        _ => Err(invalid("the session carries no JPEG XS")),
    }
}

/// Describes the buffers of a session.
pub(crate) fn describe(session: &AnySession) -> Result<onair_jpeg_xs, Fault> {
    let stream = stream(session.layout())?;
    Ok(onair_jpeg_xs {
        size: 0,
        width: stream.width,
        height: stream.height,
        rate_numerator: stream.rate.numerator(),
        rate_denominator: stream.rate.denominator(),
        depth: stream.depth.bits().into(),
        is_interlaced: stream.interlaced.into(),
        has_slices: (stream.mode == PacketMode::Slice).into(),
        is_sender: session.is_sender().into(),
        buffer_bytes: stream.bytes,
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_jpeg_xs_view(session: onair_session, view: *mut onair_jpeg_xs) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let place = unsafe { ResultPlace::new(view)? };
        place.write(&describe(&attached.session)?);
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_jpeg_xs_field(
    session: onair_session,
    buffer: *const onair_buffer,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        stream(attached.session.layout())?;
        attached.with_buffer(loan, |buffer| {
            let field = CodestreamView::of(&buffer).and_then(|it| it.field());
            let field = match field {
                None => 0,
                Some(Field::First) => 1,
                Some(Field::Second) => 2,
            };
            (buffer, Ok(field))
        })?
    })
}
