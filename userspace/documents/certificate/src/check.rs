//! One check of a certificate, and its result.

use serde::{Deserialize, Serialize};

/// Result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// The claim is valid.
    Holds,
    /// The claim is wrong.
    Fails,
    /// The certificate has no such claim.
    Absent,
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Stable name: `digest`, `steps`, `slots`, …
    pub name: String,
    /// Result.
    pub outcome: CheckOutcome,
    /// Reason, for people.
    pub detail: String,
}

/// Fault of a claim: text for the report.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Flaw(pub(crate) String);

/// Proof of a claim, as text for the report, or its fault.
pub(crate) type Found = Result<String, Flaw>;

pub(crate) fn flaw<T>(text: impl Into<String>) -> Result<T, Flaw> {
    Err(Flaw(text.into()))
}

pub(crate) fn check(name: &str, found: Found) -> Check {
    let (outcome, detail) = match found {
        Ok(detail) => (CheckOutcome::Holds, detail),
        Err(Flaw(detail)) => (CheckOutcome::Fails, detail),
    };
    Check {
        name: name.to_owned(),
        outcome,
        detail,
    }
}

pub(crate) fn absent(name: &str, detail: &str) -> Check {
    Check {
        name: name.to_owned(),
        outcome: CheckOutcome::Absent,
        detail: detail.to_owned(),
    }
}
