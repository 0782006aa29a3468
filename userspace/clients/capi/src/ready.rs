//! The descriptor for events, as a program has it.

use std::ffi::c_int;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use onair::{Error, EventFd};

/// No number.
const NONE: c_int = -1;

/// The library's own descriptor, and a number of it for the program. If the program closes that number, and it is
/// another file's then, the library touches no other file.
pub(crate) struct EventDescriptor {
    own: EventFd,
    given: AtomicI32,
}

impl EventDescriptor {
    pub(crate) fn new(own: EventFd) -> Self {
        Self {
            own,
            given: AtomicI32::new(NONE),
        }
    }

    /// The program's number; another one if the program has closed the last.
    pub(crate) fn number(&self) -> Result<c_int, Error> {
        let before = self.given.load(Ordering::Relaxed);
        if self.own.is_at(before) {
            return Ok(before);
        }
        if !self.own.is_open() {
            // With all descriptors the program has closed the connection, too.
            return Err(Error::Disconnected);
        }
        let new = self.own.as_fd().try_clone_to_owned();
        let new = new.map_err(|source| Error::System {
            what: "duplicate the event descriptor",
            source,
        })?;
        let given = self.given.compare_exchange(
            before,
            new.as_raw_fd(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        // Of two threads that ask at once, one drops its own.
        Ok(given.map_or_else(|theirs| theirs, |_| new.into_raw_fd()))
    }

    /// Makes it unreadable, unless a call would have a result.
    pub(crate) fn clear(&self) {
        self.own.clear();
    }
}

impl Drop for EventDescriptor {
    fn drop(&mut self) {
        let given = *self.given.get_mut();
        if self.own.is_at(given) {
            // SAFETY: it is a number of this socket, which only this library duplicates.
            drop(unsafe { OwnedFd::from_raw_fd(given) });
        }
    }
}
