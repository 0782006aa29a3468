//! Contents of a stream of ancillary data, counted packet by packet, and their delay after its timestamps.

mod captured;
mod monitor;

use serde::{Deserialize, Serialize};

use crate::rows::{Grade, Row, Rows};
use crate::video::timing::TimingRange;

pub use captured::{AncillaryContents, AncillaryCounter};
pub use monitor::AncillaryMonitor;

/// ANC packets that arrived since the session's creation, from the source that it follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AncillaryTiming {
    /// ANC packets, wrong ones included.
    pub anc_packets: u64,
    /// Of these, packets with a word whose parity is wrong.
    pub wrong_parity: u64,
    /// Of these, packets whose checksum is wrong.
    pub wrong_checksum: u64,
    /// RTP packets without an ANC packet.
    pub keep_alives: u64,
    /// The first kinds of ANC packets that arrived.
    pub kinds: Vec<SeenKind>,
    /// ANC packets of further kinds.
    pub other_kinds: u64,
    /// The last right timecode (ST 12-2); of times that drop frame numbers with `;` before the frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timecode: Option<String>,
    /// From the time of the RTP timestamp to the arrival, in ns; absent if the clock is not TAI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_timestamp_ns: Option<TimingRange>,
}

/// ANC packets of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeenKind {
    /// DID and SDID in hexadecimal digits: `61/02`; of type 1, from 80 on, only the DID: `e7`.
    pub did_sdid: String,
    /// Its name by SMPTE, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// ANC packets.
    pub packets: u64,
}

impl Rows for AncillaryTiming {
    fn rows(&self) -> Vec<Row> {
        let wrong = match (self.wrong_parity, self.wrong_checksum) {
            (0, 0) => String::new(),
            (parity, checksum) => {
                format!(", {checksum} with a wrong checksum, {parity} with wrong parity")
            }
        };
        let grade = if wrong.is_empty() {
            Grade::Good
        } else {
            Grade::Bad
        };
        let mut rows = vec![Row {
            grade: Some(grade),
            ..Row::new("ANC packets", format!("{}{wrong}", self.anc_packets))
        }];
        rows.extend(self.kinds.iter().map(|kind| {
            let name = kind.name.as_deref().unwrap_or("unknown");
            let text = format!("{} packets of {name}", kind.packets);
            Row::new("kind", format!("{} {text}", kind.did_sdid))
        }));
        if self.other_kinds > 0 {
            let text = format!("{} packets of other kinds", self.other_kinds);
            rows.push(Row::new("kind", text));
        }
        let alive = format!("{} packets", self.keep_alives);
        rows.push(Row::new("keep-alive", alive));
        rows.extend(self.timecode.iter().map(|it| Row::new("timecode", it)));
        rows.extend(self.after_timestamp_ns.map(|it| {
            let TimingRange { min, mean, max } = it;
            let [min, mean, max] = [min, mean, max].map(|ns| ns / 1000);
            Row::new("after RTP", format!("min {min} mean {mean} max {max} µs"))
        }));
        rows
    }
}
