//! A thread of the client: its position and its memory. Its steps are in `call`.

use super::look::Look;
use super::state::{Gate, Loan, State};
use crate::model::pack::{Bits, choices};

choices! {
    /// The next step of a client thread.
    ClientAt {
        /// In the application.
        Outside,
        /// enter: count += 1.
        Raise,
        /// enter: read the client's own gate.
        LoadLocalGate,
        /// enter: read the session's gate; past it when both were open.
        LoadSessionGate,
        /// enter, bounced: ack = session gate.
        Acknowledge,
        /// pop: read head.
        LoadHead,
        /// pop: read tail and entry, check the frame word; note the intent if it is READY.
        ReadEntry,
        /// pop: READY → HELD.
        Take,
        /// pop: head = h + 1, won or lost.
        AdvanceHead,
        /// wait: waiters += 1.
        JoinBell,
        /// wait: read the event count.
        Listen,
        /// wait: compare the gates with the snapshot.
        CheckGates,
        /// wait: has the deadline passed?
        CheckDeadline,
        /// wait: sleep if the event count still has the value that was read.
        FutexWait,
        /// In the kernel.
        Asleep,
        /// wait: waiters -= 1.
        PartBell,
        /// wait, ended by a stop: wake all, if a caller may be asleep.
        PassOn,
        /// leave: count -= 1.
        Lower,
        /// leave, put: read the kick.
        LookAtKick,
        /// leave, put: swap the kick to 0.
        TakeKick,
        /// leave, put: send the byte.
        SendKick,
        /// Back to the application.
        Return,
        /// The application has the frame; next is put: HELD → RELEASED.
        Holding,
        /// pop: set the pin of the frame that was won.
        Pin,
        /// The guard has ended, and its pin is cleared; next is put.
        Putting,
        /// After a slot was left or a guard has ended: check whether to release the memory.
        LookAtEnd,
        /// The application puts the same frame again.
        PutAgain,
        /// wait, a gate has changed: read the state.
        AskWhy,
        /// wait_started: read the client's own gate.
        StartLocal,
        /// wait_started: read the session's gate.
        StartSession,
        /// wait_started: read the state.
        StartState,
        /// wait_started: sleep if gates and state still have the values that were read.
        StartSleep,
        /// wait_started: in the kernel.
        StartAsleep,
        /// Mutants only: waiters += 1 after the last look.
        JoinLate,
        /// Mutants only: waiters -= 1 before the next look.
        PartLate,
        /// Mutant only: read the kick before the count goes down.
        LookAtKickEarly,
        /// Mutant only: the pin is cleared after the put.
        UnpinLate,
        /// Mutant only: claim the head before the frame.
        ClaimHead,
        /// Variant only: read tail before head.
        LoadTail,
    }
}

choices! {
    /// Future result of a call.
    Outcome {
        /// Not known, or no call.
        Open,
        /// A frame: [`Client::lend`].
        Taken,
        /// `EAGAIN`.
        Stopped,
        /// `ETIMEDOUT`.
        TimedOut,
        /// `ESTALE`.
        Stale,
    }
}

/// A client thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) at: ClientAt,
    pub(super) dead: bool,
    pub(super) calls_left: u8,
    /// Snapshot of the client's own gate.
    pub(super) local: Gate,
    /// Snapshot of the session's gate.
    pub(super) session: Gate,
    /// The event count's value to sleep on.
    pub(super) bell: u8,
    /// The head that was read.
    pub(super) head: u8,
    /// Variant only: the tail that was read before the head.
    pub(super) tail: u8,
    /// The entry that was read; the frame held once [`Outcome::Taken`].
    pub(super) lend: Loan,
    pub(super) outcome: Outcome,
    /// A frame of an earlier call that the application still holds, or none.
    pub(super) kept: Loan,
    /// In the wait's loop: the first check found nothing. In wait_started: it has slept.
    pub(super) waiting: bool,
    /// This stop was acknowledged by an earlier call.
    pub(super) already: bool,
    /// The time-out fired.
    pub(super) expired: bool,
    /// Mutants only: a wake ended the sleep.
    pub(super) woken: bool,
    /// Mutant only: what [`ClientAt::LookAtKickEarly`] saw.
    pub(super) kick_seen: bool,
    pub(super) look: Look,
    // Ghosts: the invariants use them, and no thread reads them.
    /// A stop came while the thread slept.
    pub(super) slept_at_stop: bool,
    /// The attachment was closed for good when the call began, or while the thread slept.
    pub(super) slept_at_end: bool,
    /// A gate was closed during the call, or when it began.
    pub(super) stop_overlapped: bool,
    /// The local gate was closed when the call began, and was not opened since.
    pub(super) barred_local: bool,
    /// The same of the session's gate.
    pub(super) barred_session: bool,
}

impl Client {
    /// A thread in the application, with this many calls to make.
    pub(super) fn new(calls: u8) -> Self {
        Self {
            at: ClientAt::Outside,
            dead: false,
            calls_left: calls,
            local: Gate(0),
            session: Gate(0),
            bell: 0,
            head: 0,
            tail: 0,
            lend: Loan::NONE,
            outcome: Outcome::Open,
            kept: Loan::NONE,
            waiting: false,
            already: false,
            expired: false,
            woken: false,
            kick_seen: false,
            look: Look::OVER,
            slept_at_stop: false,
            slept_at_end: false,
            stop_overlapped: false,
            barred_local: false,
            barred_session: false,
        }
    }

