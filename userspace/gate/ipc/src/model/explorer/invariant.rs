//! The invariants of `docs/gate.md`, checked at the steps that could break them and in every final
//! state.

use super::*;

/// A broken invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// I1a: a frame was credited while a living thread held it.
    CreditedUnderHolder,
    /// I1a, H9: a frame was credited although it had been delivered to a thread which then exited.
    /// It belongs to the process, which lives.
    CreditedDelivered,
    /// I1b: the session was destroyed while a thread that had passed the gates was inside.
    DestroyedUnderCaller,
    /// I1b: the session was destroyed while a living thread held a frame.
    DestroyedUnderHolder,
    /// I2: a caller that slept when a stop came did not return `EAGAIN`.
    SleeperMissedStop,
    /// I2: a call returned `EAGAIN` although no stop overlapped it.
    StoppedWithoutStop,
    /// A call that began after a stop, and before the start, returned a frame.
    PassedClosedGate,
    /// I3: a loan was credited twice.
    CreditedTwice,
    /// A caller sleeps forever beside a ready frame.
    LostWake,
    /// A caller sleeps forever although a gate has changed.
    LostStop,
    /// The drain waits forever although no caller is inside.
    LostNotification,
    /// A put of an earlier loan released the present one.
    StalePutReleased,
    /// I1: a set-aside frame was written again while a thread could still read it.
    RewrittenUnderHolder,
    /// I1: the slot of a living thread was emptied.
    ReclaimedAlive,
    /// I2: a caller of an attachment that was closed for good got `EAGAIN`, or a frame.
    NotStale,
    /// A put of a held frame failed although the frame had not been revoked.
    PutLost,
    /// A caller waits for a start forever.
    LostStart,
    /// An evicted attachment still has a loan.
    EvictedStillLoaned,
}

/// Credits `loan` in the ledger.
pub(super) fn credit(state: &mut GateState, loan: Loan) -> Result<(), Violation> {
    count_credit(state, loan)?;
    let holder = state.client.iter().find(|client| client.has(loan));
    match holder.filter(|_| !state.killed) {
        Some(client) if client.dead => Err(Violation::CreditedDelivered),
        Some(_) => Err(Violation::CreditedUnderHolder),
        None => Ok(()),
    }
}

/// Credits `loan` in the ledger, and sets its frame aside, because a thread may still read it.
pub(super) fn set_aside(state: &mut GateState, loan: Loan) -> Result<(), Violation> {
    state.aside[loan.at()] = true;
    count_credit(state, loan)
}

fn count_credit(state: &mut GateState, loan: Loan) -> Result<(), Violation> {
    let bit = 1 << (loan.serial - 1);
    if state.credited & bit != 0 {
        return Err(Violation::CreditedTwice);
    }
    state.credited |= bit;
    state.ledger[loan.at()].loaned = false;
    Ok(())
}

/// Checks a new write to set-aside frames.
pub(super) fn release_aside(state: &GateState) -> Result<(), Violation> {
    let read = |frame: usize| {
        let of_frame = |loan: &Loan| *loan != Loan::NONE && loan.at() == frame;
        let reads = |client: &Client| {
            let loans = [client.loan, client.kept];
            loans.iter().any(|loan| of_frame(loan) && client.has(*loan))
        };
        state.aside[frame] && state.client.iter().any(reads)
    };
    if !state.killed && (0..FRAMES).any(read) {
        return Err(Violation::RewrittenUnderHolder);
    }
    Ok(())
}

/// Checks the verdict "no user is left".
pub(super) fn check_destroy(state: &GateState) -> Result<(), Violation> {
    for who in (0..CLIENTS).filter(|&who| state.alive(who)) {
        let client = &state.client[who];
        if client.at == ClientAt::Holding || client.kept != Loan::NONE {
            return Err(Violation::DestroyedUnderHolder);
        }
        if client.is_past_the_gates() {
            return Err(Violation::DestroyedUnderCaller);
        }
    }
    Ok(())
}

/// Checks the result of a call.
pub(super) fn check_return(client: &Client) -> Result<(), Violation> {
    use CallOutcome::*;
    match client.outcome {
        Stopped | Taken | TimedOut if client.slept_at_end => Err(Violation::NotStale),
        Stopped if !client.stop_overlapped => Err(Violation::StoppedWithoutStop),
        Taken | TimedOut if client.slept_at_stop => Err(Violation::SleeperMissedStop),
        Taken if client.barred_local || client.barred_session => Err(Violation::PassedClosedGate),
        _ => Ok(()),
    }
}

/// Checks a state in which only deaths are possible.
pub(super) fn check_final(explorer: &Explorer, state: &GateState) -> Result<(), Violation> {
    let scenario = &explorer.scenario;
    let ready = (0..FRAMES)
        .any(|frame| state.ledger[frame].loaned && state.word[frame].state == FrameState::Ready);
    let open = state.local_gate.is_open() && state.session_gate.is_open();
    let gates = (state.local_gate, state.session_gate);
    for who in (0..CLIENTS).filter(|&who| state.alive(who)) {
        let client = &state.client[who];
        if client.at == ClientAt::StartAsleep && (state.closed || open) {
            return Err(Violation::LostStart);
        }
        if client.at == ClientAt::StartAsleep && !state.local_gate.is_open() {
            return Err(Violation::LostStop);
        }
        if client.is_asleep() && (state.closed || (client.local, client.session) != gates) {
            return Err(Violation::LostStop);
        }
        if client.is_asleep() && ready {
            return Err(Violation::LostWake);
        }
    }
    let evicted = scenario.evicted && state.closed;
    if evicted && state.ledger.iter().any(|line| line.loaned) {
        return Err(Violation::EvictedStillLoaned);
    }
    // A frame that was delivered to a thread which then exited belongs to its process: the drain
    // correctly waits for the process, or for an evict.
    let owed = state.client.iter().any(|it| it.dead && it.has_any());
    let ended = [ControlAt::Destroyed, ControlAt::Quarantined].contains(&state.control.at);
    if scenario.destroyed && !ended && (!owed || evicted) {
        return Err(Violation::LostNotification);
    }
    Ok(())
}
