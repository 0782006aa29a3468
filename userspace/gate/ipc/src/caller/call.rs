//! The steps of every call: enter, take, wait if there is nothing to take, leave.
//!
//! The path of a call that finds a frame is inlined into the application; the rare paths are out of
//! line.

use core::num::NonZeroU64;
use core::sync::atomic::Ordering;

use onair_mutant::mutant;

use super::lease::Loan;
use super::words::Words;
use super::{Attachment, Deadline, Refusal, wait};
use crate::event::{Event, EventKind};
use crate::event_count::EventCount;
use crate::gate::is_open;
use crate::label;
use crate::layout::{EVENTS, OWN_SLOTS};
use crate::pins::Pins;
use crate::progress::WHOLE;
use crate::slot::{NO_INTENT, Operation, Slot};

/// A nonzero entry of the ready ring: it passes through a call in one register.
#[derive(Clone, Copy)]
pub(super) struct Entry(NonZeroU64);

impl Entry {
    /// The entry, if it is one.
    pub(super) fn of(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }

    #[inline(always)]
    pub(super) fn frame(self) -> u32 {
        u32::try_from(self.0.get() & 0xffff_ffff).expect("32 bits")
    }

    #[inline(always)]
    pub(super) fn serial(self) -> u32 {
        u32::try_from(self.0.get() >> 32).expect("32 bits")
    }

    /// Whether its frame is READY. Before the intent is noted: one that is noted first could name a loan that this very
    /// thread was given earlier (the head may go back).
    #[inline(always)]
    fn is_ready(self, words: &Words, slot: u16) -> bool {
        words.frame(self.frame()).is_some_and(|word| {
            if mutant!("take: the intent is noted before the look") {
                words.slot(slot).set_intent(self.0.get());
            }
            word.is_ready(self.serial())
        })
    }

    /// Notes the intent, and takes the frame, which was READY. Returns whether it is the caller's.
    #[inline(always)]
    pub(super) fn take(self, words: &Words, slot: u16) -> bool {
        label!("take.looked");
        words.slot(slot).set_intent(self.0.get());
        label!("take.intended");
        let word = words.frame(self.frame());
        let taken = word.is_some_and(|word| word.take(self.serial(), slot));
        label!("take.tried");
        taken
    }

    /// The loan, once it is taken.
    #[inline(always)]
    pub(super) fn loan(self, attachment: u64, slot: u16) -> Loan {
        Loan {
            attachment,
            frame: self.frame(),
            serial: self.serial(),
            slot,
        }
    }
}

/// A call that is made in parts, for a caller that has to look at something else in between, such as
/// the signals of an interpreter. A part sleeps at most once, whatever ends the sleep, and then
/// returns [`Refusal::TimedOut`] if it has nothing. It refuses if a stop came after the first part,
/// so that the call as a whole misses none.
#[derive(Debug, Default)]
pub struct Parts {
    /// The gates as the first part passed them: local, session.
    gates: Option<(u32, u32)>,
}

/// A caller that has passed the gates.
struct Entered<'a> {
    slot: &'a Slot,
    plain: bool,
    /// Whether it is a call inside another one of its thread.
    nested: bool,
    /// The gates as the caller passed them: local, session.
    gates: (u32, u32),
    sleeps_once: bool,
}

/// Counts the caller out. A call in a signal handler leaves no intent behind: its thread may end in
/// the call that it interrupted, which is still counted, and the frame that the intent names was
/// delivered. A frame that the outer call has already taken stays with the process.
#[inline(always)]
fn leave(slot: &Slot, plain: bool, nested: bool) {
    if nested {
        slot.set_intent(NO_INTENT);
    }
    slot.exit(plain);
}

impl Attachment {
    /// The steps of every call, counted in slot `index`. `attempt` takes a frame or an event;
    /// `final_event` takes an event that is available even if a gate is closed.
    #[inline(always)]
    pub(super) fn call<T>(
        &self,
        operation: Operation,
        index: u16,
        (deadline, parts): (Deadline, Option<&mut Parts>),
        event_count: impl Fn(&Words) -> &EventCount,
        attempt: impl Fn() -> Option<T> + Copy,
        mut final_event: impl FnMut() -> Option<T>,
    ) -> Result<T, Refusal> {
        let words = &self.words;
        let slot = words.slot(index);
        let plain = self.plain && index != OWN_SLOTS;
        label!("call.begun");
        if !mutant!("take: the intent of the previous call stays") {
            slot.set_intent(NO_INTENT);
        }
        let nested = slot.enter(operation, plain) != 0;
        label!("call.counted");
        let local = words.local_gate().load();
        let session = words.session_gate().load();
        label!("call.gates_read");
        let sleeps_once = parts.is_some();
        let passed = parts.map_or((local, session), |it| {
            let first = *it.gates.get_or_insert((local, session));
            mutant!(
                "parts: a stop between two is missed",
                (local, session),
                first
            )
        });
        let is_closed = passed != (local, session) || !(is_open(local) && is_open(session));
        if is_closed || words.is_daemon_dead() {
            let last = mutant!(
                "final event: not for a call that finds a gate closed",
                None,
                final_event()
            );
            let speaks = index != OWN_SLOTS
                && (!nested
                    || mutant!("slot: a handler acknowledges for the call that it interrupts"));
            let refusal = self.bounce(slot, plain, session, speaks);
            return last.ok_or(refusal);
        }
        if let Some(taken) = attempt() {
            label!("call.served");
            leave(slot, plain, nested);
            label!("call.left");
            self.connection.kick_look(words);
            self.end_look();
            return Ok(taken);
        }
        let entered = Entered {
            slot,
            plain,
            nested,
            gates: mutant!(
                "gates: read again after the check",
                (words.local_gate().load(), words.session_gate().load()),
                (local, session)
            ),
            sleeps_once,
        };
        // A copy, so that the path without a wait can keep its own in registers.
        let mut again = attempt;
        entered.wait(
            self,
            deadline,
            event_count(words),
            &mut again,
            &mut final_event,
        )
    }

