//! Traffic of a session over about the last second.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Rates of a running session over about the last second, measured four times a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecentTraffic {
    /// Complete or sent frames in 1,000 seconds at this rate: 59940 is 59.94 a second. Of interlaced
    /// video these are fields.
    pub frames_per_1000_s: u64,
    /// Bits of RTP a second.
    pub bits_per_second: u64,
    /// Receive: lost packets in a million.
    pub lost_ppm: u64,
    /// When the last frame was finished, complete or not; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_frame_at: Option<Timestamp>,
}
