//! Tells the daemon that the last caller has left, or that a frame was put.

use core::sync::atomic::Ordering;
use std::os::fd::{AsFd as _, AsRawFd as _};

use onair_mutant::mutant;

use super::Attachment;
use crate::label;
#[cfg(not(simulated))]
use crate::message::KICK;
use crate::slot;

impl Attachment {
    /// Sends the kick if the daemon requested one and no caller is inside that will send it. A full
    /// socket means that one is pending.
    #[inline(always)]
    pub(super) fn kick_look(&self) {
        if self.words.kick().take(|| self.is_user_inside()) {
            label!("kick.taken");
            self.send_kick();
            label!("kick.sent");
        }
    }

    /// Whether a slot counts a user, as the daemon sees it.
    fn is_user_inside(&self) -> bool {
        let words = &self.words;
        let high = words.slots_high().load(Ordering::Relaxed);
        let gate = mutant!(
            "kick: waits for one that has acknowledged",
            u32::MAX,
            words.session_gate().load()
        );
        let mut users = slot::users(words.slots(), high, gate);
        // Threads that leave in the order in which they came find another one soon.
        users.next_back().is_some()
    }

    #[cfg(simulated)]
    fn send_kick(&self) {
        crate::scheduled::send_kick(self.socket.as_fd().as_raw_fd());
    }

    #[cfg(not(simulated))]
    #[cold]
    fn send_kick(&self) {
        if !self.has_connection() {
            return;
        }
        // SAFETY: a one-byte buffer on a descriptor that we own; errno is restored for callers
        // within signal handlers.
        unsafe {
            let errno = libc::__errno_location();
            let saved = *errno;
            libc::send(
                self.socket.as_fd().as_raw_fd(),
                core::slice::from_ref(&KICK).as_ptr().cast(),
                1,
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            );
            *errno = saved;
        }
    }
}
