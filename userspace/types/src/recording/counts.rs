//! The books of a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What became of each packet that arrived while a recording was there.
///
/// *arrived = accepted + dropped* and *accepted = written + lost + pending*, always; nothing is pending
/// once it has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct RecordingCounts {
    /// Packets that were offered to it.
    pub arrived: u64,
    /// Of these, packets that it took.
    pub accepted: u64,
    /// Of these, packets that it did not take, by reason: `ring_full`, `disk_full`, `disk_fault`,
    /// `not_accepting` (it was stopped). What is 0 is left out.
    pub dropped: BTreeMap<String, u64>,
    /// Of those that it took, packets that are in its files, or the frames that they make.
    pub written: u64,
    /// Bytes of these, without the file format's own.
    pub written_bytes: u64,
    /// Of those that it took, packets that are in no file, by reason: `disk_full`, `disk_fault`,
    /// `removed`, `incomplete_frame`, `no_frame`, `killed`. What is 0 is left out.
    pub lost: BTreeMap<String, u64>,
    /// Of those that it took, packets that are on their way to the files.
    pub pending: u64,
}

impl RecordingCounts {
    /// Packets that it did not take.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Packets that it took and did not write.
    #[must_use]
    pub fn lost_in_all(&self) -> u64 {
        self.lost.values().sum()
    }

    /// Whether both sums are right.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.arrived == self.accepted + self.dropped_in_all()
            && self.accepted == self.written + self.lost_in_all() + self.pending
    }
}

/// The books of one producer: a polling thread that hands packets over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProducerCounts {
    /// Its name: the port, and the polling thread.
    #[cfg_attr(feature = "openapi", schema(examples("b (onair-p0)")))]
    pub name: String,
    /// Its books.
    #[serde(flatten)]
    pub counts: RecordingCounts,
}
