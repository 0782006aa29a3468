//! Counts of a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happened to each packet that arrived during a recording.
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
    /// Of the accepted packets, those in its files or in the frames of its files.
    pub written: u64,
    /// Bytes of these packets, without the file format's own.
    pub written_bytes: u64,
    /// Of the accepted packets, those in no file, by reason: `disk_full`, `disk_fault`, `removed`,
    /// `incomplete_frame`, `no_frame`, `killed`. Zeros are left out.
    pub lost: BTreeMap<String, u64>,
    /// Of the accepted packets, those not yet written.
    pub pending: u64,
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
