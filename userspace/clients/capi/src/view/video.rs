//! The view of buffers with video.

use std::ffi::{c_char, c_int, c_void};

use onair::{AnySession, Contents, Error, Field, Layout, Pictured as _, PixelFormat, Scan};

use crate::attached::{Attached, onair_session};
use crate::border::{Fault, call, copy, invalid, pixel_format};
use crate::buffer::{loan, onair_buffer};
use crate::structs::{Grows, ResultPlace};

versions! { "ONAIR_1.0":
    onair_video_field
    onair_video_pack
    onair_video_unpack
    onair_video_view
    onair_video_view_as
}

const ONAIR_SCAN_PROGRESSIVE: u32 = 1;
const ONAIR_SCAN_INTERLACED: u32 = 2;
const ONAIR_SCAN_PSF: u32 = 3;
const ONAIR_FIELD_NONE: c_int = 0;
const ONAIR_FIELD_FIRST: c_int = 1;
const ONAIR_FIELD_SECOND: c_int = 2;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct onair_plane {
    offset: u64,
    stride: u64,
    lines: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct onair_video {
    size: u32,
    width: u32,
    height: u32,
    rate_numerator: u32,
    rate_denominator: u32,
    depth: u32,
    is_float: u32,
    scan: u32,
    pgroup_bytes: u32,
    pgroup_pixels: u32,
    sampling: [c_char; 24],
    layout: [c_char; 24],
    buffer_bytes: u64,
    planes: [onair_plane; 4],
    plane_count: u32,
    is_sender: u32,
    colorimetry: [c_char; 16],
    transfer: [c_char; 16],
    range: [c_char; 16],
    aspect_width: u32,
    aspect_height: u32,
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_video {
    const FIRST: usize = 200;
}

/// The layout of what has video.
fn layout_of(contents: &Contents) -> Result<&Layout, Fault> {
    let layout = contents.pictures();
    layout.ok_or(invalid("the session carries no video"))
}

/// Describes the buffers of a session, or those that they are in another layout.
pub(crate) fn describe(
    session: &AnySession,
    layout: Option<PixelFormat>,
) -> Result<onair_video, Fault> {
    let mut own = *layout_of(session.layout())?;
    if let Some(format) = layout {
        if !format.holds(&own.picture(None)) {
            return Err(invalid("the layout cannot represent the session's video"));
        }
        own.pixel_format = Some(format);
    }
    Ok(onair_video::of(&own, session.is_sender()))
}

/// The caller's memory for pixels.
///
/// # Safety
/// `pixels` is null, or `bytes` bytes may be written there.
pub(crate) unsafe fn memory<'a>(pixels: *mut c_void, bytes: usize) -> Result<&'a mut [u8], Fault> {
    check(pixels, bytes)?;
    // SAFETY: the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts_mut(pixels.cast(), bytes) })
}

impl onair_video {
    fn of(layout: &Layout, is_sender: bool) -> Self {
        let video = &layout.video;
        let mut planes = [onair_plane::default(); 4];
        let plane_count = match layout.planes(None) {
            Some(all) => {
                for (to, from) in planes.iter_mut().zip(all.all()) {
                    *to = onair_plane {
                        offset: from.offset as u64,
                        stride: from.stride as u64,
                        lines: from.lines as u64,
                    };
                }
                all.all().len()
            }
            None => {
                planes[0].stride = video.line_bytes() as u64;
                planes[0].lines = video.rows(false) as u64;
                1
            }
        };
        let mut result = Self {
            size: 0,
            width: video.width(),
            height: video.height(),
            rate_numerator: video.rate().numerator(),
            rate_denominator: video.rate().denominator(),
            depth: video.depth().bits().into(),
            is_float: video.depth().is_float().into(),
            scan: match video.scan() {
                Scan::Progressive => ONAIR_SCAN_PROGRESSIVE,
                Scan::Interlaced => ONAIR_SCAN_INTERLACED,
                Scan::Psf => ONAIR_SCAN_PSF,
            },
            pgroup_bytes: u32::try_from(video.pgroup_bytes()).unwrap_or_default(),
            pgroup_pixels: video.pgroup().pixels,
            sampling: [0; 24],
            layout: [0; 24],
            buffer_bytes: layout.frame_bytes() as u64,
            planes,
            plane_count: u32::try_from(plane_count).unwrap_or_default(),
            is_sender: is_sender.into(),
            colorimetry: [0; 16],
            transfer: [0; 16],
            range: [0; 16],
            aspect_width: 0,
            aspect_height: 0,
        };
        let said = layout.appearance;
        copy(
            said.colorimetry.map_or("", |it| it.as_str()),
            &mut result.colorimetry,
        );
        copy(
            said.transfer.map_or("", |it| it.as_str()),
            &mut result.transfer,
        );
        copy(said.range.map_or("", |it| it.as_str()), &mut result.range);
        let aspect = said.pixel_aspect.map_or((0, 0), |it| it.ratio());
        (result.aspect_width, result.aspect_height) = (aspect.0.into(), aspect.1.into());
        copy(video.sampling().as_str(), &mut result.sampling);
        copy(
            layout.pixel_format.map_or("pgroup", |it| it.ffmpeg()),
            &mut result.layout,
        );
        result
    }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_video_view(session: onair_session, view: *mut onair_video) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let place = unsafe { ResultPlace::new(view)? };
        place.write(&describe(&attached.session, None)?);
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_video_view_as(
    session: onair_session,
    layout: *const c_char,
    view: *mut onair_video,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let (format, place) = unsafe { (pixel_format(layout)?, ResultPlace::new(view)?) };
        place.write(&describe(&attached.session, Some(format))?);
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_video_unpack(
    session: onair_session,
    buffer: *const onair_buffer,
    layout: *const c_char,
    pixels: *mut c_void,
    bytes: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let (loan, format) = unsafe { (loan(session, buffer)?, pixel_format(layout)?) };
        // SAFETY: the caller's promise: so many bytes may be written.
        let pixels = unsafe { memory(pixels, bytes)? };
        attached.with_buffer(loan, |buffer| {
            let done = buffer.unpack(format, pixels);
            (buffer, done.map_err(Fault::Convert))
        })??;
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_video_pack(
    session: onair_session,
    buffer: *const onair_buffer,
    layout: *const c_char,
    field: c_int,
    pixels: *const c_void,
    bytes: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let (loan, format) = unsafe { (loan(session, buffer)?, pixel_format(layout)?) };
        check(pixels, bytes)?;
        // SAFETY: the caller's promise: so many bytes may be read.
        let pixels = unsafe { std::slice::from_raw_parts(pixels.cast(), bytes) };
        let field = match field {
            ONAIR_FIELD_NONE => None,
            ONAIR_FIELD_FIRST => Some(Field::First),
            ONAIR_FIELD_SECOND => Some(Field::Second),
            _ => return Err(invalid("no such field")),
        };
        attached.with_buffer(loan, |buffer| match buffer.writable() {
            Ok(mut buffer) => {
                let done = buffer.pack(format, field, pixels);
                (buffer.into_buffer(), done.map_err(Fault::Convert))
            }
            Err(buffer) => {
                let name = buffer.session().name().to_owned();
                (buffer, Err(Error::NotASender(name).into()))
            }
        })??;
        Ok(0)
    })
}

/// A place for pixels.
fn check(pixels: *const c_void, bytes: usize) -> Result<(), Fault> {
    match pixels.is_null() || isize::try_from(bytes).is_err() {
        true => Err(invalid("the pixels are NULL, or too many")),
        false => Ok(()),
    }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_video_field(
    session: onair_session,
    buffer: *const onair_buffer,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        layout_of(attached.session.layout())?;
        attached.look(loan, |buffer| match buffer.field() {
            None => ONAIR_FIELD_NONE,
            Some(Field::First) => ONAIR_FIELD_FIRST,
            Some(Field::Second) => ONAIR_FIELD_SECOND,
        })
    })
}
