//! Counts of a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of the packets that arrived during a recording.
///
/// *arrived = accepted + dropped* and *accepted = written + lost + pending*, always. After the end
/// `pending` is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RecordingCounts {
    /// Offered packets.
    pub arrived: u64,
    /// Of these, accepted packets.
    pub accepted: u64,
    /// Of these, refused packets, by reason: `ring_full`, `disk_full`, `disk_fault`,
    /// `not_accepting` (it was stopped). Zeros are left out.
    pub dropped: BTreeMap<String, u64>,
    /// Of the accepted packets, those in its files.
    pub written: u64,
    /// Bytes of these packets, without the file format's own.
    pub written_bytes: u64,
    /// Of the accepted packets, those in no file, by reason: `disk_full`, `disk_fault`, `removed`,
    /// `killed`. Zeros are left out.
    pub lost: BTreeMap<String, u64>,
    /// Of the accepted packets, those not yet written.
    pub pending: u64,
    /// Packets that the recorder or its disk failed to keep: those dropped as `ring_full`, `disk_full`
    /// or `disk_fault`, and those lost as `disk_full`, `disk_fault`, `removed` or `killed`.
    pub missing: u64,
}

impl RecordingCounts {
    /// Refused packets, in total.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Accepted packets that were not written, in total.
    #[must_use]
    pub fn lost_in_all(&self) -> u64 {
        self.lost.values().sum()
    }

    /// Share of the packets that should be in the files and are [`missing`](Self::missing), in percent.
    #[must_use]
    pub fn missing_percent(&self) -> f64 {
        let late = self.dropped.get("not_accepting").copied().unwrap_or(0);
        let of = self.arrived.saturating_sub(late).max(self.missing).max(1);
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = self.missing as f64 / of as f64;
        100.0 * share
    }

    /// Whether both equations are true.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.arrived == self.accepted + self.dropped_in_all()
            && self.accepted == self.written + self.lost_in_all() + self.pending
    }
}

/// Counts of one producer: a polling thread that offers packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProducerCounts {
    /// Its name: the port, and the polling thread.
    #[cfg_attr(feature = "openapi", schema(examples("b (onair-p0)")))]
    pub name: String,
    /// Its counts.
    #[serde(flatten)]
    pub counts: RecordingCounts,
}
