//! The invariants of `docs/gate.md`, checked at the steps that could break them and in every state
//! that nobody will leave.

use super::client::{Client, ClientAt, Outcome};
use super::control::ControlAt;
use super::scenario::Scenario;
use super::state::{CLIENTS, FRAMES, FrameState, Loan, State};

/// A broken invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// I1a: a frame was credited while a living thread held it.
    CreditedUnderHolder,
    /// I1a, H9: a frame was credited that had been delivered to a thread which then exited: it
    /// belongs to the process, which lives.
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
    /// A caller sleeps for ever although a frame is ready.
    LostWake,
    /// A caller sleeps for ever although a gate has changed.
    LostStop,
    /// The drain waits for ever although nobody is inside.
    LostNotification,
    /// A put of an earlier loan released the present one.
    StalePutReleased,
    /// I1: a frame that was set aside was written again while somebody could still read it.
    RewrittenUnderHolder,
    /// I1: the slot of a living thread was emptied.
    BuriedAlive,
    /// I2: a caller of an attachment that was closed for good was told of a stop, or got a frame.
    NotStale,
    /// A put of a held frame failed although nobody had revoked it.
    PutLost,
    /// Somebody waits for a start for ever.
    LostStart,
    /// Something is still lent to an attachment that was evicted.
    EvictedStillLent,
    /// I1: the bytes that a guard borrows became zeros.
    ZeroedUnderGuard,
    /// The bytes of a handle that is held became zeros, and the application did not end the session.
    ZeroedHandle,
    /// The memory of an ended attachment is kept, and nothing borrows from it.
    NeverLetGo,
    /// Two threads let the same memory go.
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

/// Credits `lend` in the ledger, and sets its frame aside: somebody may still read it.
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

/// Judges that what was set aside is written again.
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

/// Judges the verdict "no user is left".
pub(super) fn destroy(state: &State) -> Result<(), Violation> {
    for (who, client) in state.client.iter().enumerate() {
        if !state.alive(who) {
            continue;
        }
        // What is left of a handle whose process has let go is no frame.
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

/// Judges what a call returns.
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

/// Judges a state in which no step is possible but deaths.
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
    // rightly waits for the process, or for evict.
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
