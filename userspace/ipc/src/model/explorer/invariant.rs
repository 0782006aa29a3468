//! The invariants of `docs/gate.md`, checked at the steps that could break them and in every final
//! state.

use super::client::{Client, ClientAt, Outcome};
use super::control::ControlAt;
use super::scenario::Scenario;
use super::state::{CLIENTS, FRAMES, FrameState, Loan, State};

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
    /// A caller sleeps for ever beside a ready frame.
    LostWake,
    /// A caller sleeps for ever although a gate has changed.
    LostStop,
    /// The drain waits for ever although no caller is inside.
    LostNotification,
    /// A put of an earlier loan released the present one.
    StalePutReleased,
    /// I1: a set-aside frame was written again while a thread could still read it.
    RewrittenUnderHolder,
    /// I1: the slot of a living thread was emptied.
    BuriedAlive,
    /// I2: a caller of an attachment that was closed for good got `EAGAIN`, or a frame.
    NotStale,
    /// A put of a held frame failed although the frame had not been revoked.
    PutLost,
    /// A caller waits for a start for ever.
    LostStart,
    /// An evicted attachment still has a loan.
    EvictedStillLent,
    /// I1: the bytes that a guard borrows became zeros.
    ZeroedUnderGuard,
    /// The bytes of a held handle became zeros, and the application did not end the session.
    ZeroedHandle,
    /// The memory of an ended attachment is kept although nothing borrows it.
    NeverLetGo,
    /// Two threads released the same memory.
    LetGoTwice,
}

/// Credits `lend` in the ledger.
pub(super) fn credit(state: &mut State, lend: Loan) -> Result<(), Violation> {
    let bit = 1 << (lend.serial - 1);
    if state.credited & bit != 0 {
        return Err(Violation::CreditedTwice);
    }
    let holds = |who: &usize| {
        if state.has_let_go() {
            state.reads(*who, lend)
        } else {
            state.client[*who].has(lend)
        }
    };
    if !state.killed {
        match (0..CLIENTS).find(holds) {
            Some(who) if state.client[who].dead => return Err(Violation::CreditedDelivered),
            Some(_) => return Err(Violation::CreditedUnderHolder),
            None => {}
        }
    }
    state.credited |= bit;
    state.ledger[usize::from(lend.frame)].lent = false;
    Ok(())
}

/// Credits `lend` in the ledger, and sets its frame aside, because a thread may still read it.
pub(super) fn set_aside(state: &mut State, lend: Loan) -> Result<(), Violation> {
    let bit = 1 << (lend.serial - 1);
    if state.credited & bit != 0 {
        return Err(Violation::CreditedTwice);
    }
    state.credited |= bit;
    state.ledger[usize::from(lend.frame)].lent = false;
    state.aside[usize::from(lend.frame)] = true;
    Ok(())
}

/// Checks a new write to set-aside frames.
pub(super) fn release_aside(state: &State) -> Result<(), Violation> {
    let read = |frame: usize| {
        let reads = |who: usize| {
            let loans = [state.client[who].lend, state.client[who].kept];
            loans.iter().any(|&lend| {
                lend != Loan::NONE && usize::from(lend.frame) == frame && state.reads(who, lend)
            })
        };
        state.aside[frame] && (0..CLIENTS).any(reads)
    };
    if !state.killed && (0..FRAMES).any(read) {
        return Err(Violation::RewrittenUnderHolder);
    }
    Ok(())
}

/// Checks the verdict "no user is left".
pub(super) fn destroy(state: &State) -> Result<(), Violation> {
    for (who, client) in state.client.iter().enumerate() {
        if !state.alive(who) {
            continue;
        }
        // A handle whose process has released the memory counts as no frame.
        let holds = client.at == ClientAt::Holding || client.kept != Loan::NONE;
        if holds && !state.has_let_go() {
            return Err(Violation::DestroyedUnderHolder);
        }
        if client.is_past_the_gates() {
            return Err(Violation::DestroyedUnderCaller);
        }
    }
    Ok(())
}

/// Checks the result of a call.
pub(super) fn returned(client: &Client) -> Result<(), Violation> {
    match client.outcome {
        Outcome::Stopped | Outcome::Taken | Outcome::TimedOut if client.slept_at_end => {
            Err(Violation::NotStale)
        }
        Outcome::Stopped if !client.stop_overlapped => Err(Violation::StoppedWithoutStop),
        Outcome::Taken | Outcome::TimedOut if client.slept_at_stop => {
            Err(Violation::SleeperMissedStop)
        }
        Outcome::Taken if client.barred_local || client.barred_session => {
            Err(Violation::PassedClosedGate)
        }
        _ => Ok(()),
    }
}

/// Checks a state in which only deaths are possible.
pub(super) fn quiescent(scenario: &Scenario, state: &State) -> Result<(), Violation> {
    let ready = state
        .ledger
        .iter()
        .zip(&state.word)
        .any(|(loan, word)| loan.lent && word.state == FrameState::Ready);
    for (who, client) in state.client.iter().enumerate() {
        if !state.alive(who) {
            continue;
        }
        if client.at == ClientAt::StartAsleep
            && (state.seen_closed() || state.local_gate.is_open() && state.session_gate.is_open())
        {
            return Err(Violation::LostStart);
        }
        if client.at != ClientAt::Asleep {
            continue;
        }
        if state.seen_closed()
            || client.local != state.local_gate
            || client.session != state.session_gate
        {
            return Err(Violation::LostStop);
        }
        if ready {
            return Err(Violation::LostWake);
        }
    }
    let evicted = scenario.evicted && state.closed;
    if evicted && state.ledger.iter().any(|loan| loan.lent) {
        return Err(Violation::EvictedStillLent);
    }
    // A frame that was delivered to a thread which then exited belongs to its process: the drain
    // correctly waits for the process, or for an evict.
    let owed = state.client.iter().any(|client| {
        client.dead && (client.outcome == Outcome::Taken || client.kept != Loan::NONE)
    });
    let ended = matches!(
        state.control.at,
        ControlAt::Destroyed | ControlAt::Quarantined
    );
    if scenario.destroyed && !ended && (!owed || evicted) {
        return Err(Violation::LostNotification);
    }
    Ok(())
}
