//! Sleeping: the slow path of a call, between the probe's sites.
//!
//! A caller comes here from `call.rs`. It has counted itself in its slot, has found both gates open, and has
//! found nothing to take. [`blocked`] returns when there is something, when a stop or the end came, or at the
//! deadline:
//!
//! 1. *Between the sites.* All that may sleep runs in [`site::between`]. From the first site to the second the
//!    kernel's probe (W2) counts the thread as blocked, also if the slot says otherwise.
//! 2. *Join.* The caller counts itself among the waiters of the event count. Without waiters a notifier makes no
//!    system call.
//! 3. *Listen.* It reads the event count before it checks anything. A notifier makes its change first and moves
//!    the count then. So a change that the checks miss moves the count after this reading, and the kernel refuses
//!    the sleep. If the caller checked first, it could sleep through a change.
//! 4. *Check*, always in this order: gates, daemon, what it came for, deadline. So a stop is never mistaken for a
//!    time-out, and a caller that is woken for a frame and runs late takes the frame. The gates are compared with
//!    the values that the caller passed, not by their bit: after a stop and a start in one sleep the bit is as
//!    before, but the caller must report the stop.
//! 5. *Sleep* on the event count and on the life word, a second at most. The kernel marks the life word when the
//!    daemon dies. The second is the backstop if that mark never comes: after a sleep that no wake-up ended, the
//!    caller checks whether its connection has hung up. Then it begins again at 3.
//! 6. *Part*, and *pass on*. Then `call.rs` counts the caller out of its slot, and checks whether a destroy waits
//!    for that (`words.rs`).
//!
//! *Pass on.* For one reason the daemon wakes one sleeper at once, and a bounded number later, because the client
//! chooses how many sleep. A caller that returns because of a stop or an end therefore wakes all others: the
//! client's own process pays for its sleepers. If it woke fewer, those could be callers of a later generation,
//! which do not return and would swallow the wake-up. It parts first, so that it does not count itself as one of
//! the others. A wake-up for the progress of a frame may reach a caller that waits for another: [`Passing`].
//!
//! [`for_start`] waits for open gates. It takes nothing: no slot counts it, and it is not between the sites, so a
//! destroy does not wait for it. It sleeps on each word that can end its wait, and passes a start on as well. A stop of this
//! process ends it: that stop wakes all such sleepers itself.
//!
//! Read on in `words/event_count.rs` (the pairing), `words/gate.rs` (the generations), `docs/gate.md` (I2, L1,
//! the model).

use onair_mutant::mutant;

use super::{Attachment, Deadline, Refusal};
use crate::event_count::EventCount;
use crate::gate::is_open;
use crate::label;
use crate::memory::AttachmentState;
use crate::site;
use crate::sync::AtomicU32;
use crate::sys::{self, Waited};

/// Longest sleep: the backstop if a wake-up does not arrive. The kernel's out-of-memory killer may
/// take the list that wakes clients of a dead daemon: a caller whose sleep expires checks the
/// socket.
const SLICE_NS: u64 = 1_000_000_000;
/// Longest sleep if futex_waitv is refused and a caller can wait on one word only.
const FALLBACK_SLICE_NS: u64 = 50_000_000;

/// Attempts of a call: one for its result, one for an event that it may take although a gate is closed.
pub(super) type Calls<'a, T> = (
    &'a mut dyn FnMut() -> Option<T>,
    &'a mut dyn FnMut() -> Option<T>,
);

