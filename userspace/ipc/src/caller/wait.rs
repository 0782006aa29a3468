//! Sleeping: the slow path of a call, between the probe's sites.

use core::sync::atomic::Ordering;

use super::{Attachment, Deadline, Refusal};
use crate::bell::Bell;
use crate::gate::is_open;
use crate::label;
use crate::memory::State;
use crate::sys::{self, Waited};
use crate::{life, site};

/// Longest sleep: the backstop against what no wake-up reaches (the kernel's out-of-memory killer
/// may take the list that wakes clients of a dead daemon).
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
    bell: &Bell,
    (local, session): (u32, u32),
    deadline_ns: u64,
    (attempt, farewell): Calls<'_, T>,
) -> Result<T, Refusal> {
    let mut result = Err(Refusal::TimedOut);
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
                result = farewell().ok_or_else(|| attachment.why_closed());
                break;
            }
            if attachment.is_daemon_dead() {
                wake_others(attachment);
                result = farewell().ok_or(Refusal::Stale);
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
            let now = sys::monotonic_ns();
            let until = deadline_ns.min(now.saturating_add(SLICE_NS));
            let words = [
                (bell.word(), heard),
                (attachment.words.life(), attachment.life_value),
            ];
            label!("wait.before_sleep");
            if sys::futex_waitv(words, until) == Waited::Unsupported {
                let slice = until.saturating_sub(now).min(FALLBACK_SLICE_NS);
                sys::futex_wait_slice(bell.word(), heard, slice);
            }
            label!("wait.slept");
            expired = has_passed(deadline_ns);
        }
        label!("wait.before_part");
        bell.part();
        label!("wait.parted");
    };
    label!("wait.before_begin");
    site::between(attachment.session, attachment.attachment, &mut wait);
    result
}

/// Waits until both gates are open. Takes nothing, so it is counted nowhere.
pub(super) fn for_start(attachment: &Attachment, deadline: Deadline) -> Result<(), Refusal> {
    let mut expired = deadline == Deadline::Now;
    loop {
        let local = attachment.words.local_gate().load();
        let session = attachment.words.session_gate().load();
        if attachment.is_gone() {
            wake_others(attachment);
            return Err(Refusal::Stale);
        }
        if is_open(local) && is_open(session) {
            label!("started.seen");
            return Ok(());
        }
        if expired {
            return Err(Refusal::TimedOut);
        }
        let now = sys::monotonic_ns();
        let until = deadline.ns().min(now.saturating_add(SLICE_NS));
        let words = [
            (attachment.words.local_gate().word(), local),
            (attachment.words.session_gate().word(), session),
            (attachment.words.state(), State::Open as u32),
            (attachment.words.life(), attachment.life_value),
        ];
        label!("started.before_sleep");
        if sys::futex_waitv(words, until) == Waited::Unsupported {
            let slice = until.saturating_sub(now).min(FALLBACK_SLICE_NS);
            sys::futex_wait_slice(attachment.words.session_gate().word(), session, slice);
        }
        label!("started.slept");
        expired = has_passed(deadline.ns());
    }
}

/// Whether the deadline has passed. Who waits for ever does not look at the clock when it is woken.
fn has_passed(deadline_ns: u64) -> bool {
    deadline_ns != u64::MAX && sys::monotonic_ns() >= deadline_ns
}

/// The kernel wakes one sleeper of a dead daemon; each one that wakes passes it on.
fn wake_others(attachment: &Attachment) {
    if attachment.words.life().load(Ordering::Relaxed) & life::OWNER_DIED != 0 {
        sys::futex_wake(attachment.words.life(), sys::ALL);
    }
}
