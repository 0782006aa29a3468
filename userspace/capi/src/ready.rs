//! The descriptor for events, as a program has it.

use std::ffi::c_int;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use onair::{Error, EventFd};

/// No number.
const NONE: c_int = -1;

/// The library's own descriptor, and a number of it for the program. If the program closes that number, and it is
/// another file's then, the library touches no other file.
pub(crate) struct Ready {
    own: EventFd,
    given: AtomicI32,
}

impl Ready {
    pub(crate) fn new(own: EventFd) -> Self {
        Self {
            own,
            given: AtomicI32::new(NONE),
        }
    }

    /// The program's number; another one if the program has closed the last.
    pub(crate) fn number(&self) -> Result<c_int, Error> {
        let before = self.given.load(Ordering::Relaxed);
        if before != NONE && self.has(before) != Some(false) {
            return Ok(before);
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

    /// Whether a number is of the same eventfd; `None` without `/proc`.
    fn has(&self, number: c_int) -> Option<bool> {
        let own = eventfd_id(self.own.as_raw_fd())?;
        Some(eventfd_id(number) == Some(own))
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        let given = *self.given.get_mut();
        // Without /proc it stays open: that is better than to close another file.
        if given != NONE && self.has(given) == Some(true) {
            // SAFETY: it is a number of this eventfd, which only this library duplicates.
            drop(unsafe { OwnedFd::from_raw_fd(given) });
        }
    }
}

/// The kernel's number of an eventfd: proc_pid_fdinfo(5).
fn eventfd_id(number: c_int) -> Option<String> {
    let info = std::fs::read_to_string(format!("/proc/thread-self/fdinfo/{number}")).ok()?;
    let id = info
        .lines()
        .find_map(|line| line.strip_prefix("eventfd-id:"))?;
    Some(id.trim().to_owned())
}
