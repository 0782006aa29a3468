//! Checks of the steps from stop to destroyed: which, in which order, and by when.

use std::time::Duration;

use onair_api::{Certificate, Operation, Step, StepName};

use crate::check::{Check, Found, absent, check, flaw};

/// Tolerance of a verdict after the deadline: the last reading starts when the deadline passes.
const GRACE: Duration = Duration::from_secs(1);

/// Steps of a session that was started and then stopped.
const OF_A_STOP: [StepName; 2] = [StepName::StopRequested, StepName::GatesClosed];

/// Steps that a restored session does not take before a start.
const OF_A_RUN: [StepName; 3] = [
    StepName::StopRequested,
    StepName::GatesClosed,
    StepName::PollersQuiesced,
];

/// Pairs of steps: the first must precede the second.
const ORDER: [(StepName, StepName); 11] = [
    (StepName::StopRequested, StepName::GatesClosed),
    (StepName::GatesClosed, StepName::PollersQuiesced),
    (StepName::GatesClosed, StepName::LastUserLeft),
    (StepName::StopRequested, StepName::DestroyRequested),
    (StepName::PollersQuiesced, StepName::Verdict),
    (StepName::LastUserLeft, StepName::Verdict),
    (StepName::DestroyRequested, StepName::Verdict),
    (StepName::DestroyRequested, StepName::Evicted),
    (StepName::Evicted, StepName::Verdict),
    (StepName::GatesClosed, StepName::Quarantined),
    (StepName::Verdict, StepName::Destroyed),
];

/// Steps that an operation must have, and steps that it must not have.
fn steps_of(operation: Operation) -> (&'static [StepName], &'static [StepName]) {
    use StepName::{DestroyRequested, Destroyed, Evicted, LastUserLeft, Quarantined, Verdict};
    match operation {
        Operation::Destroy | Operation::DestroyWait | Operation::Shutdown => (
            &[DestroyRequested, LastUserLeft, Verdict, Destroyed],
            &[Evicted, Quarantined],
        ),
        // The probe may still see evicted callers: then there is no step `last_user_left`.
        Operation::Abort => (
            &[DestroyRequested, Evicted, Verdict, Destroyed],
            &[Quarantined],
        ),
        // No verdict and no destroy: the session still has users.
        Operation::Quarantine => (&[Quarantined], &[Evicted, Verdict, Destroyed]),
    }
}

pub(crate) fn checks(certificate: &Certificate) -> [Check; 4] {
    [
        check("steps", steps(certificate)),
        restored(certificate),
        check("clock", clock(certificate)),
        deadline(certificate),
    ]
}

/// A step of the certificate.
pub(crate) fn step(certificate: &Certificate, name: StepName) -> Option<&Step> {
    certificate.steps.iter().find(|step| step.step == name)
}

/// The step that ended the session for its users.
pub(crate) fn ended(certificate: &Certificate) -> Option<&Step> {
    step(certificate, StepName::Destroyed).or_else(|| step(certificate, StepName::Quarantined))
}

/// Whether the daemon that issued the certificate started the session. A daemon that did not start
/// it did not stop it either.
pub(crate) fn was_started(certificate: &Certificate) -> bool {
    certificate.generation > 0 && step(certificate, StepName::Restored).is_none()
}

fn steps(certificate: &Certificate) -> Found {
    let place = |name| certificate.steps.iter().position(|step| step.step == name);
    let (needed, foreign) = steps_of(certificate.operation);
    let of_a_stop = OF_A_STOP.iter().filter(|_| was_started(certificate));
    for needed in of_a_stop.chain(needed) {
        if place(*needed).is_none() {
            return flaw(format!("{needed} is missing"));
        }
    }
    let is_destroyed = place(StepName::Destroyed).is_some();
    if was_started(certificate) && is_destroyed && place(StepName::PollersQuiesced).is_none() {
        return flaw(format!("{} is missing", StepName::PollersQuiesced));
    }
    if let Some(foreign) = foreign.iter().find(|step| place(**step).is_some()) {
        return flaw(format!("{} has no {foreign}", certificate.operation));
    }
    for (at, step) in certificate.steps.iter().enumerate() {
        if place(step.step) != Some(at) {
            return flaw(format!("{} is there twice", step.step));
        }
    }
    for (first, then) in ORDER {
        if place(then).is_some_and(|then| place(first).is_some_and(|first| first >= then)) {
            return flaw(format!("{then} stands before {first}"));
        }
    }
    if was_started(certificate) && place(StepName::StopRequested) != Some(0) {
        return flaw("something stands before stop_requested");
    }
    if place(StepName::Restored).is_some() {
        if place(StepName::Restored) != Some(0) {
            return flaw("something stands before restored");
        }
        if let Some(run) = OF_A_RUN.iter().find(|step| place(**step).is_some()) {
            return flaw(format!(
                "restored means that this daemon did not start it, and there is {run}"
            ));
        }
    }
    let end = ended(certificate).and_then(|end| place(end.step));
    let after = &certificate.steps[end.map_or(0, |end| end + 1)..];
    match after
        .iter()
        .find(|step| step.step != StepName::MemoryReturned)
    {
        Some(step) => flaw(format!("{} stands after the end", step.step)),
        None => Ok(format!(
            "{}, each once and in order",
            certificate.steps.len()
        )),
    }
}

