//! Events, and the descriptor that says that a call may have a result.

use std::ffi::c_int;

use onair::{EventKind, Timeout};

use crate::attached::{Attached, EventDescriptor, onair_session};
use crate::border::{call, invalid};
use crate::structs::{Grows, ResultPlace};

#[repr(C)]
#[derive(Clone, Copy)]
struct onair_event {
    size: u32,
    kind: u32,
    sequence: u64,
    argument: u64,
    at_ns: u64,
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_event {
    const FIRST: usize = 32;
}

const ONAIR_EVENT_STARTED: u32 = 1;
const ONAIR_EVENT_DRAINING: u32 = 2;
const ONAIR_EVENT_DROPPED: u32 = 3;
const ONAIR_EVENT_RETARGETED: u32 = 4;

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_event_poll(
    session: onair_session,
    event: *mut onair_event,
    timeout_ms: u32,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let place = unsafe { ResultPlace::new(event)? };
        let event = attached.session.event_poll(Timeout::millis(timeout_ms))?;
        place.write(&onair_event {
            size: 0,
            kind: match event.kind {
                EventKind::Started => ONAIR_EVENT_STARTED,
                EventKind::Draining => ONAIR_EVENT_DRAINING,
                EventKind::Dropped => ONAIR_EVENT_DROPPED,
                EventKind::Retargeted => ONAIR_EVENT_RETARGETED,
                EventKind::Other(kind) => u32::try_from(kind).unwrap_or(u32::MAX),
            },
            sequence: event.sequence,
            argument: event.argument,
            at_ns: event.at_ns,
        });
        Ok(0)
    })
}

#[unsafe(no_mangle)]
extern "C" fn onair_event_fd(session: onair_session) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        if attached.ready.get().is_none() {
            // Of two threads that ask at once, one drops its own.
            let _ = attached
                .ready
                .set(EventDescriptor::new(attached.session.event_fd()?));
        }
        let ready = attached.ready.get();
        Ok(ready.expect("it was just set").number()?)
    })
}

#[unsafe(no_mangle)]
extern "C" fn onair_event_clear(session: onair_session) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        let ready = attached.ready.get();
        ready.ok_or(invalid("call onair_event_fd first"))?.clear();
        Ok(0)
    })
}
