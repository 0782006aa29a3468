//! State of the explorer: the shared words, the private state of each process, and the position of
//! each thread.

use super::client::Client;
use super::control::Control;
use super::leave::Leaver;
use super::look::Deferred;
use super::poller::Poller;
use super::stopper::Stopper;
use crate::model::pack::{Bits, Fields, choices};

/// Threads of the client process.
pub(super) const CLIENTS: usize = 2;
/// Frames of the session.
pub(super) const FRAMES: usize = 2;
/// Entries of the ready ring; no scenario publishes more.
pub(super) const RING: usize = 3;

/// A gate word: `gate::RUN` set while callers are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gate(pub(super) u8);

impl Gate {
    /// The gate of a session that was started once.
    pub(super) const OPEN: Self = Self(3);

    /// Whether callers may enter.
    pub(super) fn is_open(self) -> bool {
        self.0 & 1 == 1
    }

    /// The word after `stop`.
    pub(super) fn stopped(self) -> Self {
        Self(self.0 & !1)
    }

    /// The word after the process has left: closed, and different from every word that a caller
    /// slept on.
    pub(super) fn left(self) -> Self {
        Self(self.stopped().0 + 2)
    }

    /// The word after `start` of a closed gate.
    pub(super) fn started(self) -> Self {
        Self(self.0 + 3)
    }

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        bits.number(&mut self.0, 4);
    }
}

/// A ring entry: this frame, on loan under this serial. Serial 0 is no loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Loan {
    pub(super) frame: u8,
    pub(super) serial: u8,
}

impl Loan {
    /// No frame: the value of `intent` outside of a pop.
    pub(super) const NONE: Self = Self {
        frame: 0,
        serial: 0,
    };

    #[inline(always)]
    pub(super) fn visit(&mut self, bits: &mut impl Bits) {
        bits.number(&mut self.frame, 1);
        bits.number(&mut self.serial, 2);
    }
}

choices! {
    /// State byte of a frame word.
    FrameState {
        Free,
        Ready,
        Held,
        Released,
        Revoked,
    }
}

/// A frame word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameWord {
    pub(super) state: FrameState,
    pub(super) serial: u8,
    pub(super) slot: u8,
}

impl FrameWord {
    /// The word after the daemon's `clear` and `withdraw`.
    pub(super) const FREE: Self = Self {
        state: FrameState::Free,
        serial: 0,
        slot: 0,
    };

    /// The word after `publish`.
    pub(super) fn ready(serial: u8) -> Self {
        Self {
            state: FrameState::Ready,
            serial,
            slot: 0,
        }
    }

    /// The word after `take`.
    pub(super) fn held(serial: u8, slot: u8) -> Self {
        Self {
            state: FrameState::Held,
            serial,
            slot,
        }
    }

    /// The word after `revoke`.
    pub(super) fn revoked(serial: u8) -> Self {
        Self {
            state: FrameState::Revoked,
            serial,
            slot: 0,
        }
    }

    #[inline(always)]
    fn visit(&mut self, bits: &mut impl Bits) {
        self.state.visit(bits);
        bits.number(&mut self.serial, 2);
        bits.number(&mut self.slot, 1);
    }
}

/// A slot: one thread's (or the shared one's) count of calls in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Whether its thread still owns it.
    pub(super) owned: bool,
    /// `claimed_at`: whether its second thread claimed it.
    pub(super) reclaimed: bool,
    pub(super) count: u8,
    /// The closed session gate that refused its thread, or 0.
    pub(super) ack: Gate,
    /// The ring entry that its thread is about to take.
    pub(super) intent: Loan,
}

impl Slot {
    /// The slot after `bury`.
    pub(super) const VACANT: Self = Self {
        owned: false,
        reclaimed: false,
        count: 0,
        ack: Gate(0),
        intent: Loan::NONE,
    };

    #[inline(always)]
    fn visit(&mut self, bits: &mut impl Bits) {
        bits.flag(&mut self.owned);
        bits.flag(&mut self.reclaimed);
        bits.number(&mut self.count, 2);
        self.ack.visit(bits);
        self.intent.visit(bits);
    }
}

