//! State of the explorer: the shared words, the private state of each process, and the position of
//! each thread.

use super::*;

/// Threads of the client process.
pub(super) const CLIENTS: usize = 2;
/// Frames of the session.
pub(super) const FRAMES: usize = 2;
/// Entries of the ready ring; no scenario publishes more.
pub(super) const RING: usize = 3;

plain! {
    /// A gate word: `gate::RUN` set while callers are let in. 0 is no gate.
    struct GateValue { word: u8, }

    /// A ring entry: this frame, on loan under this serial. Serial 0 is no loan.
    struct Loan { frame: u8, serial: u8, }

    /// State byte of a frame word.
    enum FrameState { Free, Ready, Held, Released, Revoked, }

    /// A frame word. Its default is the word after the daemon's `clear` and `withdraw`.
    struct FrameWord { state: FrameState, serial: u8, slot: u8, }

    /// A slot: one thread's (or the shared one's) count of calls in progress. Its default is a
    /// reclaimed slot.
    struct Slot {
        /// Whether its thread still owns it.
        owned: bool,
        /// `claimed_at`: whether its second thread claimed it.
        reclaimed: bool,
        count: u8,
        /// The closed session gate that refused its thread, or 0.
        ack: GateValue,
        /// The ring entry that its thread is about to take.
        intent: Loan,
    }

    /// A line of the daemon's private ledger.
    struct LedgerLine {
        loaned: bool,
        /// Serial of the present loan or, without one, of the last loan.
        serial: u8,
    }

    /// A state of the whole system.
    struct GateState {
        // Words that the daemon writes and the client reads.
        session_gate: GateValue,
        /// `state`: no longer open (revoked by an evict, gone by a quarantine).
        closed: bool,
        ring: [Loan; RING],
        tail: u8,
        // Words that both write.
        local_gate: GateValue,
        kick: bool,
        event_count: u8,
        waiters: u8,
        head: u8,
        word: [FrameWord; FRAMES],
        slot: [Slot; CLIENTS],
        /// A kick message is in the daemon's end of the attach socket.
        message: bool,
        // The daemon's own.
        ledger: [LedgerLine; FRAMES],
        /// Bit `serial - 1`: that loan was credited.
        credited: u8,
        /// Set-aside frames: no longer on loan, and not written again yet.
        aside: [bool; FRAMES],
        poller: Poller,
        control: Control,
        // Private to the client process.
        client: [Client; CLIENTS],
        stopper: Stopper,
        killed: bool,
        /// A new thread replaced one that exited.
        succeeded: bool,
    }
}

impl GateValue {
    /// The gate of a session that was started once.
    pub(super) const OPEN: Self = Self { word: 3 };

    /// Whether callers may enter.
    pub(super) fn is_open(self) -> bool {
        self.word & 1 == 1
    }

    /// The word after `stop`.
    pub(super) fn stopped(self) -> Self {
        Self {
            word: self.word & !1,
        }
    }

    /// The word after `start` of a closed gate.
    pub(super) fn started(self) -> Self {
        Self {
            word: self.word + 3,
        }
    }
}

impl Loan {
    /// No frame: the value of `intent` outside of a pop.
    pub(super) const NONE: Self = Self {
        frame: 0,
        serial: 0,
    };

    /// Position of its frame.
    pub(super) fn at(self) -> usize {
        usize::from(self.frame)
    }
}

impl FrameWord {
    /// The word after `publish` (READY), `take` (HELD) or `revoke` (REVOKED).
    pub(super) fn new(state: FrameState, serial: u8, slot: u8) -> Self {
        Self {
            state,
            serial,
            slot,
        }
    }
}

impl GateState {
    /// Whether thread `who` runs.
    pub(super) fn alive(&self, who: usize) -> bool {
        !self.killed && !self.client[who].dead
    }

    /// The loan of frame `at`, or its last one.
    pub(super) fn loan(&self, at: usize) -> Loan {
        Loan {
            frame: u8::try_from(at).expect("there are two frames"),
            serial: self.ledger[at].serial,
        }
    }

    /// Whether frame `at` is on loan and its word says `state` under the ledger's serial.
    pub(super) fn is_loaned_and(&self, at: usize, state: FrameState) -> bool {
        let (line, word) = (self.ledger[at], self.word[at]);
        line.loaned && word.state == state && word.serial == line.serial
    }

    /// Ghosts: a gate was just closed.
    pub(super) fn note_stop(&mut self) {
        for client in &mut self.client {
            client.slept_at_stop |= client.is_asleep();
            client.stop_overlapped |= client.is_inside();
        }
    }
}
