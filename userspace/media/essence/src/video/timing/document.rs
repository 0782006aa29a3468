//! The timing of a video's packets by ST 2110-21, as JSON.

use serde::{Deserialize, Serialize};

use crate::document::words::words;
use crate::video::SenderType;

/// Timing of the packets of a receive session, measured while they arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VideoTiming {
    /// Where the times of the packets come from.
    pub source: TimingSource,
    /// Time since the last measured second ended, in milliseconds.
    pub age_ms: u64,
    /// Packets of a frame, learnt from the stream.
    pub packets_per_frame: u32,
    /// The packet read schedule that the stream seems to follow.
    pub schedule: TimingSchedule,
    /// TROFFSET by which the packets are judged, in nanoseconds: that of the session's specification
    /// (`video.tr_offset_us`), or the default.
    pub tr_offset_ns: u64,
    /// Levels of the network model (Cinst) since the measurement began.
    pub cinst: TimingLevels,
    /// CMAX of a narrow sender.
    pub cmax_narrow: u64,
    /// CMAX of a wide sender.
    pub cmax_wide: u64,
    /// Levels of the virtual receive buffer (VRX) since the measurement began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrx: Option<TimingLevels>,
    /// Why VRX is not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vrx_not_measured: Option<String>,
    /// `VRX_FULL` of a narrow sender.
    pub vrx_full_narrow: u64,
    /// `VRX_FULL` of a wide sender.
    pub vrx_full_wide: u64,
    /// First packet time: from the start of a frame to its first packet, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_packet_ns: Option<TimingRange>,
    /// From the time of the RTP timestamp to the first packet of the frame, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_packet_after_timestamp_ns: Option<TimingRange>,
    /// Ticks by which the RTP timestamp is ahead of the start of the frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtp_offset_ticks: Option<TimingRange>,
    /// From the first packet of a frame to the time at which a receiver reads it, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin_ns: Option<TimingRange>,
    /// Times between packets, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ns: Option<TimingRange>,
    /// How often each time between packets occurred.
    pub intervals: Vec<TimingInterval>,
    /// Verdict on the last second; absent before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compliance: Option<Compliance>,
    /// Verdict on everything since the measurement began.
    pub compliance_since_start: Compliance,
    /// How often the measurement began again, because the source or the packets of a frame changed.
    pub restarts: u64,
}

words! {
    /// Where the times of packets come from.
    TimingSource {
        /// The poller's clock, read once for the packets that it takes together: bursts look longer than
        /// they are on the wire, so that Cinst is overstated.
        Poll "poll",
    }
}

words! {
    /// A packet read schedule.
    TimingSchedule {
        /// Packets in the active part of the picture only.
        Gapped "gapped",
        /// Packets spread over the whole frame.
        Linear "linear",
    }
}

/// Levels of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimingLevels {
    /// Lowest.
    pub min: i64,
    /// Mean, in thousandths.
    pub mean_thousandths: i64,
    /// Highest.
    pub max: i64,
    /// Packets at each level, lowest first. Levels beyond the first 63 are counted with the highest.
    pub histogram: Vec<TimingLevel>,
}

/// Packets at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimingLevel {
    /// The level.
    pub level: i64,
    /// Packets.
    pub packets: u64,
}

/// Times between packets that are at least this, and less than that of the next entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimingInterval {
    /// Nanoseconds.
    pub from_ns: u64,
    /// Packets.
    pub packets: u64,
}

/// A figure over all its occurrences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TimingRange {
    /// Smallest.
    pub min: i64,
    /// Mean, rounded.
    pub mean: i64,
    /// Largest.
    pub max: i64,
}

/// A verdict by ST 2110-21.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Compliance {
    /// The strictest sender type that the figures comply with.
    pub verdict: ComplianceVerdict,
    /// Packets that the verdict is based on.
    #[serde(default)]
    pub packets: u64,
    /// The figure that forbids the next stricter type, with its limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The type that the sender says it is, if the session's specification has it
    /// (`video.sender_type`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<SenderType>,
    /// CMAX that the sender says, if the session's specification has it (`video.cmax`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_cmax: Option<u32>,
    /// Whether the figures comply with that type and CMAX. A CMAX above that of the type allows no more
    /// than the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_declared: Option<bool>,
    /// Why the figures do not comply with what the sender says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_as_declared: Option<String>,
}

words! {
    /// A sender type of ST 2110-21, or none.
    ComplianceVerdict {
        /// Type N.
        Narrow "narrow",
        /// Type NL.
        NarrowLinear "narrow_linear",
        /// Type W.
        Wide "wide",
        /// None of these.
        NotCompliant "not_compliant",
    }
}
