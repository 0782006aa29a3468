//! The view of buffers with audio.

use std::ffi::{c_char, c_int, c_void};

use onair::{AnySession, AudioFormat, AudioSample, AudioView, Contents, S24, write_samples};

use super::fill;
use crate::attached::{Attached, onair_session};
use crate::border::{Fault, call, copy, invalid};
use crate::buffer::{loan, onair_buffer};
use crate::structs::{Grows, ResultPlace};

versions! { "ONAIR_1.0":
    onair_audio_pack
    onair_audio_unpack
    onair_audio_view
}

const ONAIR_SAMPLE_S16: u32 = 1;
const ONAIR_SAMPLE_S24: u32 = 2;
const ONAIR_SAMPLE_S32: u32 = 3;
const ONAIR_SAMPLE_F32: u32 = 4;
const ONAIR_ALL_CHANNELS: c_int = -1;

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct onair_audio {
    size: u32,
    sample_rate: u32,
    channels: u32,
    block_samples: u32,
    packet_samples: u32,
    packet_time_us: u32,
    is_sender: u32,
    coding: [c_char; 12],
    channel_order: [c_char; 256],
    buffer_bytes: u64,
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_audio {
    const FIRST: usize = 304;
}

/// The format of what has audio.
fn format(contents: &Contents) -> Result<&AudioFormat, Fault> {
    match contents {
        Contents::Audio(format) => Ok(format),
        _ => Err(invalid("the session carries no audio")),
    }
}

/// Describes the buffers of a session.
pub(crate) fn describe(session: &AnySession) -> Result<onair_audio, Fault> {
    let format = format(session.layout())?;
    let mut result = onair_audio {
        size: 0,
        sample_rate: format.sample_rate(),
        channels: format.channels(),
        block_samples: format.block_samples(),
        packet_samples: format.packet_samples(),
        packet_time_us: format.packet_time_us(),
        is_sender: session.is_sender().into(),
        coding: [0; 12],
        channel_order: [0; 256],
        buffer_bytes: format.block_bytes() as u64,
    };
    copy(format.coding().as_str(), &mut result.coding);
    let order = format.order().map(ToString::to_string);
    copy(&order.unwrap_or_default(), &mut result.channel_order);
    Ok(result)
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_audio_view(session: onair_session, view: *mut onair_audio) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let place = unsafe { ResultPlace::new(view)? };
        place.write(&describe(&attached.session)?);
        Ok(0)
    })
}

/// Runs `$body` with the type of samples `$sample` as `$type`.
macro_rules! with_samples {
    ($sample:expr, $type:ident => $body:expr) => {
        match $sample {
            ONAIR_SAMPLE_S16 => {
                type $type = i16;
                $body
            }
            ONAIR_SAMPLE_S24 => {
                type $type = S24;
                $body
            }
            ONAIR_SAMPLE_S32 => {
                type $type = i32;
                $body
            }
            ONAIR_SAMPLE_F32 => {
                type $type = f32;
                $body
            }
            _ => Err(invalid("no such type of samples")),
        }
    };
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_audio_unpack(
    session: onair_session,
    buffer: *const onair_buffer,
    channel: c_int,
    sample: u32,
    samples: *mut c_void,
    bytes: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        attached.with_buffer(loan, |buffer| {
            // SAFETY: the caller's promise.
            let read = unsafe {
                unpack(
                    attached.session.layout(),
                    &buffer,
                    (channel, sample),
                    (samples, bytes),
                )
            };
            (buffer, read)
        })?
    })
}

/// Writes the samples of a block, of one channel or of all, and returns how many.
///
/// # Safety
/// `samples` is null, or `bytes` bytes may be written there.
pub(crate) unsafe fn unpack(
    contents: &Contents,
    block: &[u8],
    (channel, sample): (c_int, u32),
    (samples, bytes): (*mut c_void, usize),
) -> Result<c_int, Fault> {
    let view = AudioView::new(format(contents)?, block);
    with_samples!(sample, T => {
        let count = check::<T>(samples, bytes)?;
        // SAFETY: the caller's promise: so many bytes may be written. They are aligned, and any bytes are samples.
        let samples = unsafe { std::slice::from_raw_parts_mut(samples.cast::<T>(), count) };
        read(&view, channel, samples)
    })
}

/// Reads a channel, or all, and returns the samples.
fn read<T: AudioSample>(
    view: &AudioView<'_>,
    channel: c_int,
    out: &mut [T],
) -> Result<c_int, Fault> {
    let channels = view.format().channels();
    let (channel, wanted) = match channel {
        ONAIR_ALL_CHANNELS => (None, view.samples() * channels as usize),
        it => (Some(u32::try_from(it)), view.samples()),
    };
    if out.len() < wanted {
        return Err(invalid("the memory is too small for the samples"));
    }
    let count = match channel {
        None => view.interleaved(out),
        Some(Ok(channel)) if channel < channels => view.channel(channel, out),
        Some(_) => return Err(invalid("no such channel")),
    };
    Ok(c_int::try_from(count).unwrap_or(c_int::MAX))
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_audio_pack(
    session: onair_session,
    buffer: *const onair_buffer,
    sample: u32,
    samples: *const c_void,
    bytes: usize,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        let format = format(attached.session.layout())?;
        with_samples!(sample, T => {
            let count = check::<T>(samples, bytes)?;
            let wanted = format.block_samples() as usize * format.channels() as usize;
            if count < wanted {
                return Err(invalid("too few samples for the buffer"));
            }
            // SAFETY: the caller's promise: so many bytes may be read. They are aligned, and any bytes are samples.
            let samples = unsafe { std::slice::from_raw_parts(samples.cast::<T>(), wanted) };
            attached.with_buffer(loan, |buffer| fill(buffer, |out| {
                let count = write_samples(format, samples, out);
                Ok(c_int::try_from(count).unwrap_or(c_int::MAX))
            }))?
        })
    })
}

/// How many samples a place has.
fn check<T>(samples: *const c_void, bytes: usize) -> Result<usize, Fault> {
    let is_valid = !samples.is_null() && samples.cast::<T>().is_aligned();
    match is_valid && isize::try_from(bytes).is_ok() {
        true => Ok(bytes / size_of::<T>()),
        false => Err(invalid("the samples are NULL, not aligned, or too many")),
    }
}
