//! The contents of a run of the explorer, and its deliberate fault.

/// Bounds of one exploration, and its possible faults.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    /// The faulty step, if any.
    pub(super) mutant: Option<Mutant>,
    /// Calls that each client thread makes.
    pub(super) calls: u8,
    /// Frames that the poller publishes, up to [`super::state::RING`].
    pub(super) publishes: u8,
    /// Whether the control thread stops the session, drains it and destroys it.
    pub(super) destroyed: bool,
    /// Stop→start pulses of the session before that.
    pub(super) session_pulses: u8,
    /// Stop→start pulses of the client's own gate.
    pub(super) local_pulses: u8,
    /// The local stop runs in a signal handler of thread 0 instead of a thread of its own.
    pub(super) local_in_handler: bool,
    /// The calls of thread 0 have a time-out.
    pub(super) timed: bool,
    /// The process may be killed at any step.
    pub(super) process_killed: bool,
    /// One thread may exit alone at any step of a call, or holding a frame.
    pub(super) thread_exits: bool,
    /// The attachment is evicted at some point.
    pub(super) evicted: bool,
    /// The session is quarantined after its stop, instead of drained and destroyed.
    pub(super) quarantined: bool,
    /// A new thread claims the slot of the one that exited, and makes a call.
    pub(super) succeeded: bool,
    /// A caller that got `EAGAIN` waits for the start.
    pub(super) waits_for_start: bool,
    /// The process ends its attachment at some point.
    pub(super) leaves: bool,
    /// An answer reports the end, instead of an end by hand.
    pub(super) found_out: bool,
    /// Thread 1 has this instead of guards.
    pub(super) handles: Handles,
    /// Only this thread calls.
    pub(super) alone: Option<usize>,
    /// A thread may call again while it holds a frame.
    pub(super) keeps_frames: bool,
    /// Each put is tried a second time, late.
    pub(super) put_twice: bool,
    /// Both threads are counted in the shared slot.
    pub(super) shared_slot: bool,
    /// "Thread 1" is a signal handler of thread 0 that makes a call: it runs on thread 0's slot,
    /// and thread 0 is suspended during it.
    pub(super) nested_call: bool,
}

impl Scenario {
    /// One call a thread, two frames, then stop, drain and destroy.
    pub(super) const BASE: Self = Self {
        mutant: None,
        calls: 1,
        publishes: 2,
        destroyed: true,
        session_pulses: 0,
        local_pulses: 0,
        local_in_handler: false,
        timed: false,
        process_killed: false,
        thread_exits: false,
        evicted: false,
        quarantined: false,
        succeeded: false,
        waits_for_start: false,
        leaves: false,
        found_out: false,
        handles: Handles::None,
        alone: None,
        keeps_frames: false,
        put_twice: false,
        shared_slot: false,
        nested_call: false,
    };

    /// The same without a stop of the session: only frames and wakes.
    pub(super) const FRAMES: Self = Self {
        destroyed: false,
        ..Self::BASE
    };

    /// Whether `mutant` is the faulty step.
    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The slot that counts thread `who`.
    pub(super) fn slot_of(&self, who: usize) -> usize {
        if self.shared_slot || self.nested_call {
            0
        } else {
            who
        }
    }
}

/// Raw handles, which no pin protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handles {
    /// None: each thread has guards.
    None,
    /// They are put.
    Put,
    /// They are never put.
    Forgotten,
}