    /// The rest of a thread that exits: the frames that were delivered to it. `inside`: its slot
    /// still counts the call, whose frame was then not delivered.
    pub(super) fn exited(&self, inside: bool) -> Self {
        let delivered = self.outcome == Outcome::Taken && !inside;
        Self {
            dead: true,
            outcome: if delivered {
                Outcome::Taken
            } else {
                Outcome::Open
            },
            lend: if delivered { self.lend } else { Loan::NONE },
            kept: self.kept,
            ..Self::new(0)
        }
    }

    /// Whether the application, or this call, has the frame of `lend`.
    pub(super) fn has(&self, lend: Loan) -> bool {
        self.kept == lend || self.outcome == Outcome::Taken && self.lend == lend
    }

    /// Whether the thread has passed both gates and may still touch the session's memory.
    pub(super) fn is_past_the_gates(&self) -> bool {
        use ClientAt::*;
        match self.at {
            LoadHead | ReadEntry | Take | AdvanceHead | JoinBell | Listen | CheckGates
            | CheckDeadline | FutexWait | Asleep | PartBell | JoinLate | PartLate | ClaimHead
            | LoadTail | AskWhy | Pin | PassOn => true,
            Lower | LookAtKickEarly | LookAtKick | TakeKick | SendKick | LookAtEnd | Return => {
                self.outcome == Outcome::Taken
            }
            Outside | Raise | LoadLocalGate | LoadSessionGate | Acknowledge | Holding | Putting
            | UnpinLate | PutAgain | StartLocal | StartSession | StartState | StartSleep
            | StartAsleep => false,
        }
    }

    /// Resets the fields that the thread will not read again, so that states that differ only in
    /// them are one state.
    pub(super) fn forget(&mut self) {
        use ClientAt::*;
        match self.at {
            ReadEntry | ClaimHead | Take | AdvanceHead | Pin => {}
            LoadHead => {
                self.head = 0;
                self.lend = Loan::NONE;
            }
            LoadTail | JoinBell | CheckGates | CheckDeadline | JoinLate | FutexWait | Asleep => {
                self.head = 0;
                self.tail = 0;
                self.lend = Loan::NONE;
            }
            Listen | PartLate => {
                self.bell = 0;
                self.head = 0;
                self.tail = 0;
                self.lend = Loan::NONE;
            }
            PartBell | PassOn | Lower | LookAtKickEarly | LookAtKick | TakeKick | SendKick
            | Return | Holding | Putting | UnpinLate | LookAtEnd | PutAgain => {
                self.local = Gate(0);
                self.session = Gate(0);
                self.bell = 0;
                self.head = 0;
                self.tail = 0;
                self.expired = false;
            }
            Outside | Raise | LoadLocalGate | LoadSessionGate | Acknowledge | AskWhy
            | StartLocal | StartSession | StartState | StartSleep | StartAsleep => {}
        }
    }

    /// A wake ends the sleep in wait_started.
    pub(super) fn start_over(&mut self) {
        self.at = ClientAt::StartLocal;
        self.local = Gate(0);
        self.session = Gate(0);
    }

    /// A signal interrupts the sleep: the kernel will restart the wait with the old value.
    pub(super) fn interrupt(&mut self) {
        if self.at == ClientAt::Asleep {
            self.at = ClientAt::FutexWait;
        }
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        bits.flag(&mut self.dead);
        bits.number(&mut self.calls_left, 2);
        self.local.visit(bits);
        self.session.visit(bits);
        bits.number(&mut self.bell, 4);
        bits.number(&mut self.head, 2);
        bits.number(&mut self.tail, 2);
        self.lend.visit(bits);
        self.outcome.visit(bits);
        self.kept.visit(bits);
        bits.flag(&mut self.waiting);
        bits.flag(&mut self.already);
        bits.flag(&mut self.expired);
        bits.flag(&mut self.woken);
        bits.flag(&mut self.kick_seen);
        self.look.visit(bits);
        bits.flag(&mut self.slept_at_stop);
        bits.flag(&mut self.slept_at_end);
        bits.flag(&mut self.stop_overlapped);
        bits.flag(&mut self.barred_local);
        bits.flag(&mut self.barred_session);
    }
}

/// Ghosts: a gate was just closed.
pub(super) fn note_stop(state: &mut State) {
    for client in &mut state.client {
        match client.at {
            ClientAt::Outside
            | ClientAt::Holding
            | ClientAt::Putting
            | ClientAt::UnpinLate
            | ClientAt::PutAgain
            | ClientAt::StartLocal
            | ClientAt::StartSession
            | ClientAt::StartState
            | ClientAt::StartSleep
            | ClientAt::StartAsleep => {}
            ClientAt::Asleep => {
                client.slept_at_stop = true;
                client.stop_overlapped = true;
            }
            _ => client.stop_overlapped = true,
        }
    }
}
