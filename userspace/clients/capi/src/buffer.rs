//! The calls that get and return buffers.

use std::ffi::{c_int, c_void};

use onair::{Error, Status, Timeout};

use crate::attached::{Attached, OwnedBuffer, onair_session};
use crate::border::{Fault, call, invalid};
use crate::structs::{Grows, ResultPlace, read};

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct onair_buffer {
    size: u32,
    is_complete: u32,
    pub(crate) session: onair_session,
    pub(crate) loan: u64,
    data: *mut c_void,
    bytes: usize,
    number: u64,
    media_time_ns: u64,
    first_packet_ns: u64,
    last_packet_ns: u64,
    rtp_timestamp: u32,
    packets: u32,
    bytes_missing: u32,
    packets_lost: u32,
    is_open: u32,
    lines: u32,
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_buffer {
    const FIRST: usize = 88;
}

impl onair_buffer {
    const NONE: Self = Self {
        size: 0,
        is_complete: 0,
        session: 0,
        loan: 0,
        data: std::ptr::null_mut(),
        bytes: 0,
        number: 0,
        media_time_ns: 0,
        first_packet_ns: 0,
        last_packet_ns: 0,
        rtp_timestamp: 0,
        packets: 0,
        bytes_missing: 0,
        packets_lost: 0,
        is_open: 0,
        lines: 0,
    };

    fn of(buffer: &OwnedBuffer, session: onair_session) -> Self {
        let (bytes_missing, packets_lost) = match buffer.status() {
            Status::Complete => (0, 0),
            Status::Incomplete(what) => (what.bytes_missing, what.packets_lost),
        };
        Self {
            is_complete: buffer.status().is_complete().into(),
            session,
            data: buffer.as_ptr().cast_mut().cast(),
            bytes: buffer.len(),
            number: buffer.number(),
            media_time_ns: buffer.media_time_ns().unwrap_or_default(),
            first_packet_ns: buffer.first_packet_ns(),
            last_packet_ns: buffer.last_packet_ns(),
            rtp_timestamp: buffer.rtp_timestamp(),
            packets: buffer.packets(),
            bytes_missing,
            packets_lost,
            is_open: buffer.is_open().into(),
            lines: buffer.progress(),
            ..Self::NONE
        }
    }
}

/// The loan that a struct of the caller's names.
///
/// # Safety
/// As `onair.h` says of each function with a `const onair_buffer *`.
pub(crate) unsafe fn loan(
    session: onair_session,
    buffer: *const onair_buffer,
) -> Result<u64, Fault> {
    // SAFETY: the caller's promise.
    let buffer = unsafe { read(buffer, onair_buffer::NONE)? };
    match buffer.session == session {
        true => Ok(buffer.loan),
        false => Err(invalid("another session loaned the buffer, or none")),
    }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_buffer_get(
    session: onair_session,
    buffer: *mut onair_buffer,
    timeout_ms: u32,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let place = unsafe { ResultPlace::new(buffer)? };
        let timeout = Timeout::millis(timeout_ms);
        let got = attached.session.buffer_get_owned(timeout)?;
        place.write(&kept(&attached, session, got)?);
        Ok(0)
    })
}

/// Keeps a buffer on loan to the program, and describes it. One of a send session is writable.
fn kept(
    attached: &Attached,
    session: onair_session,
    got: OwnedBuffer,
) -> Result<onair_buffer, Fault> {
    let (got, data) = match got.writable() {
        Ok(mut writable) => {
            let data = writable.as_mut_ptr();
            (writable.into_buffer(), Some(data))
        }
        Err(got) => (got, None),
    };
    let mut result = onair_buffer::of(&got, session);
    if let Some(data) = data {
        result.data = data.cast();
    }
    result.loan = attached.keep(got)?;
    Ok(result)
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_buffer_get_open(
    session: onair_session,
    buffer: *mut onair_buffer,
    lines: u32,
    timeout_ms: u32,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let place = unsafe { ResultPlace::new(buffer)? };
        let timeout = Timeout::millis(timeout_ms);
        let got = attached.session.buffer_get_open_owned(lines, timeout)?;
        place.write(&kept(&attached, session, got)?);
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_buffer_wait_lines(
    session: onair_session,
    buffer: *mut onair_buffer,
    lines: u32,
    timeout_ms: u32,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        // SAFETY: as above.
        let place = unsafe { ResultPlace::new(buffer)? };
        let (mut now, waited) = attached.with_buffer(loan, |buffer| {
            let waited = buffer.wait_for(lines, Timeout::millis(timeout_ms));
            let now = onair_buffer::of(&buffer, session);
            (buffer, (now, waited))
        })?;
        now.loan = loan;
        place.write(&now);
        Ok(c_int::try_from(waited?).unwrap_or(c_int::MAX))
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_buffer_put(
    session: onair_session,
    buffer: *const onair_buffer,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        attached.give_back(session, loan, |buffer| buffer.put())?;
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_buffer_submit(
    session: onair_session,
    buffer: *const onair_buffer,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        let not_a_sender = || Error::NotASender(attached.session.name().to_owned());
        if !attached.session.is_sender() {
            return Err(not_a_sender().into());
        }
        attached.give_back(session, loan, |buffer| match buffer.writable() {
            Ok(buffer) => buffer.submit(),
            Err(_) => Err(not_a_sender()),
        })?;
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_buffer_submit_open(
    session: onair_session,
    buffer: *const onair_buffer,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        attached.look(loan, |buffer| buffer.submit_open())??;
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_buffer_lines_ready(
    session: onair_session,
    buffer: *const onair_buffer,
    lines: u32,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let loan = unsafe { loan(session, buffer)? };
        attached.look(loan, |buffer| buffer.ready(lines))??;
        Ok(0)
    })
}