/// Waits until `attempt` yields a result, one of the gates leaves `(local, session)`, the daemon
/// dies, or the absolute deadline passes; with `sleeps_once` at most until the first sleep ends.
/// After each sleep the order is: gates, attempt, deadline. So a stop is never mistaken for a
/// time-out, and no wake-up is dropped.
pub(super) fn blocked<T>(
    attachment: &Attachment,
    event_count: &EventCount,
    (local, session): (u32, u32),
    (deadline_ns, sleeps_once): (u64, bool),
    (attempt, final_event): Calls<'_, T>,
) -> Result<T, Refusal> {
    let mut result = Err(Refusal::TimedOut);
    let mut passes_on = false;
    let for_progress = std::ptr::eq(event_count, attachment.words.progress_made());
    let mut wait = || {
        label!("wait.begun");
        event_count.join();
        label!("wait.joined");
        let mut expired = false;
        let mut looks = !mutant!("wait: no look at the gates before the first sleep");
        let mut passing = Passing::since(event_count.listen());
        let mut is_woken = false;
        loop {
            let heard = event_count.listen();
            label!("wait.listened");
            if for_progress
                && passing.passes_on(heard, is_woken)
                && event_count.waiters() > 1
                && !mutant!("progress: a woken caller wakes no other")
            {
                sys::futex_wake(event_count.word(), sys::ALL);
            }
            if expired && mutant!("wait: the deadline before the gates") {
                break;
            }
            let words = &attachment.words;
            let now = (words.local_gate().load(), words.session_gate().load());
            let is_closed = mutant!(
                "gates: the bit instead of the generation",
                !is_open(now.0) || !is_open(now.1),
                now != (local, session)
            );
            if is_closed && looks {
                passes_on = true;
                let last = mutant!("final event: not after a sleep", None, final_event());
                // Each of many that a stop wakes would ask the kernel for its connection; the next call does.
                result = last.ok_or_else(|| attachment.why_closed(false));
                break;
            }
            looks = true;
            if attachment.is_daemon_lost() {
                if !mutant!("wait: the daemon's death is not passed on") {
                    wake_others(attachment);
                }
                result = final_event().ok_or(Refusal::Stale);
                break;
            }
            if expired && mutant!("wait: the deadline before the frame") {
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
            let rings = (event_count.word(), heard);
            let dies = (attachment.words.life(), attachment.life_value);
            let words = [rings, mutant!("wait: not on the life word", rings, dies)];
            label!("wait.before_sleep");
            is_woken = sleep(attachment, words, deadline_ns);
            label!("wait.slept");
            expired = sleeps_once || has_passed(deadline_ns);
        }
        label!("wait.before_part");
        event_count.part();
        label!("wait.parted");
        if passes_on && event_count.is_awaited() && !mutant!("stop: a woken caller wakes no other")
        {
            let count = mutant!("stop: a woken caller wakes one other", 1, sys::ALL);
            sys::futex_wake(event_count.word(), count);
        }
    };
    label!("wait.before_begin");
    site::between(attachment.session, attachment.attachment, &mut wait);
    result
}

/// Waits until both gates are open, or the local one is closed. It takes nothing, so no slot counts it.
pub(super) fn for_start(attachment: &Attachment, deadline: Deadline) -> Result<(), Refusal> {
    let result = until_started(attachment, deadline);
    if let (true, Ok(()) | Err(Refusal::Stale)) = result
        && !mutant!("start: a woken caller wakes no other")
    {
        // A thread that waits for a start also sleeps on this word.
        sys::futex_wake(attachment.words.session_gate().word(), sys::ALL);
    }
    result.1
}

/// Whether it slept, and its result.
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
        if !is_open(local) {
            return (slept, Err(Refusal::Again));
        }
        if is_open(session) {
            label!("started.seen");
            return (slept, Ok(()));
        }
        if expired {
            return (slept, Err(Refusal::TimedOut));
        }
        let for_all = (attachment.words.session_gate().word(), session);
        let here = (attachment.words.local_gate().word(), local);
        let state = (attachment.words.state(), AttachmentState::Open as u32);
        let words = [
            mutant!("wait_started: not on the session's gate", here, for_all),
            mutant!("wait_started: not on the local gate", for_all, here),
            mutant!("wait_started: not on the state", here, state),
            (attachment.words.life(), attachment.life_value),
        ];
        label!("started.before_sleep");
        sleep(attachment, words, deadline.ns());
        label!("started.slept");
        slept = true;
        expired = has_passed(deadline.ns());
    }
}

/// Which moves of an event count a sleeper has passed on. The daemon wakes one for what another may wait for: each passes
/// each move on once. A latecomer may be woken for a move that it found as it came.
#[derive(Debug)]
pub(super) struct Passing {
    heard: u32,
    passed: Option<u32>,
}

impl Passing {
    /// Before the first sleep, which is on `heard`.
    pub(super) fn since(heard: u32) -> Self {
        let passed = None;
        Self { heard, passed }
    }

    /// Whether the others are to be woken after a sleep. `is_woken`: a wake-up may have ended it.
    pub(super) fn passes_on(&mut self, heard: u32, is_woken: bool) -> bool {
        let is_late = is_woken && !mutant!("progress: a latecomer wakes no other");
        let is_new = is_late || self.heard != heard;
        self.heard = heard;
        is_new && self.passed.replace(heard) != Some(heard)
    }
}

/// Sleeps until one of the words changes, at most until the deadline and at most for a slice. If it
/// can sleep on one word only, it uses the first. After a sleep that no wake-up ended it checks
/// whether the daemon still has its end of the connection. Returns whether a wake-up may have ended it.
pub(super) fn sleep<const N: usize>(
    attachment: &Attachment,
    words: [(&AtomicU32, u32); N],
    deadline_ns: u64,
) -> bool {
    let waited = sleep_only(words, deadline_ns);
    if waited != Waited::Moved {
        attachment.connection.look();
    }
    waited != Waited::Expired
}

/// [`sleep`] without the check.
pub(super) fn sleep_only<const N: usize>(
    words: [(&AtomicU32, u32); N],
    deadline_ns: u64,
) -> Waited {
    let now = sys::monotonic_ns();
    let until = deadline_ns.min(now.saturating_add(SLICE_NS));
    let waited = sys::futex_waitv(words, until);
    if waited == Waited::Unsupported {
        let slice = until.saturating_sub(now).min(FALLBACK_SLICE_NS);
        let [(first, expected), ..] = words.as_slice() else {
            unreachable!("a caller sleeps on something");
        };
        sys::futex_wait_slice(first, *expected, slice);
    }
    waited
}

/// Whether the deadline has passed. A caller without a limit does not read the clock when it is
/// woken.
fn has_passed(deadline_ns: u64) -> bool {
    deadline_ns != u64::MAX && sys::monotonic_ns() >= deadline_ns
}

/// The kernel wakes one sleeper of a dead daemon, or none; each woken one wakes the others.
pub(super) fn wake_others(attachment: &Attachment) {
    if attachment.is_daemon_lost() {
        sys::futex_wake(attachment.words.life(), sys::ALL);
    }
}
