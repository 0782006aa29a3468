//! Results of a monitor: as JSON, and for people.

use serde::{Deserialize, Serialize};

use crate::rows::{Grade, Row, Rows};
use crate::video::SenderType;
use crate::video::timing::{ComplianceVerdict, TimingRange};

/// The packets of JPEG XS from the source that the session follows, measured while they arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JpegXsTiming {
    /// Whole frames or fields that were measured.
    pub units: u64,
    /// Bytes of the first one.
    pub unit_bytes: u64,
    /// Its packets.
    pub unit_packets: u32,
    /// Of these, frames or fields with another number of bytes: not constant (ST 2110-22).
    pub units_of_other_bytes: u64,
    /// Frames or fields with another number of packets.
    pub units_of_other_packets: u64,
    /// Frames or fields whose video information box has other samples than the session.
    pub units_of_other_boxes: u64,
    /// Bit rate in kbit/s with the headers of IPv4, UDP and RTP, by the first frame or field.
    pub bandwidth_kbps: u64,
    /// Highest Cinst of the network compatibility model (ST 2110-21).
    pub cinst_max: u64,
    /// CMAX of a narrow linear sender.
    pub cmax_narrow: u64,
    /// CMAX of a wide sender.
    pub cmax_wide: u64,
    /// The strictest sender type that the last second complies with, by Cinst; absent if it ended long ago.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_second: Option<ComplianceVerdict>,
    /// The same of all seconds together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_start: Option<ComplianceVerdict>,
    /// The type that the sender says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<SenderType>,
    /// Whether the last second complies with that type, and with the sender's CMAX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_declared: Option<bool>,
    /// From the time of the RTP timestamp to the first packet, in ns; absent if the clock is not TAI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_timestamp_ns: Option<TimingRange>,
    /// How often the measurement began again.
    pub restarts: u64,
}

impl JpegXsTiming {
    /// Whether each unit has as many bytes and packets as the first.
    #[must_use]
    pub const fn is_constant(&self) -> bool {
        self.units_of_other_bytes == 0 && self.units_of_other_packets == 0
    }
}

impl Rows for JpegXsTiming {
    fn rows(&self) -> Vec<Row> {
        let graded = |is_good: bool, name, text: String| Row {
            grade: Some(if is_good { Grade::Good } else { Grade::Bad }),
            ..Row::new(name, text)
        };
        let verdict = |it: ComplianceVerdict| it.as_str().replace('_', " ");
        let mut size = format!("{} bytes in {} packets", self.unit_bytes, self.unit_packets);
        if !self.is_constant() {
            size += &format!(
                ", but {} of {} have other bytes and {} other packets",
                self.units_of_other_bytes, self.units, self.units_of_other_packets
            );
        }
        let mut rows = vec![graded(self.is_constant(), "codestream", size)];
        if self.units_of_other_boxes > 0 {
            let text = format!(
                "{} have other samples than the session",
                self.units_of_other_boxes
            );
            rows.push(graded(false, "boxes", text));
        }
        rows.push(Row::new(
            "bandwidth",
            format!("{} kbit/s", self.bandwidth_kbps),
        ));
        rows.extend(self.last_second.map(|it| {
            let is_good = self
                .as_declared
                .unwrap_or(it != ComplianceVerdict::NotCompliant);
            let mut text = verdict(it);
            if let (Some(declared), Some(is_as)) = (self.declared, self.as_declared) {
                let not = if is_as { "" } else { "not " };
                let declared = declared.as_str().replace('_', " ");
                text += &format!(", {not}as its sender says ({declared})");
            }
            graded(is_good, "last second", text)
        }));
        rows.extend(
            self.since_start
                .map(|it| Row::new("since the start", verdict(it))),
        );
        let (narrow, wide) = (self.cmax_narrow, self.cmax_wide);
        let cinst = format!("max {} (CMAX narrow {narrow}, wide {wide})", self.cinst_max);
        rows.push(Row::new("Cinst", cinst));
        rows.extend(self.after_timestamp_ns.map(|it| {
            let [min, mean, max] = [it.min, it.mean, it.max].map(|ns| ns / 1000);
            Row::new(
                "first packet after RTP",
                format!("min {min} mean {mean} max {max} µs"),
            )
        }));
        rows
    }
}
