//! All checks of one certificate.

use onair_api::{Certificate, Operation, Via};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::check::{Check, CheckOutcome, check, flaw};
use crate::{counts, digest, memory, steps, witnesses};

/// Results of all checks of one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The session, if it could be read.
    pub session: Option<String>,
    /// Its name, if it could be read.
    pub name: Option<String>,
    /// Whether no check failed.
    pub holds: bool,
    /// Every check.
    pub checks: Vec<Check>,
}

/// Why a document cannot be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverifiable {
    /// It is not a certificate.
    #[error("not a certificate: it has no number `format`")]
    NotACertificate,
    /// It has a format that this program does not know.
    #[error(
        "its format is {found}, and this program knows {}: use the one that was installed with \
         the daemon that wrote it",
        Certificate::FORMAT
    )]
    Format {
        /// Its format.
        found: u64,
    },
}

/// Verifies a certificate, given as the received document: the digest also covers fields that this
/// program does not know.
///
/// # Errors
/// [`Unverifiable`]: not a certificate, or one of another format.
pub fn verify(document: &Value) -> Result<Verification, Unverifiable> {
    let format = document
        .get("format")
        .and_then(Value::as_u64)
        .ok_or(Unverifiable::NotACertificate)?;
    if format != u64::from(Certificate::FORMAT) {
        return Err(Unverifiable::Format { found: format });
    }
    let text = |field: &str| document.get(field)?.as_str().map(str::to_owned);
    let mut checks = vec![digest_check(document)];
    match Certificate::deserialize(document) {
        Ok(certificate) => {
            checks.push(requester(&certificate));
            checks.extend(steps::checks(&certificate));
            checks.extend(witnesses::checks(&certificate));
            checks.extend(memory::checks(&certificate));
            checks.extend(counts::checks(&certificate));
        }
        Err(error) => checks.push(check("form", flaw(error.to_string()))),
    }
    Ok(Verification {
        session: text("session"),
        name: text("name"),
        holds: checks
            .iter()
            .all(|check| check.outcome != CheckOutcome::Fails),
        checks,
    })
}

fn digest_check(document: &Value) -> Check {
    let is = digest::of(document);
    let found = match document.get(digest::FIELD) {
        None => flaw("it is not there"),
        Some(told) if told.as_str() == Some(&is) => Ok(is),
        Some(told) => flaw(format!("it says {told}, and the rest has {is}")),
    };
    check("digest", found)
}

/// Checks the requester: only the daemon requests a shutdown. Of the others it requests only a wait, for a
/// session that ends with its creator.
fn requester(certificate: &Certificate) -> Check {
    let who = &certificate.requester;
    let is_daemon = who.via == Via::Daemon;
    let found = match certificate.operation {
        Operation::Shutdown if !is_daemon => {
            flaw(format!("a shutdown is the daemon's own, and {who} asked"))
        }
        Operation::Destroy if is_daemon => flaw("destroy is asked for by others, not the daemon"),
        _ => Ok(who.to_string()),
    };
    check("requester", found)
}
