//! The calls that begin, stop and end a session.

use std::ffi::{c_char, c_int};
use std::time::Duration;

use onair::{AnySession, Certificate, Client, Error, PixelFormat, SessionSpec, Timeout};

use crate::attached::{Attached, locked, onair_session};
use crate::border::{Fault, call, pixel_format, text};
use crate::certificate;
use crate::structs::{Grows, read, set};

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct onair_daemon {
    size: u32,
    response_timeout_ms: u32,
    socket: *const c_char,
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_daemon {
    const FIRST: usize = 16;
}

/// # Safety
/// As `onair.h` says of each function with a `const onair_daemon *`.
pub(crate) unsafe fn client(daemon: *const onair_daemon) -> Result<Client, Fault> {
    if daemon.is_null() {
        return Ok(Client::from_env());
    }
    let missing = onair_daemon {
        size: 0,
        response_timeout_ms: 0,
        socket: std::ptr::null(),
    };
    // SAFETY: the caller's promise.
    let daemon = unsafe { read(daemon, missing)? };
    let client = match daemon.socket.is_null() {
        true => Client::from_env(),
        // SAFETY: the caller's promise.
        false => Client::at(unsafe { text(daemon.socket)? }),
    };
    Ok(match daemon.response_timeout_ms {
        0 => client,
        ms => client.response_timeout(Duration::from_millis(ms.into())),
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_connect(daemon: *const onair_daemon) -> c_int {
    call(|| {
        // SAFETY: the caller's promise.
        let client = unsafe { client(daemon)? };
        client.check()?;
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_session_attach(
    daemon: *const onair_daemon,
    name: *const c_char,
    layout: *const c_char,
    session: *mut onair_session,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { attach(daemon, name, layout, session, Client::attach_of) }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_session_attach_to_sample(
    daemon: *const onair_daemon,
    name: *const c_char,
    layout: *const c_char,
    session: *mut onair_session,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { attach(daemon, name, layout, session, Client::attach_to_sample_of) }
}

/// # Safety
/// As [`onair_session_attach`].
unsafe fn attach(
    daemon: *const onair_daemon,
    name: *const c_char,
    layout: *const c_char,
    session: *mut onair_session,
    attach: impl FnOnce(&Client, &str, Option<PixelFormat>) -> Result<AnySession, Error>,
) -> c_int {
    call(|| {
        // SAFETY: the caller's promise.
        let (client, name) = unsafe { (client(daemon)?, text(name)?) };
        let format = match layout.is_null() {
            true => None,
            // SAFETY: the caller's promise.
            false => Some(unsafe { pixel_format(layout)? }),
        };
        // SAFETY: the caller's promise.
        unsafe { set(session, 0)? };
        let attached = attach(&client, name, format)?;
        // SAFETY: the caller's promise.
        unsafe { set(session, Attached::insert(attached)?)? };
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_session_attach_to_fill(
    daemon: *const onair_daemon,
    name: *const c_char,
    session: *mut onair_session,
) -> c_int {
    call(|| {
        // SAFETY: the caller's promise.
        let (client, name) = unsafe { (client(daemon)?, text(name)?) };
        // SAFETY: the caller's promise.
        unsafe { set(session, 0)? };
        let attached = client.attach_to_fill_of(name)?;
        // SAFETY: the caller's promise.
        unsafe { set(session, Attached::insert(attached)?)? };
        Ok(0)
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_session_create(
    daemon: *const onair_daemon,
    spec: *const c_char,
    session: *mut onair_session,
) -> c_int {
    call(|| {
        // SAFETY: the caller's promise.
        let (client, spec) = unsafe { (client(daemon)?, text(spec)?) };
        let spec: SessionSpec = serde_json::from_str(spec).map_err(Fault::Specification)?;
        // SAFETY: the caller's promise.
        unsafe { set(session, 0)? };
        let created = client.create_of(&spec)?;
        // SAFETY: the caller's promise.
        unsafe { set(session, Attached::insert(created)?)? };
        Ok(0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn onair_session_stop(session: onair_session) -> c_int {
    Attached::with(session, |session| {
        session.stop();
        0
    })
}

#[unsafe(no_mangle)]
extern "C" fn onair_session_start(session: onair_session) -> c_int {
    Attached::with(session, |session| {
        session.start();
        0
    })
}

#[unsafe(no_mangle)]
extern "C" fn onair_session_is_stopped(session: onair_session) -> c_int {
    Attached::with(session, |session| session.is_stopped().into())
}

#[unsafe(no_mangle)]
extern "C" fn onair_session_is_ending(session: onair_session) -> c_int {
    Attached::with(session, |session| session.is_service_ending().into())
}

#[unsafe(no_mangle)]
extern "C" fn onair_session_wait_started(session: onair_session, timeout_ms: u32) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        attached.session.wait_started(Timeout::millis(timeout_ms))?;
        Ok(0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn onair_session_quota(session: onair_session) -> c_int {
    call(|| {
        let quota = Attached::of(session)?.session.quota();
        Ok(c_int::try_from(quota).unwrap_or(c_int::MAX))
    })
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_session_flush(
    session: onair_session,
    wait_ms: u32,
    frames_sent: *mut u64,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        let sent = attached.session.flush(wait(wait_ms))?;
        if !frames_sent.is_null() {
            // SAFETY: the caller's promise.
            unsafe { set(frames_sent, sent)? };
        }
        Ok(0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn onair_session_detach(session: onair_session) -> c_int {
    end(session, |session| session.detach().map(|()| None))
}

#[unsafe(no_mangle)]
extern "C" fn onair_session_destroy(session: onair_session, wait_ms: u32) -> c_int {
    end(session, |session| {
        let certificate = match wait_ms {
            0 => session.destroy(),
            ms => session.destroy_wait(wait(ms)),
        };
        certificate.map(Some)
    })
}

#[unsafe(no_mangle)]
extern "C" fn onair_session_abort(session: onair_session) -> c_int {
    end(session, |session| session.abort().map(Some))
}

/// Ends a session. Its handle goes with it, also if it had ended before.
fn end(
    handle: onair_session,
    how: impl FnOnce(&AnySession) -> Result<Option<Certificate>, Error>,
) -> c_int {
    call(|| {
        let attached = Attached::of(handle)?;
        let result = how(&attached.session);
        if let Err(Error::Busy(busy)) = &result {
            locked(&attached.blockers).clone_from(&busy.blockers);
        }
        if let Ok(_) | Err(Error::Stale) = result {
            attached.end(handle);
        }
        if let Some(certificate) = result? {
            certificate::keep(handle, &certificate);
        }
        Ok(0)
    })
}

fn wait(ms: u32) -> Duration {
    match ms {
        u32::MAX => Duration::MAX,
        ms => Duration::from_millis(ms.into()),
    }
}
