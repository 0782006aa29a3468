//! Sleeping: the slow path of a call, between the probe's sites.
//!
//! The daemon wakes a bounded number of sleepers, whatever it woke them for. A caller that returns
//! because of a stop, or because of the end, wakes all others: the cost of many sleepers is their own
//! process's. Fewer than all could be callers of a later generation, which have nothing to
//! return for and would keep the wake-up to themselves.

use super::{Attachment, Deadline, Refusal};
use crate::event_count::EventCount;
use crate::gate::is_open;
use crate::label;
use crate::memory::State;
use crate::site;
use crate::sync::AtomicU32;
use crate::sys::{self, Waited};

/// Longest sleep: the backstop against what no wake-up reaches. The kernel's out-of-memory killer may
/// take the list that wakes clients of a dead daemon: a caller whose sleep expires looks at the socket.
const SLICE_NS: u64 = 1_000_000_000;
/// Longest sleep where futex_waitv is refused and only one word can be waited on.
const FALLBACK_SLICE_NS: u64 = 50_000_000;

/// What a call takes: what it is for, and what it may take though a gate is closed.
pub(super) type Calls<'a, T> = (
    &'a mut dyn FnMut() -> Option<T>,
    &'a mut dyn FnMut() -> Option<T>,
);

/// Waits until `attempt` yields something, one of the gates leaves `(local, session)`, the daemon
/// dies, or the absolute deadline passes. After whatever ends a sleep the order is: gates, attempt,
/// deadline; so a stop is never mistaken for a time-out, and a wake-up never dropped.
pub(super) fn blocked<T>(
    attachment: &Attachment,
    bell: &EventCount,
    (local, session): (u32, u32),
    deadline_ns: u64,
    (attempt, final_event): Calls<'_, T>,
) -> Result<T, Refusal> {
    let mut result = Err(Refusal::TimedOut);
    let mut passes_on = false;
    let mut wait = || {
        label!("wait.begun");
        bell.join();
        label!("wait.joined");
        let mut expired = false;
        loop {
            let heard = bell.listen();
            label!("wait.listened");
            if attachment.words.local_gate().load() != local
                || attachment.words.session_gate().load() != session
            {
                passes_on = true;
                result = final_event().ok_or_else(|| attachment.why_closed());
                break;
            }
            if attachment.is_daemon_lost() {
                wake_others(attachment);
                result = final_event().ok_or(Refusal::Stale);
                break;
            }
            if let Some(taken) = attempt() {
                label!("wait.served");
                result = Ok(taken);
                break;
            }
            if expired {
                break;
            }
            let words = [
                (bell.word(), heard),
                (attachment.words.life(), attachment.life_value),
            ];
            label!("wait.before_sleep");
            sleep(attachment, words, deadline_ns);
            label!("wait.slept");
            expired = has_passed(deadline_ns);
        }
        label!("wait.before_part");
        bell.part();
        label!("wait.parted");
        if passes_on && bell.is_awaited() {
            sys::futex_wake(bell.word(), sys::ALL);
        }
    };
    label!("wait.before_begin");
    site::between(attachment.session, attachment.attachment, &mut wait);
    result
}

/// Waits until both gates are open. Takes nothing, so it is counted nowhere.
pub(super) fn for_start(attachment: &Attachment, deadline: Deadline) -> Result<(), Refusal> {
    let result = until_started(attachment, deadline);
    if let (true, Ok(()) | Err(Refusal::Stale)) = result {
        // A thread that waits for a start sleeps on this word among others.
        sys::futex_wake(attachment.words.session_gate().word(), sys::ALL);
    }
    result.1
}

/// Whether it slept, and what it came to.
fn until_started(attachment: &Attachment, deadline: Deadline) -> (bool, Result<(), Refusal>) {
    let mut expired = deadline == Deadline::Now;
    let mut slept = false;
    loop {
        let local = attachment.words.local_gate().load();
        let session = attachment.words.session_gate().load();
        if attachment.is_gone() {
            wake_others(attachment);
            return (slept, Err(Refusal::Stale));
        }
        if is_open(local) && is_open(session) {
            label!("started.seen");
            return (slept, Ok(()));
        }
        if expired {
            return (slept, Err(Refusal::TimedOut));
        }
        let words = [
            (attachment.words.session_gate().word(), session),
            (attachment.words.local_gate().word(), local),
            (attachment.words.state(), State::Open as u32),
            (attachment.words.life(), attachment.life_value),
        ];
        label!("started.before_sleep");
        sleep(attachment, words, deadline.ns());
        label!("started.slept");
        slept = true;
        expired = has_passed(deadline.ns());
    }
}

/// Sleeps until one of the words moves, at most until the deadline and at most for a slice. Where only
/// one word can be slept on, that is the first. After a sleep that nothing ended it looks whether the
/// daemon still has its end of the connection.
pub(super) fn sleep<const N: usize>(
    attachment: &Attachment,
    words: [(&AtomicU32, u32); N],
    deadline_ns: u64,
) {
    let now = sys::monotonic_ns();
    let until = deadline_ns.min(now.saturating_add(SLICE_NS));
    match sys::futex_waitv(words, until) {
        Waited::Moved => {}
        Waited::Expired => attachment.look_at_connection(),
        Waited::Unsupported => {
            let slice = until.saturating_sub(now).min(FALLBACK_SLICE_NS);
            let [(first, expected), ..] = words.as_slice() else {
                unreachable!("a caller sleeps on something");
            };
            sys::futex_wait_slice(first, *expected, slice);
            attachment.look_at_connection();
        }
    }
}

/// Whether the deadline has passed. Who waits for ever does not look at the clock when it is woken.
fn has_passed(deadline_ns: u64) -> bool {
    deadline_ns != u64::MAX && sys::monotonic_ns() >= deadline_ns
}

/// The kernel wakes one sleeper of a dead daemon, or none; each one that wakes passes it on.
pub(super) fn wake_others(attachment: &Attachment) {
    if attachment.is_daemon_lost() {
        sys::futex_wake(attachment.words.life(), sys::ALL);
    }
}
