//! The invariants of `docs/gate.md`, checked at the steps that could break them and in every state
//! that nobody will leave.

use super::client::{Client, ClientAt, Outcome};
use super::control::ControlAt;
use super::scenario::Scenario;
use super::state::{FrameState, Lend, State};

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
    /// I3: a lend was credited twice.
    CreditedTwice,
    /// A caller sleeps for ever although a frame is ready.
    LostWake,
    /// A caller sleeps for ever although a gate has changed.
    LostStop,
    /// The drain waits for ever although nobody is inside.
    LostNotification,
    /// A put of an earlier lend released the present one.
    StalePutReleased,
}

/// Credits `lend` in the ledger.
pub(super) fn credit(state: &mut State, lend: Lend) -> Result<(), Violation> {
    let bit = 1 << (lend.serial - 1);
    if state.credited & bit != 0 {
        return Err(Violation::CreditedTwice);
    }
    if !state.killed {
        match state.client.iter().find(|client| client.has(lend)) {
            Some(client) if client.dead => return Err(Violation::CreditedDelivered),
            Some(_) => return Err(Violation::CreditedUnderHolder),
            None => {}
        }
    }
    state.credited |= bit;
    state.ledger[usize::from(lend.frame)].lent = false;
    Ok(())
}

/// Judges the verdict "no user is left".
pub(super) fn destroy(state: &State) -> Result<(), Violation> {
    for (who, client) in state.client.iter().enumerate() {
        if !state.alive(who) {
            continue;
        }
        if client.at == ClientAt::Holding || client.kept != Lend::NONE {
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
        if !state.alive(who) || client.at != ClientAt::Asleep {
            continue;
        }
        if client.local != state.local_gate || client.session != state.session_gate {
            return Err(Violation::LostStop);
        }
        if ready {
            return Err(Violation::LostWake);
        }
    }
    // A frame that was delivered to a thread which then exited belongs to its process: the drain
    // rightly waits for the process, or for evict.
    let owed = state.client.iter().any(|client| {
        client.dead && (client.outcome == Outcome::Taken || client.kept != Lend::NONE)
    });
    if scenario.destroyed && state.control.at != ControlAt::Destroyed && !owed {
        return Err(Violation::LostNotification);
    }
    Ok(())
}
