//! A thread of the client: its position and its memory. Its steps are in `call` and `wait`.

mod call;
mod wait;

use super::*;
use ClientAt::*;

plain! {
    /// The next step of a client thread; each line is a part of the protocol. The last line is of
    /// mutants and variants only.
    enum ClientAt {
        Outside, EnterSlot, LoadLocalGate, LoadSessionGate, Acknowledge,
        LoadHead, ReadEntry, Take, AdvanceHead,
        JoinCount, Listen, CheckGates, AskWhy, CheckDeadline, FutexWait, Asleep, PartCount, PassOn,
        ExitSlot, LookAtKick, LookAtSlot0, LookAtSlot1, TakeKick, SendKick, Return,
        Holding, PutAgain,
        StartLocal, StartSession, StartState, StartSleep, StartAsleep,
        JoinLate, PartLate, LookAtKickEarly, ClaimHead, LoadTail,
    }

    /// Future result of a call: not known (or no call), a frame, `EAGAIN`, `ETIMEDOUT`, `ESTALE`.
    enum CallOutcome { Open, Taken, Stopped, TimedOut, Stale, }

    struct Client {
        at: ClientAt,
        dead: bool,
        calls_left: u8,
        /// Snapshot of the client's own gate.
        local: GateValue,
        /// Snapshot of the session's gate.
        session: GateValue,
        /// The event count's value to sleep on.
        event_count: u8,
        /// The head that was read.
        head: u8,
        /// Variant only: the tail that was read before the head.
        tail: u8,
        /// The entry that was read; the frame held once [`CallOutcome::Taken`].
        loan: Loan,
        outcome: CallOutcome,
        /// A frame of an earlier call that the application still holds, or none.
        kept: Loan,
        /// In the wait's loop: the first check found nothing. In wait_started: it has slept.
        waiting: bool,
        /// This stop was acknowledged by an earlier call. Until the gates are read: the call
        /// interrupted another one.
        already: bool,
        /// The time-out fired.
        expired: bool,
        /// Mutants only: a wake ended the sleep.
        woken: bool,
        /// Mutant only: what [`ClientAt::LookAtKickEarly`] saw.
        kick_seen: bool,
        // Ghosts: the invariants use them, and no thread reads them.
        /// A stop came while the thread slept.
        slept_at_stop: bool,
        /// The attachment was closed for good when the call began, or while the thread slept.
        slept_at_end: bool,
        /// A gate was closed during the call, or when it began.
        stop_overlapped: bool,
        /// The local gate was closed when the call began, and was not opened since.
        barred_local: bool,
        /// The same of the session's gate.
        barred_session: bool,
    }
}

impl Client {
    /// A thread in the application, with this many calls to make.
    pub(super) fn new(calls_left: u8) -> Self {
        Self {
            calls_left,
            ..Self::default()
        }
    }

    /// The thread back in the application.
    pub(super) fn returned(&self) -> Self {
        Self {
            kept: self.kept,
            ..Self::new(self.calls_left)
        }
    }

    /// The rest of a thread that exits: the frames that were delivered to it. `inside`: its slot
    /// still counts the call, whose frame was then not delivered.
    pub(super) fn exited(&self, inside: bool) -> Self {
        let rest = Self {
            dead: true,
            kept: self.kept,
            ..Self::default()
        };
        if self.outcome != CallOutcome::Taken || inside {
            return rest;
        }
        Self {
            outcome: CallOutcome::Taken,
            loan: self.loan,
            ..rest
        }
    }

    /// Whether the application, or this call, has a frame.
    pub(super) fn has_any(&self) -> bool {
        self.kept != Loan::NONE || self.outcome == CallOutcome::Taken
    }

    /// Whether the application, or this call, has the frame of `loan`.
    pub(super) fn has(&self, loan: Loan) -> bool {
        self.kept == loan || self.outcome == CallOutcome::Taken && self.loan == loan
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.at == Asleep
    }

    /// Whether the thread is inside a call that takes frames.
    pub(super) fn is_inside(&self) -> bool {
        let starting = matches!(
            self.at,
            StartLocal | StartSession | StartState | StartSleep | StartAsleep
        );
        !starting && !matches!(self.at, Outside | Holding | PutAgain)
    }

    /// Whether the thread has passed both gates and may still touch the session's memory.
    pub(super) fn is_past_the_gates(&self) -> bool {
        match self.at {
            EnterSlot | LoadLocalGate | LoadSessionGate | Acknowledge => false,
            ExitSlot | LookAtKickEarly | LookAtKick | LookAtSlot0 | LookAtSlot1 | TakeKick
            | SendKick | Return => self.outcome == CallOutcome::Taken,
            _ => self.is_inside(),
        }
    }

    /// Resets the fields that the thread will not read again, so that states that differ only in
    /// them are one state.
    pub(super) fn forget(&mut self) {
        let done = matches!(
            self.at,
            PartCount
                | PassOn
                | ExitSlot
                | LookAtKickEarly
                | LookAtKick
                | LookAtSlot0
                | LookAtSlot1
                | TakeKick
                | SendKick
                | Return
                | Holding
                | PutAgain
        );
        let again = matches!(
            self.at,
            LoadTail | JoinCount | CheckGates | CheckDeadline | JoinLate | FutexWait | Asleep
        );
        let listens = matches!(self.at, Listen | PartLate);
        if done {
            self.local = GateValue::default();
            self.session = GateValue::default();
            self.expired = false;
        }
        if done || listens {
            self.event_count = 0;
        }
        if done || listens || again {
            self.tail = 0;
        }
        if done || listens || again || self.at == LoadHead {
            self.head = 0;
        }
        if listens || again || self.at == LoadHead {
            self.loan = Loan::NONE;
        }
    }

    /// A wake ends the sleep in wait_started.
    pub(super) fn start_over(&mut self) {
        self.at = StartLocal;
        self.local = GateValue::default();
        self.session = GateValue::default();
    }

    /// A signal interrupts the sleep: the kernel will restart the wait with the old value.
    pub(super) fn interrupt(&mut self) {
        match self.at {
            Asleep => self.at = FutexWait,
            StartAsleep => self.at = StartSleep,
            _ => {}
        }
    }
}