    /// Leaves because a gate is closed. `speaks`: the slot counts only this call, so that it may
    /// acknowledge the stop. If it had done so before, it was no user, and owes no kick, unless another
    /// stop has come meanwhile. SYNC: ack.
    #[cold]
    fn bounce(&self, slot: &Slot, plain: bool, session: u32, speaks: bool) -> Refusal {
        let already = !is_open(session) && speaks && slot.acknowledge(session);
        label!("bounce.acknowledged");
        slot.exit(plain);
        label!("bounce.left");
        let is_spared = already
            && (self.words.session_gate().load() == session
                || mutant!("kick: an old acknowledgement spares it"));
        if !is_spared && !mutant!("kick: not after a refused call") {
            self.connection.kick_look(&self.words);
        }
        if !mutant!("end: a refused call does not look") {
            self.end_look();
        }
        self.why_closed(!self.has_connection())
    }
}

impl Entered<'_> {
    #[inline(never)]
    fn wait<T>(
        &self,
        attachment: &Attachment,
        deadline: Deadline,
        event_count: &EventCount,
        attempt: &mut dyn FnMut() -> Option<T>,
        final_event: &mut dyn FnMut() -> Option<T>,
    ) -> Result<T, Refusal> {
        let result = if deadline == Deadline::Now {
            Err(match attachment.is_daemon_lost() {
                true => Refusal::Stale,
                false => Refusal::TimedOut,
            })
        } else {
            let calls: wait::Calls<T> = (attempt, final_event);
            let until = (deadline.ns(), self.sleeps_once);
            wait::blocked(attachment, event_count, self.gates, until, calls)
        };
        label!("wait.ended");
        let early = mutant!("kick: looked at before the count goes down");
        if early {
            attachment.connection.kick_look(&attachment.words);
        }
        leave(self.slot, self.plain, self.nested);
        label!("wait.left");
        if !early && !mutant!("kick: not after a call that waited") {
            attachment.connection.kick_look(&attachment.words);
        }
        if !mutant!("end: a call that waited does not look") {
            attachment.end_look();
        }
        result
    }
}

impl Words {
    /// Takes the oldest ready frame, if there is one, and pins it.
    #[inline(always)]
    pub(super) fn pop(&self, slot: u16, pins: &Pins) -> Option<Entry> {
        let head = self.ready_head();
        loop {
            // Read the head first: the call then never misses a frame that was ready all along.
            let at = head.load(Ordering::Acquire);
            let newest = self.ready_tail().load(Ordering::Acquire);
            if at >= newest {
                return None;
            }
            // Entries that fell out of the ring have already been withdrawn.
            let at = at.max(newest.saturating_sub(self.ring_len()));
            let entry = self.ring_entry(at).load(Ordering::Acquire);
            let ready = Entry::of(entry).filter(|it| it.is_ready(self, slot));
            // After the frame's word: a caller that sees a frame READY that is received sees this. The ring may have gone round
            // since the tail was read.
            if self.asked_for_open.load(Ordering::Relaxed) {
                return self.pop_from(slot, WHOLE, pins);
            }
            let taken = ready.filter(|it| it.take(self, slot));
            // The head is a hint: a thread that checked this entry moves past it. If that moves the
            // head back, the serials make the second check harmless.
            head.store(at + 1, Ordering::Release);
            if let Some(taken) = taken {
                pins.pin(taken.frame());
                label!("take.taken");
                return Some(taken);
            }
        }
    }

    /// Takes the oldest event, if there is one.
    pub(super) fn next_event(&self) -> Option<Event> {
        let head = self.event_head();
        let ring = self.events();
        loop {
            let seen = head.load(Ordering::Acquire);
            let tail = ring.tail();
            if seen >= tail {
                return None;
            }
            let next = seen.max(tail.saturating_sub(EVENTS as u64)) + 1;
            let event = ring.read(next);
            label!("event.read");
            let mine = head
                .compare_exchange(seen, next, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
            if mine && event.is_some() {
                label!("event.taken");
                return event;
            }
        }
    }

    /// An event for a caller that found a gate closed: the next one, until the announcement of the
    /// shutdown is read.
    #[cold]
    pub(super) fn final_event(&self) -> Option<Event> {
        let seen = self.event_head().load(Ordering::Acquire);
        if self.events().has(EventKind::Draining, seen) {
            self.next_event()
        } else {
            None
        }
    }
}