/// A line of the daemon's private ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LedgerLine {
    pub(super) lent: bool,
    /// Serial of the present loan or, without one, of the last loan.
    pub(super) serial: u8,
}

impl LedgerLine {
    #[inline(always)]
    fn visit(&mut self, bits: &mut impl Bits) {
        bits.flag(&mut self.lent);
        bits.number(&mut self.serial, 2);
    }
}

/// A state of the whole system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    // Words that the daemon writes and the client reads.
    pub(super) session_gate: Gate,
    /// `state`: no longer open (revoked by an evict, gone by a quarantine).
    pub(super) closed: bool,
    pub(super) ring: [Loan; RING],
    pub(super) tail: u8,
    // Words that both write.
    pub(super) local_gate: Gate,
    pub(super) kick: bool,
    pub(super) bell: u8,
    pub(super) waiters: u8,
    pub(super) head: u8,
    pub(super) word: [FrameWord; FRAMES],
    pub(super) slot: [Slot; CLIENTS],
    /// A kick message is in the daemon's end of the attach socket.
    pub(super) message: bool,
    // The daemon's own.
    pub(super) ledger: [LedgerLine; FRAMES],
    /// Bit `serial - 1`: that loan was credited.
    pub(super) credited: u8,
    /// Set-aside frames: no longer on loan, and not written again yet.
    pub(super) aside: [bool; FRAMES],
    pub(super) poller: Poller,
    pub(super) control: Control,
    // Private to the client process.
    pub(super) client: [Client; CLIENTS],
    pub(super) stopper: Stopper,
    pub(super) killed: bool,
    /// The thread that ends the attachment, its settings, and the mappings of the process that it
    /// has replaced.
    pub(super) leaver: Leaver,
    pub(super) left: bool,
    pub(super) ctl_gone: bool,
    pub(super) frames_gone: bool,
    pub(super) seg_gone: bool,
    pub(super) deferred: Deferred,
    /// Frames that a guard borrows, by the process's own pins.
    pub(super) pins: [bool; FRAMES],
    /// Thread 1 has raw handles instead of guards.
    pub(super) handles: bool,
    /// A new thread replaced one that exited.
    pub(super) succeeded: bool,
}

impl Fields for State {
    #[inline(always)]
    fn visit(&mut self, bits: &mut impl Bits) {
        self.session_gate.visit(bits);
        bits.flag(&mut self.closed);
        for lend in &mut self.ring {
            lend.visit(bits);
        }
        bits.number(&mut self.tail, 2);
        self.local_gate.visit(bits);
        bits.flag(&mut self.kick);
        bits.number(&mut self.bell, 4);
        bits.number(&mut self.waiters, 2);
        bits.number(&mut self.head, 2);
        for word in &mut self.word {
            word.visit(bits);
        }
        for slot in &mut self.slot {
            slot.visit(bits);
        }
        bits.flag(&mut self.message);
        for loan in &mut self.ledger {
            loan.visit(bits);
        }
        bits.number(&mut self.credited, 3);
        for aside in &mut self.aside {
            bits.flag(aside);
        }
        self.poller.visit(bits);
        self.control.visit(bits);
        for client in &mut self.client {
            client.visit(bits);
        }
        self.stopper.visit(bits);
        bits.flag(&mut self.killed);
        self.leaver.visit(bits);
        bits.flag(&mut self.left);
        bits.flag(&mut self.ctl_gone);
        bits.flag(&mut self.frames_gone);
        bits.flag(&mut self.seg_gone);
        self.deferred.visit(bits);
        for pin in &mut self.pins {
            bits.flag(pin);
        }
        bits.flag(&mut self.handles);
        bits.flag(&mut self.succeeded);
    }
}

impl State {
    /// Whether thread `who` runs.
    pub(super) fn alive(&self, who: usize) -> bool {
        !self.killed && !self.client[who].dead
    }
}
