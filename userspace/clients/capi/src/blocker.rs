//! The users for which the last destroy was refused.

use std::ffi::{c_char, c_int};

use onair::Blocker;

use crate::attached::{Attached, locked, onair_session};
use crate::border::{Fault, call, copy};
use crate::structs::{Grows, ResultPlace};

#[repr(C)]
#[derive(Clone, Copy)]
struct onair_blocker {
    size: u32,
    pid: u32,
    tid: u32,
    held_frames: u32,
    blocked_for_ms: u64,
    command: [c_char; 32],
    text: [c_char; 256],
}

// SAFETY: `repr(C)`, with its size in front; all fields take any bytes.
unsafe impl Grows for onair_blocker {
    const FIRST: usize = 312;
}

impl From<&Blocker> for onair_blocker {
    fn from(blocker: &Blocker) -> Self {
        let mut this = Self {
            size: 0,
            pid: blocker.pid,
            tid: blocker.tid.unwrap_or_default(),
            held_frames: u32::try_from(blocker.held_frames.len()).unwrap_or(u32::MAX),
            blocked_for_ms: blocker.blocked_for_ms.unwrap_or_default(),
            command: [0; 32],
            text: [0; 256],
        };
        copy(&blocker.command, &mut this.command);
        copy(&blocker.to_string(), &mut this.text);
        this
    }
}

/// # Safety
/// See `onair.h`.
#[unsafe(no_mangle)]
unsafe extern "C" fn onair_blocker_get(
    session: onair_session,
    index: u32,
    blocker: *mut onair_blocker,
) -> c_int {
    call(|| {
        let attached = Attached::of(session)?;
        // SAFETY: the caller's promise.
        let place = unsafe { ResultPlace::new(blocker)? };
        let blockers = locked(&attached.blockers);
        let found = blockers.get(index as usize);
        place.write(
            &found
                .ok_or(Fault::Use(libc::ENOENT, "there are no more blockers"))?
                .into(),
        );
        Ok(0)
    })
}