/// A faulty step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A caller sleeps without checking gates and ring after it joined the event count.
    NoRecheck,
    /// The session's stop changes the event count before it closes the gate.
    BellBeforeGate,
    /// A sleeper that a stop woke does not wake the others.
    StopWakesOne,
    /// A caller that a start woke does not wake the others that wait for it.
    StartWakesOne,
    /// A sleeper checks the RUN bit, not the generation.
    BitNotGen,
    /// A leaving caller reads the kick before it lowers its count.
    KickBeforeSub,
    /// The drain arms the kick after its scan.
    ArmAfterScan,
    /// A bounced call does not read the kick.
    UndoNoKick,
    /// `put` does not read the kick.
    NoKickOnPut,
    /// The poller takes back the oldest frame without a compare-and-exchange.
    ReclaimNoCas,
    /// A caller claims the head before it takes the frame.
    HeadFirst,
    /// The reconciliation of an exited thread does not notify.
    NoRingOnThreadExit,
    /// A caller that was woken past its deadline returns without a check.
    TimeoutDropsWake,
    /// A caller whose timer fired returns without a check.
    TimeoutBeatsStop,
    /// An exited thread's slot stays owned, and each report of the exit is credited.
    CreditTwice,
    /// The frame that an exited thread intended to take is credited although another may hold it.
    CreditNoTag,
    /// The stop in a signal handler does not change the word that callers sleep on.
    HandlerNoBell,
    /// The poller notifies and wakes before the entry is in the ring.
    WakeBeforePublish,
    /// [`Mutant::WaitersAfterRecheck`] and [`Mutant::WaitersBeforeBell`] together.
    BothWaiters,
    /// The drain accepts an acknowledgement of any stop.
    AckAnyStop,
    /// Not a bug alone: a caller joins the event count after its last check.
    WaitersAfterRecheck,
    /// Not a bug alone: the poller reads the waiters before it changes the event count.
    WaitersBeforeBell,
    /// Not a bug alone: pop reads the tail before the head.
    TailBeforeHead,
    /// A call leaves the intent of the previous call in the slot.
    IntentKept,
    /// pop notes its intent before it sees the frame word READY.
    IntendBeforeLook,
    /// `put` checks only the state of the word.
    PutIgnoresSerial,
    /// The shared slot is acknowledged like a thread's own.
    AckOnSharedSlot,
    /// A call in a signal handler acknowledges for the call that it interrupted.
    AckWhenNested,
    /// An evict notifies and wakes before it changes the state.
    StateAfterBells,
    /// An evict takes the frames back before it closes the gate, and the poller continues to lend.
    RevokeBeforeGate,
    /// An evict reads a frame's word and then stores it.
    RevokeNoSwap,
    /// A frame that was held when it was revoked is written again at once.
    ReuseHeld,
    /// A set-aside frame is written again when the evict is done.
    AsideReleasedEarly,
    /// The evict leaves the loans in the ledger, for the death of the process to credit.
    CreditAtEvictAndEnd,
    /// An evict does not wake callers.
    EvictWakesNobody,
    /// An evict does not wake callers that wait for a start.
    EvictWakesNoStarter,
    /// A start of the session opens the gate of an evicted attachment, too.
    StartReopensEvicted,
    /// A dead thread's slot is emptied before its frame is credited.
    BuryFirst,
    /// The second report of a thread's exit is settled with the data of the first one.
    StaleReading,
    /// Leave releases the memory despite pins.
    LeaveIgnoresPins,
    /// Leave checks the shared words instead: frames that are held, or were revoked.
    LeaveAsksWords,
    /// After an end that was found out the words are not checked.
    FoundOutIgnoresWords,
    /// A pin is set after the slot was left.
    PinAfterLeave,
    /// A pin is cleared after the frame was returned.
    UnpinAfterPut,
    /// A check reads the pins only before the counts.
    PinsBeforeCallers,
    /// Leave wakes before it replaces `ctl`.
    RingBeforeCtl,
    /// The end is noted before `ctl` is replaced.
    DeferBeforeCtl,
    /// The end is noted after the check.
    DeferAfterLook,
    /// A caller that returns does not check.
    NoLookOnReturn,
    /// A call that bounced does not check.
    NoLookOnBounce,
    /// A guard that ends does not check.
    NoLookOnPut,
    /// `seg` is replaced before `frames`.
    SegBeforeFrames,
    /// The release is not a compare-and-exchange.
    LetGoNoCas,
}

impl Scenario {
    /// Whether callers join the event count only after their last check.
    pub(super) fn joins_late(&self) -> bool {
        self.is(Mutant::WaitersAfterRecheck) || self.is(Mutant::BothWaiters)
    }

    /// Whether the poller reads the waiters before it changes the event count.
    pub(super) fn waiters_before_bell(&self) -> bool {
        self.is(Mutant::WaitersBeforeBell) || self.is(Mutant::BothWaiters)
    }
}
