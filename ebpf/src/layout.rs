//! Mirrors of the structs in `waiters.h`.
//!
//! Values come out of map reads as bytes and are decoded field by field, so no
//! loader needs an unsafe cast. The sizes are asserted at compile time against
//! the numbers that the C compiler arrives at.

use crate::mirror::mirror;
pub use crate::stat::Stat;

/// The session value that a canary passes through its site.
pub const CANARY_SESSION: u64 = u64::MAX;
/// Sessions that can be counted at the same time; indices are below it.
pub const BLOCKED_SLOTS: u32 = 1024;
/// Bit in [`Event::flags`]: the process has no other thread left.
pub const EVENT_LAST: u32 = 1;

/// Size in bytes of [`Waiter`] in its map.
pub const WAITER_SIZE: usize = 80;
/// Size in bytes of [`AttachmentKey`].
pub const ATTACHMENT_KEY_SIZE: usize = 16;
/// Size in bytes of [`Attachment`].
pub const ATTACHMENT_SIZE: usize = 40;
/// Size in bytes of [`Client`].
pub const CLIENT_SIZE: usize = 8;
/// Size in bytes of [`Canary`].
pub const CANARY_SIZE: usize = 48;
/// Size in bytes of [`Event`].
pub const EVENT_SIZE: usize = 80;
/// Size in bytes of [`Settings`].
pub const SETTINGS_SIZE: usize = 8;

mirror! {
    /// `struct onair_waiter`: a thread between the two sites.
    Waiter: WAITER_SIZE {
        /// Session that it waits in.
        session: u64,
        /// Attachment, as registered.
        attachment: u64,
        /// CLOCK_MONOTONIC at the begin, ns.
        since: u64,
        /// Start of the thread, CLOCK_BOOTTIME, ns.
        start_boottime: u64,
        /// Attach cookie: inode number of the file that holds the site.
        cookie: u64,
        /// Process, first pid namespace.
        tgid: u32,
        /// Thread, first pid namespace.
        tid: u32,
        /// Process in the loader's pid namespace; 0 = not visible there.
        ns_tgid: u32,
        /// Thread in the loader's pid namespace; 0 = not visible there.
        ns_tid: u32,
        /// Thread as gettid() tells it.
        own_tid: u32,
        /// Index into `blocked`.
        index: u32,
        /// Name of the thread, zero-terminated.
        comm: [u8; 16],
    }
}

mirror! {
    /// `struct onair_attachment_key`.
    AttachmentKey: ATTACHMENT_KEY_SIZE {
        /// Process, first pid namespace.
        tgid: u32,
        /// Zero.
        pad: u32,
        /// Session.
        session: u64,
    }
}

mirror! {
    /// `struct onair_attachment`: who may be counted, and where.
    Attachment: ATTACHMENT_SIZE {
        /// The daemon's number of the attachment.
        attachment: u64,
        /// Start of the process, CLOCK_BOOTTIME, ns; 0 = not compared.
        start_boottime: u64,
        /// Threads inside that found no room in `waiters`.
        lost: u64,
        /// Threads in `waiters` under this attachment: never too low, and a second count beside
        /// `blocked`.
        inside: u64,
        /// Index into `blocked`.
        index: u32,
        /// Zero.
        pad: u32,
    }
}

mirror! {
    /// `struct onair_client`: a process whose thread exits and execs are told.
    Client: CLIENT_SIZE {
        /// Start of the process, CLOCK_BOOTTIME, ns; 0 = not compared.
        start_boottime: u64,
    }
}

mirror! {
    /// `struct onair_canary`: what a token brought back.
    Canary: CANARY_SIZE {
        /// Times that the token came through.
        hits: u64,
        /// 1 once the fields below are written.
        filled: u32,
        /// Thread as gettid() tells it.
        own_tid: u32,
        /// Start of the process, CLOCK_BOOTTIME, ns.
        start_boottime: u64,
        /// Attach cookie: inode number of the file that holds the site.
        cookie: u64,
        /// Process, first pid namespace.
        tgid: u32,
        /// Thread, first pid namespace.
        tid: u32,
        /// Process in the loader's pid namespace; 0 = not visible there.
        ns_tgid: u32,
        /// Thread in the loader's pid namespace; 0 = not visible there.
        ns_tid: u32,
    }
}

mirror! {
    /// `struct onair_event`: an item of the ring.
    Event: EVENT_SIZE {
        /// See [`EventKind::of`].
        kind: u32,
        /// See [`EVENT_LAST`].
        flags: u32,
        /// Process, first pid namespace.
        tgid: u32,
        /// Thread, first pid namespace.
        tid: u32,
        /// Process in the loader's pid namespace; 0 = not visible there.
        ns_tgid: u32,
        /// Thread in the loader's pid namespace; 0 = not visible there.
        ns_tid: u32,
        /// Thread as gettid() told it.
        own_tid: u32,
        /// Zero.
        pad: u32,
        /// Session that it was inside of; 0 = none.
        session: u64,
        /// Attachment that it was inside of.
        attachment: u64,
        /// CLOCK_MONOTONIC at the begin of the wait, ns; 0 = none.
        since: u64,
        /// CLOCK_MONOTONIC of the event, ns.
        at: u64,
        /// Name of the thread, zero-terminated.
        comm: [u8; 16],
    }
}

mirror! {
    /// `struct onair_settings`: the constant that a loader overrides before loading.
    Settings: SETTINGS_SIZE {
        /// Inode number of the loader's pid namespace; 0 = the first one.
        pidns_inum: u32,
        /// 1: any session of a process in `clients` counts, keyed by its `ns_tgid`.
        watch_all: u32,
    }
}

/// What an [`Event`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A thread ended.
    Exit,
    /// A process replaced its image.
    Exec,
}

impl EventKind {
    /// Decodes [`Event::kind`]; `None` for a number that this version does not know.
    pub fn of(kind: u32) -> Option<Self> {
        match kind {
            1 => Some(Self::Exit),
            2 => Some(Self::Exec),
            _ => None,
        }
    }
}

/// Key of `waiters`.
pub fn waiter_key(tgid: u32, tid: u32) -> u64 {
    u64::from(tgid) << 32 | u64::from(tid)
}

/// A zero-terminated name as text; bytes that are not UTF-8 are replaced.
pub fn text(comm: &[u8; 16]) -> String {
    let end = comm
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(comm.len());
    String::from_utf8_lossy(&comm[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiter_encode_and_decode_then_same() {
        let waiter = Waiter {
            session: 1 << 33 | 7,
            attachment: 2,
            since: 3,
            start_boottime: 4,
            cookie: 5,
            tgid: 6,
            tid: 7,
            ns_tgid: 8,
            ns_tid: 9,
            own_tid: 10,
            index: 11,
            comm: *b"a thread name 16",
        };
        assert_eq!(Waiter::from_bytes(&waiter.to_bytes()), waiter);
        assert_eq!(Waiter::from_slice(&[0; WAITER_SIZE - 1]), None);
    }

    #[test]
    fn text_unterminated_or_not_utf8_then_still_text() {
        assert_eq!(text(b"0123456789abcdef"), "0123456789abcdef");
        assert_eq!(text(b"ab\0cdefghijklmno"), "ab");
        assert_eq!(text(&[0xff; 16]).chars().count(), 16);
    }
}
