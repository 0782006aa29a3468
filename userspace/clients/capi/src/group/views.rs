//! The views of a group's units: those of buffers of one session.

use std::ffi::{c_char, c_int, c_void};

use onair::AnySession;

use super::{Attached, onair_group, onair_step};
use crate::border::{Fault, call, pixel_format};
use crate::structs::{Grows, ResultPlace};
use crate::view::anc::{self, onair_anc, onair_anc_packet};
use crate::view::audio::{self, onair_audio};
use crate::view::jpeg_xs::{self, onair_jpeg_xs};
use crate::view::video::{self, onair_video};

versions! { "ONAIR_1.0":
    onair_group_anc_unpack
    onair_group_anc_view
    onair_group_audio_unpack
    onair_group_audio_view
    onair_group_jpeg_xs_view
    onair_group_video_unpack
    onair_group_video_view
    onair_group_video_view_as
}

/// Writes a description of a step's unit.
///
/// # Safety
/// See `onair.h`.
unsafe fn describe<V: Grows>(
    group: onair_group,
    step: *const onair_step,
    view: *mut V,
    of: impl FnOnce(&AnySession) -> Result<V, Fault>,
) -> c_int {
    call(|| {
        let attached = Attached::of(group)?;
        // SAFETY: the caller's promise.
        let (unit, place) = unsafe { (attached.unit(step)?, ResultPlace::new(view)?) };
        place.write(&of(unit.session())?);
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_video_view(
    group: onair_group,
    step: *const onair_step,
    view: *mut onair_video,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { describe(group, step, view, |it| video::describe(it, None)) }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_audio_view(
    group: onair_group,
    step: *const onair_step,
    view: *mut onair_audio,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { describe(group, step, view, audio::describe) }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_anc_view(
    group: onair_group,
    step: *const onair_step,
    view: *mut onair_anc,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { describe(group, step, view, anc::describe) }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_jpeg_xs_view(
    group: onair_group,
    step: *const onair_step,
    view: *mut onair_jpeg_xs,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { describe(group, step, view, jpeg_xs::describe) }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_video_view_as(
    group: onair_group,
    step: *const onair_step,
    layout: *const c_char,
    view: *mut onair_video,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        describe(group, step, view, |session| {
            video::describe(session, Some(pixel_format(layout)?))
        })
    }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_video_unpack(
    group: onair_group,
    step: *const onair_step,
    layout: *const c_char,
    pixels: *mut c_void,
    bytes: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(group)?;
        // SAFETY: the caller's promise.
        let (unit, format) = unsafe { (attached.unit(step)?, pixel_format(layout)?) };
        // SAFETY: the caller's promise: so many bytes may be written.
        let pixels = unsafe { video::memory(pixels, bytes)? };
        unit.unpack(format, pixels).map_err(Fault::Convert)?;
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_audio_unpack(
    group: onair_group,
    step: *const onair_step,
    channel: c_int,
    sample: u32,
    samples: *mut c_void,
    bytes: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(group)?;
        // SAFETY: the caller's promise.
        let unit = unsafe { attached.unit(step)? };
        // SAFETY: the caller's promise: so many bytes may be written.
        unsafe { audio::unpack(unit.contents(), &unit, (channel, sample), (samples, bytes)) }
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_group_anc_unpack(
    group: onair_group,
    step: *const onair_step,
    packets: *mut onair_anc_packet,
    count: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(group)?;
        // SAFETY: the caller's promise.
        let unit = unsafe { attached.unit(step)? };
        // SAFETY: the caller's promise: `count` structs may be written.
        unsafe { anc::unpack(unit.contents(), &unit, packets, count) }
    })
}
