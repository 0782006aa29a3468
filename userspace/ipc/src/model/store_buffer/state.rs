//! State of the store-buffer model.

use crate::model::pack::{Bits, Fields, choices};

/// Threads of the client.
pub(super) const CALLERS: usize = 2;
/// Stores that may wait in one thread's buffer: both of each call, none of them retired.
pub(super) const BUFFER: usize = 2 * super::CALLS as usize;

choices! {
    /// The next step of a caller.
    CallerAt {
        /// In the application; next is enter: count += 1.
        Outside,
        /// enter: read the gate.
        LoadGate,
        /// Past the gate.
        Inside,
        /// leave: count -= 1.
        Lower,
        /// leave: read the kick.
        LookAtKick,
        /// leave: swap the kick to 0, send.
        TakeKick,
    }
}

choices! {
    /// The next step of the control thread.
    DrainAt {
        /// stop: close the gate (a locked instruction).
        CloseGate,
        /// drain: kick = 1.
        ArmKick,
        /// drain: the heavy half of the fence pair.
        Barrier,
        /// drain: read the count of a slot.
        ReadCount,
        /// drain: no user was seen: verdict. Otherwise wait for the byte.
        Decide,
        /// The verdict was given.
        Destroyed,
    }
}

/// A caller, and the stores to its count that have not reached memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) at: CallerAt,
    pub(super) calls_left: u8,
    /// Oldest first; only the first [`Caller::pending`] are valid.
    buffer: [u8; BUFFER],
    pending: u8,
}

impl Caller {
    /// A thread in the application, with this many calls to make.
    pub(super) fn new(calls: u8) -> Self {
        Self {
            at: CallerAt::Outside,
            calls_left: calls,
            buffer: [0; BUFFER],
            pending: 0,
        }
    }

    /// Stores in the buffer.
    pub(super) fn pending(&self) -> usize {
        usize::from(self.pending)
    }

    /// A store of the thread to its own count.
    pub(super) fn push(&mut self, value: u8) {
        self.buffer[self.pending()] = value;
        self.pending += 1;
    }

    #[inline(always)]
    fn visit(&mut self, bits: &mut impl Bits) {
        self.at.visit(bits);
        bits.number(&mut self.calls_left, 2);
        for value in &mut self.buffer {
            bits.number(value, 1);
        }
        bits.number(&mut self.pending, 3);
    }
}

/// A state of callers and drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) stopped: bool,
    pub(super) kick: bool,
    /// The byte is in the daemon's end of the socket.
    pub(super) message: bool,
    /// The counts in memory.
    pub(super) count: [u8; CALLERS],
    pub(super) caller: [Caller; CALLERS],
    pub(super) drain: DrainAt,
    /// The slot that the scan has reached.
    pub(super) index: u8,
    /// The scan saw a count above 0.
    pub(super) user_seen: bool,
}

impl State {
    /// The oldest store of `who` reaches memory.
    pub(super) fn retire_one(&mut self, who: usize) {
        let caller = &mut self.caller[who];
        self.count[who] = caller.buffer[0];
        caller.buffer.rotate_left(1);
        caller.buffer[BUFFER - 1] = 0;
        caller.pending -= 1;
    }

    /// Every store of `who` reaches memory.
    pub(super) fn retire_all(&mut self, who: usize) {
        while self.caller[who].pending() > 0 {
            self.retire_one(who);
        }
    }
}

impl Fields for State {
    #[inline(always)]
    fn visit(&mut self, bits: &mut impl Bits) {
        bits.flag(&mut self.stopped);
        bits.flag(&mut self.kick);
        bits.flag(&mut self.message);
        for count in &mut self.count {
            bits.number(count, 1);
        }
        for caller in &mut self.caller {
            caller.visit(bits);
        }
        self.drain.visit(bits);
        bits.number(&mut self.index, 1);
        bits.flag(&mut self.user_seen);
    }
}