/// `stopped_before` is in one place only, and from an earlier daemon.
fn restored(certificate: &Certificate) -> Check {
    let name = "restored";
    let is_restored = step(certificate, StepName::Restored).is_some();
    match (&certificate.stopped_before, is_restored) {
        (None, false) => absent(name, "all of it was this daemon's"),
        (None, true) => check(
            name,
            Ok("the earlier daemon left no word of a stop".to_owned()),
        ),
        (Some(_), false) => check(
            name,
            flaw("an earlier daemon stopped it, and there is no step restored"),
        ),
        (Some(before), true) => {
            let (then, now) = (before.session, certificate.session);
            let found = if then.incarnation() < now.incarnation() {
                Ok(format!(
                    "stopped at {} as session {then}, by an earlier daemon",
                    before.at
                ))
            } else {
                flaw(format!(
                    "session {then} is of no daemon before that of {now}"
                ))
            };
            check(name, found)
        }
    }
}

/// All times belong to one boot: the monotonic clock must not go back, and both figures of a step
/// must agree.
fn clock(certificate: &Certificate) -> Found {
    if certificate.boot_id.is_empty() {
        return flaw("there is no boot id");
    }
    let Some(began) = certificate.steps.first().map(|step| step.monotonic_ns) else {
        return flaw("there are no steps");
    };
    let mut last = began;
    for step in &certificate.steps {
        if step.monotonic_ns < last {
            return flaw(format!("{} is earlier than the step before it", step.step));
        }
        last = step.monotonic_ns;
        if step.since_stop_us != (last - began) / 1000 {
            return flaw(format!(
                "{} says {} µs after the stop, and its clock {} µs",
                step.step,
                step.since_stop_us,
                (last - began) / 1000
            ));
        }
    }
    Ok(format!("monotonic, boot {}", certificate.boot_id))
}

fn deadline(certificate: &Certificate) -> Check {
    let name = "deadline";
    let waited = step(certificate, StepName::Verdict)
        .zip(step(certificate, StepName::DestroyRequested))
        .map(|(verdict, asked)| verdict.monotonic_ns.saturating_sub(asked.monotonic_ns))
        .map(Duration::from_nanos);
    match (certificate.operation, certificate.deadline_ms, waited) {
        (Operation::Destroy, None, _) => absent(name, "none: at once or not at all"),
        (Operation::Destroy, Some(ms), _) => check(
            name,
            flaw(format!(
                "destroy waits for no user, and {ms} ms are allowed"
            )),
        ),
        (Operation::DestroyWait, None, _) => {
            check(name, flaw("destroy_wait has one, and it is not there"))
        }
        (Operation::Shutdown | Operation::Abort | Operation::Quarantine, None, _) => {
            absent(name, "none")
        }
        (Operation::Quarantine, Some(ms), _) => check(
            name,
            flaw(format!(
                "a quarantine waits for no user, and {ms} ms are allowed"
            )),
        ),
        (_, Some(_), None) => check(name, flaw("the steps do not tell the wait")),
        (_, Some(ms), Some(waited)) => {
            let allowed = Duration::from_millis(ms);
            let found = format!("{waited:?} of {allowed:?} were waited");
            if waited > allowed.saturating_add(GRACE) {
                check(name, flaw(found))
            } else {
                check(name, Ok(found))
            }
        }
    }
}
