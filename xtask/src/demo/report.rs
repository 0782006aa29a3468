//! What the demo found, for programs (`--json FILE`) and for people.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The report.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Whether all was as it should be.
    pub(crate) ok: DemoResult,
    /// `af_xdp`, `af_packet` or `ring`: how the packets went.
    pub(crate) backend: String,
    /// State of the kernel's probe: `watching`, or `off`.
    pub(crate) probe: String,
    /// The totals of act 1.
    pub(crate) frames: Frames,
    /// Act 2: the callers that the daemon named, as in the control API.
    pub(crate) blocked_callers: Vec<Value>,
    /// Act 2: CPU that the busiest of them used while it was blocked, per cent of one core.
    pub(crate) blocked_cpu_percent: f64,
    /// Act 3: whether destroy was refused while there was a user, by that user's name.
    pub(crate) destroy_refused: bool,
    /// Act 4: whether destroy was refused while the witnesses contradicted each other.
    pub(crate) disagreement_refused: bool,
    /// Act 3: whether what the killed client left behind was settled, and certified.
    pub(crate) reconciled: bool,
    /// Act 3: from the stop to the last caller's return, µs.
    pub(crate) stop_to_last_return_us: Option<f64>,
    /// Act 3: from the last user's leaving to the certificate, µs.
    pub(crate) last_user_to_certificate_us: Option<f64>,
    /// Act 3: the certificate.
    pub(crate) certificate: Value,
    /// Act 5: what the client of the programme has taken; `null`: it was not played.
    pub(crate) programme: Option<Programme>,
    /// Whether the machine was left as it was found.
    pub(crate) clean: bool,
    /// What was not as it should be, a sentence each.
    pub(crate) problems: Vec<String>,
}

/// `true`, `false` or `"degraded"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DemoResult {
    /// Something was not as it should be.
    #[default]
    Failed,
    /// All was as it should be, on less than AF_XDP and the probe.
    Degraded,
    /// All was as it should be.
    Ok,
}

impl Serialize for DemoResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Failed => serializer.serialize_bool(false),
            Self::Degraded => serializer.serialize_str("degraded"),
            Self::Ok => serializer.serialize_bool(true),
        }
    }
}

/// Frames of act 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Frames {
    /// Counted by the sender.
    pub(crate) sent: u64,
    /// Counted by the receiver.
    pub(crate) received: u64,
    /// Counted by the client: number as expected, checksum right.
    pub(crate) verified: u64,
    /// Sent, but never given to the client.
    pub(crate) lost: u64,
    /// Given to the client with packets missing, and said to be so.
    pub(crate) incomplete: u64,
    /// Given to the client as complete with a wrong checksum or a number that had been before.
    pub(crate) wrong: u64,
}

/// Units of act 5, counted by the client: of picture, sound and captions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Programme {
    pub(crate) units: u64,
    /// Sent, but never given to the client.
    pub(crate) lost: u64,
    /// Given with packets missing, and said to be so.
    pub(crate) incomplete: u64,
    /// Units that a sender cut because its stop took too long: they come incomplete, or not at all.
    pub(crate) cut: u64,
    /// Pictures that are not those which were sent.
    pub(crate) wrong: u64,
    /// Packets that came over one network only, counted by the receivers.
    pub(crate) packets_recovered: u64,
}

impl Frames {
    /// Given to the client, in whatever state.
    pub(crate) const fn taken(&self) -> u64 {
        self.verified + self.incomplete + self.wrong
    }
}

impl Report {
    /// Writes it to `file`.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("writing the report to {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_as_json_then_true_false_or_degraded() {
        let outcomes = [DemoResult::Ok, DemoResult::Failed, DemoResult::Degraded];
        assert_eq!(
            serde_json::to_string(&outcomes).unwrap(),
            r#"[true,false,"degraded"]"#
        );
    }
}
