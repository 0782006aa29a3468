//! Invariants at a session's end.

use onair_api::{Counts, Operation, ProblemCode, Reading, Says, StepName};
use onair_session::{Answer, Evidence};

use super::end_of_frames;
use crate::world::{Client, trace, violation, world};

/// The session is quarantined: every call is refused from now on.
pub(crate) fn quarantined(index: usize) {
    world(|world| world.sessions[index].is_quarantined = true);
}

/// The session is destroyed, and its certificate says so.
pub(crate) fn destroyed(index: usize, evidence: &Evidence) {
    trace(|| format!("session {index}: destroyed"));
    let evicted: Vec<u64> = evidence.evicted.iter().map(|it| it.attachment).collect();
    let (users, frames, excused) = world(|world| {
        world.sessions[index].is_over = true;
        let its = world.clients.iter().filter(|it| it.session == index);
        let users = its.filter(|it| it.is_honest() && it.is_attached && it.uses());
        let users = users.filter(|it| !evicted.contains(&it.number));
        let users: Vec<u64> = users.map(|it| it.number).collect();
        let has_evicted = world
            .clients
            .iter()
            .any(|it| it.session == index && (it.is_evicted || !it.is_honest()));
        let frames = world.sessions[index].frames.clone();
        (users, (!has_evicted).then_some(frames), has_evicted)
    });
    if !users.is_empty() {
        violation(format!(
            "session {index}: a certificate, and {users:?} use it"
        ));
    }
    if let Some(frames) = frames {
        end_of_frames(&frames);
    }
    check_forgers(index);
    check_readings(index, evidence, excused);
    check_steps(index, evidence);
    check_books(index, &evidence.counts);
}

/// A client that gave a frame back under another serial did not get away with it.
fn check_forgers(index: usize) {
    let kept = world(|world| {
        let its = world.clients.iter().filter(|it| it.session == index);
        let its = its.filter(|it| it.has_forged && !it.is_evicted && !it.is_dead());
        its.map(|it| it.number).collect::<Vec<_>>()
    });
    for number in kept {
        violation(format!(
            "session {index}: {number} gave a frame back under another serial, and was not evicted"
        ));
    }
}

/// The session was quarantined, and its last holder is gone.
pub(crate) fn freed(index: usize, counts: &Counts) {
    trace(|| format!("session {index}: freed"));
    let holders = world(|world| {
        world.sessions[index].is_over = true;
        let its = world.clients.iter().filter(|it| it.session == index);
        let its = its.filter(|it| {
            it.is_attached && !it.is_dead() && onair_sim_kernel::mappings(it.file) > 1
        });
        its.map(|it| it.number).collect::<Vec<_>>()
    });
    if !holders.is_empty() {
        violation(format!("session {index}: freed while {holders:?} have it"));
    }
    check_books(index, counts);
}

fn check_readings(index: usize, evidence: &Evidence, has_evicted: bool) {
    let is_abort = evidence.operation == Operation::Abort;
    for reading in &evidence.readings {
        check_reading(index, reading);
        let may_speak = reading.name == "mapping" || is_abort && reading.name == "probe";
        if !matches!(reading.says, Says::Zero | Says::NotApplicable) && !may_speak {
            violation(format!("session {index}: destroyed although {reading:?}"));
        }
    }
    if !evidence.disagreements.is_empty() && !is_abort && !has_evicted {
        let notes = &evidence.disagreements;
        violation(format!(
            "session {index}: the witnesses disagreed: {notes:?}"
        ));
    }
}

/// Checks an answer of a session.
pub(crate) fn answered(index: usize, answer: &Answer) {
    match answer {
        Answer::Verdict(_, Ok(verdict)) => verdict
            .readings
            .iter()
            .for_each(|it| check_reading(index, it)),
        Answer::Flushed(ticket, Ok(_)) => super::flushed(index, ticket),
        Answer::Evicted(_, Err(problem)) | Answer::AllEvicted(_, Err(problem))
            if problem.code == ProblemCode::DataplaneBusy
                && world(|world| world.sessions[index].has_sound_poller()) =>
        {
            violation(format!(
                "session {index}: evicted, and the poller does not know"
            ));
        }
        _ => {}
    }
}

/// A reading of zero says what is so.
fn check_reading(index: usize, reading: &Reading) {
    let is_wrong = world(|world| {
        let mut its = world.clients.iter().filter(|it| it.session == index);
        let has_memory = |it: &Client| {
            it.is_honest()
                && it.is_attached
                && !it.is_dead()
                && onair_sim_kernel::mappings(it.file) > 1
        };
        reading.says == Says::Zero
            && match reading.name.as_str() {
                "pollers" => world.sessions[index].is_runtime_out,
                "mapping" => its.any(has_memory),
                _ => false,
            }
    });
    if is_wrong {
        violation(format!("session {index}: {reading:?}"));
    }
}

fn check_steps(index: usize, evidence: &Evidence) {
    let has_run = world(|world| world.sessions[index].has_run);
    for step in [
        StepName::GatesClosed,
        StepName::PollersQuiesced,
        StepName::Destroyed,
    ] {
        let times = evidence.steps.iter().filter(|it| it.step == step).count();
        // One that never ran is never stopped.
        let may_be_none = !has_run && step != StepName::Destroyed;
        if times != 1 && !(times == 0 && may_be_none) {
            let steps: Vec<_> = evidence.steps.iter().map(|it| it.step).collect();
            violation(format!(
                "session {index}: {times} times {step:?}: {steps:?}"
            ));
        }
    }
}

fn check_books(index: usize, counts: &Counts) {
    let settled = counts.frames_returned
        + counts.frames_reclaimed
        + counts.frames_reconciled
        + counts.frames_revoked;
    let lent = world(|world| world.sessions[index].lent);
    if counts.frames_lent != settled || counts.frames_lent != lent {
        violation(format!(
            "session {index}: the books do not balance: {lent} lent, {counts:?}"
        ));
    }
    check_puts(index, counts.frames_returned);
    let (mut given_back, mut all) = world(|world| {
        let its = world.clients.iter().filter(|it| it.session == index);
        let attached = its.filter(|it| it.is_attached).map(|it| it.number);
        let all: Vec<u64> = attached.collect();
        (world.sessions[index].given_back.clone(), all)
    });
    given_back.sort_unstable();
    all.sort_unstable();
    if given_back != all {
        violation(format!(
            "session {index}: of the memories {all:?} these came back: {given_back:?}"
        ));
    }
}

/// Each put that said that it gave a frame back is counted once.
fn check_puts(index: usize, returned: u64) {
    let (put, puts, is_honest) = world(|world| {
        let its = || world.clients.iter().filter(|it| it.session == index);
        (
            its().map(|it| it.put).sum::<u64>(),
            its().map(|it| it.puts).sum::<u64>(),
            its().all(Client::is_honest),
        )
    });
    if is_honest && !(put..=puts).contains(&returned) {
        violation(format!(
            "session {index}: {returned} frames returned, and of {puts} puts {put} returned one"
        ));
    }
}
