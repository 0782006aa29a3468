//! The connection with the daemon. Its kick tells the daemon that the last caller has left, or that a frame was put.

use core::sync::atomic::{AtomicBool, Ordering};
use std::os::fd::{AsFd as _, AsRawFd as _};

use onair_mutant::mutant;

use super::words::Words;
#[cfg(not(simulated))]
use crate::message::KICK;
use crate::sys::CheckedFd;
use crate::{label, slot, sys};

/// The connection of one attachment with the daemon.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: CheckedFd,
    /// Set when a caller found the daemon's end of the connection closed.
    pub(super) hung_up: AtomicBool,
}

impl Connection {
    /// Checks whether the daemon still has its end of the connection. The kernel may take the
    /// memory of a killed daemon before its robust list (out-of-memory killer,
    /// process_mrelease(2)); then only this check notifies its clients.
    #[cold]
    pub(super) fn look(&self) {
        if !self.socket.is_own() || sys::has_hung_up(self.socket.as_fd()) {
            self.note_hang_up();
        }
    }

    pub(super) fn note_hang_up(&self) {
        self.hung_up.store(true, Ordering::Relaxed);
    }

    /// Sends the kick if the daemon requested one and no caller is inside that will send it. A full
    /// socket means that one is pending.
    #[inline(always)]
    pub(super) fn kick_look(&self, words: &Words) {
        if words.kick().take(|| words.is_user_inside()) {
            label!("kick.taken");
            self.send_kick();
            label!("kick.sent");
        }
    }

    #[cfg(simulated)]
    fn send_kick(&self) {
        crate::scheduled::send_kick(self.socket.as_fd().as_raw_fd());
    }

    #[cfg(not(simulated))]
    #[cold]
    fn send_kick(&self) {
        if !self.socket.is_own() {
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

impl Words {
    /// Whether a slot counts a user, as the daemon sees it.
    fn is_user_inside(&self) -> bool {
        let high = self.slots_high().load(Ordering::Relaxed);
        let gate = mutant!(
            "kick: waits for one that has acknowledged",
            u32::MAX,
            self.session_gate().load()
        );
        let mut users = slot::users(self.slots(), high, gate);
        // Threads that leave in the order in which they came find another one soon.
        users.next_back().is_some()
    }
}
