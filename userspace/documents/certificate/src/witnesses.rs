//! Checks of the readings: what each witness reported, when, and whether it could know.

use onair_api::{
    Certificate, Operation, ProbeMode, ProbeState, Reading, Says, StepName, Witness, WordOf,
};

use crate::check::{Check, Flaw, Found, check, flaw};
use crate::steps::{step, was_started};

/// The readings that a destroy requires: name, witness, writer of the source.
const NEEDED: [(&str, Witness, WordOf); 4] = [
    ("slots", Witness::W1, WordOf::Client),
    ("ledger", Witness::W1, WordOf::Daemon),
    ("probe", Witness::W2, WordOf::Kernel),
    ("pollers", Witness::W3, WordOf::Daemon),
];

pub(crate) fn checks(certificate: &Certificate) -> Vec<Check> {
    let of_witness = NEEDED.map(|(name, witness, word_of)| {
        let found = one(certificate, name)
            .and_then(|reading| whose(reading, witness, word_of))
            .and_then(|reading| in_time(certificate, reading))
            .and_then(|reading| no_user_hidden(certificate, reading))
            .and_then(|reading| match certificate.operation {
                // The readings are for information: the session was set aside with its users.
                Operation::Quarantine => Ok(as_reported(reading)),
                // The clients were evicted; an abort does not wait for callers that the kernel
                // still sees.
                Operation::Abort if witness == Witness::W2 => Ok(as_reported(reading)),
                _ => no_user(certificate, reading),
            });
        check(name, found)
    });
    let mut all = Vec::from(of_witness);
    all.push(check("others", others(certificate)));
    all.push(check("disagreements", disagreements(certificate)));
    all
}

/// The reading of this name; there must be exactly one.
pub(crate) fn one<'a>(certificate: &'a Certificate, name: &str) -> Result<&'a Reading, Flaw> {
    let mut of_name = certificate.readings.iter().filter(|it| it.name == name);
    match (of_name.next(), of_name.next()) {
        (Some(reading), None) => consistent(reading),
        (None, _) => flaw("it was not heard"),
        (Some(_), Some(_)) => flaw("it was heard twice"),
    }
}

/// The number must match the result.
fn consistent(reading: &Reading) -> Result<&Reading, Flaw> {
    match (reading.says, reading.users) {
        (Says::Users, 0) => flaw("it says users, and counts none"),
        (Says::Users, _) | (_, 0) => Ok(reading),
        (says, users) => flaw(format!("it says {says}, and counts {users} users")),
    }
}

pub(crate) fn whose(
    reading: &Reading,
    witness: Witness,
    word_of: WordOf,
) -> Result<&Reading, Flaw> {
    if reading.witness == witness && reading.word_of == word_of {
        return Ok(reading);
    }
    flaw(format!(
        "it is {witness}'s and the {word_of}'s word, not {}'s and the {}'s",
        reading.witness, reading.word_of
    ))
}

fn as_reported(reading: &Reading) -> String {
    format!("told only, it says {}: {}", reading.says, reading.detail)
}

/// Only evicted users may be left out, and W4 must leave out no user.
fn no_user_hidden<'a>(
    certificate: &Certificate,
    reading: &'a Reading,
) -> Result<&'a Reading, Flaw> {
    if reading.left_out == 0 || certificate.counts.evictions > 0 {
        return Ok(reading);
    }
    flaw(format!(
        "{} users are left out, and no client was evicted",
        reading.left_out
    ))
}

/// The reading must be between the closed gates and the verdict (or the quarantine).
fn in_time<'a>(certificate: &Certificate, reading: &'a Reading) -> Result<&'a Reading, Flaw> {
    let at = |name| step(certificate, name).map(|step| step.monotonic_ns);
    let shut = if was_started(certificate) {
        at(StepName::GatesClosed)
    } else {
        let restored = at(StepName::Restored);
        restored.or(at(StepName::DestroyRequested)).or(Some(0))
    };
    match (shut, at(StepName::Verdict).or(at(StepName::Quarantined))) {
        (Some(shut), _) if reading.at_monotonic_ns < shut => {
            flaw("it looked before the gates were shut")
        }
        (_, Some(verdict)) if reading.at_monotonic_ns > verdict => {
            flaw("it looked after the verdict")
        }
        (Some(_), Some(_)) => Ok(reading),
        _ => flaw("the steps do not tell whether it looked in time"),
    }
}

fn no_user(certificate: &Certificate, reading: &Reading) -> Found {
    let probe = &certificate.probe;
    match reading.says {
        Says::Zero if reading.witness != Witness::W2 => Ok(reading.detail.clone()),
        Says::Zero if probe.mode == ProbeMode::Off => flaw("it says zero, and the probe was off"),
        Says::Zero if probe.state != ProbeState::Watching || probe.canary_at.is_none() => {
            flaw("it says zero, and was not proven to see")
        }
        Says::Zero => Ok(reading.detail.clone()),
        Says::NotApplicable if reading.witness == Witness::W2 => match probe.mode {
            ProbeMode::Required => flaw("it was required, and is said to be not applicable"),
            mode => Ok(format!(
                "not applicable, probe.mode is {mode}: {}",
                reading.detail
            )),
        },
        says => flaw(format!("it says {says}: {}", reading.detail)),
    }
}

/// Readings that a destroy does not require must not contradict it.
fn others(certificate: &Certificate) -> Found {
    let known = |name: &str| name == "mapping" || NEEDED.iter().any(|(it, ..)| *it == name);
    let mut others = certificate.readings.iter().filter(|it| !known(&it.name));
    let against = |reading: &&Reading| !matches!(reading.says, Says::Zero | Says::NotApplicable);
    match others.find(against) {
        Some(reading) => flaw(format!("{} says {}", reading.name, reading.says)),
        None => Ok("no other witness speaks against it".to_owned()),
    }
}

/// Each was a disagreement by its readings, and was resolved before the verdict.
fn disagreements(certificate: &Certificate) -> Found {
    let verdict = step(certificate, StepName::Verdict).map(|step| step.at);
    let may_stay = matches!(
        certificate.operation,
        Operation::Quarantine | Operation::Abort
    );
    for one in &certificate.disagreements {
        let says = |name: &str, says: Says| {
            one.readings
                .iter()
                .any(|reading| reading.name == name && reading.says == says)
        };
        if !says("slots", Says::Zero) || !says("probe", Says::Users) {
            return flaw(format!("that of {} is none by its own readings", one.at));
        }
        match (one.resolved_at, verdict) {
            (None, _) if may_stay => {}
            (None, _) => return flaw(format!("that of {} was never resolved", one.at)),
            (Some(resolved), _) if resolved < one.at => {
                return flaw(format!("that of {} ended before it began", one.at));
            }
            (Some(resolved), Some(verdict)) if resolved > verdict => {
                return flaw(format!("that of {} was resolved after the verdict", one.at));
            }
            (Some(_), _) => {}
        }
    }
    Ok(match certificate.disagreements.len() {
        0 => "none".to_owned(),
        count if may_stay => format!("{count}"),
        count => format!("{count}, each resolved before the verdict"),
    })
}
