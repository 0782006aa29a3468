//! Whether a session has a signal, and the right one.

use std::fmt;

use onair_essence::SeenFormat;
use onair_essence::survey::Fact;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::text::texts;
use crate::time::Timestamp;

/// An operator's first question about a running session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SignalState {
    /// Frames of the configured format arrive, or are sent.
    Ok,
    /// Nothing arrives, or nothing is sent.
    Absent,
    /// Another format or payload type arrives.
    Mismatch,
    /// Two senders, or another one than before.
    OtherSender,
    /// Whole frames are missing, or packets are lost or late; send: frame times pass without a frame. Or a leg or a
    /// recording does not get all packets.
    Impaired,
    /// The RTP timestamps stand, jump, have another rate, drift, or do not follow TAI.
    Timestamps,
}

texts! {
    SignalState:
    Ok "ok", Absent "absent", Mismatch "mismatch", OtherSender "other_sender", Impaired "impaired",
    Timestamps "timestamps"
}

impl SignalState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Absent,
        Self::Mismatch,
        Self::OtherSender,
        Self::Impaired,
        Self::Timestamps,
    ];
}

/// The signal of a running session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Signal {
    /// Its state; of several problems the first in the order of [`SignalState`].
    pub state: SignalState,
    /// Since when.
    pub since: Timestamp,
    /// One sentence for people: why, and what to do; absent if it is `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Receive: what arrives, measured from the packets; absent before they were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arriving: Option<Arriving>,
}

/// Signal that arrives for a receive session, as far as the packets show it: measured at its start, after each
/// change, and every ten seconds, for 0.2 s or until some units have come, at most 6 s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Arriving {
    /// `video`, `jpeg_xs`, `audio`, `ancillary`, `timed_text` or `unknown`.
    pub essence: String,
    /// RTP payload type.
    pub payload_type: u32,
    /// Sender of the last packets, `IPv4:port` or `[IPv6]:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Facts that more packets may show: the measurement goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_yet_known: Vec<Fact>,
    /// Its format.
    #[serde(flatten)]
    pub format: SeenFormat,
}

/// The essence says what the other fields are. Those of a later version show nothing.
impl<'de> Deserialize<'de> for Arriving {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            essence: String,
            payload_type: u32,
            #[serde(default)]
            sender: Option<String>,
            #[serde(default)]
            not_yet_known: Vec<Fact>,
            #[serde(flatten)]
            format: Map<String, Value>,
        }
        let fields = Fields::deserialize(deserializer)?;
        let format = SeenFormat::of_document(&fields.essence, Value::Object(fields.format));
        Ok(Self {
            essence: fields.essence,
            payload_type: fields.payload_type,
            sender: fields.sender,
            not_yet_known: fields.not_yet_known,
            format: format.unwrap_or(SeenFormat::Nothing {}),
        })
    }
}

impl Arriving {
    /// The arriving signal without its sender, for people: its format, or what else it is.
    #[must_use]
    pub fn what(&self) -> String {
        let text = match &self.format {
            SeenFormat::Nothing {} => self.essence.replace('_', " "),
            format => format.to_string(),
        };
        format!("{text} with payload type {}", self.payload_type)
    }
}

/// For people: `video, 1920x1080 interlaced 25 fps YCbCr-4:2:2 10 bit, payload type 96, from 10.0.0.1:5004`.
impl fmt::Display for Arriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.essence)?;
        if self.format != (SeenFormat::Nothing {}) {
            write!(f, ", {}", self.format)?;
        }
        write!(f, ", payload type {}", self.payload_type)?;
        match &self.sender {
            Some(sender) => write!(f, ", from {sender}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arriving_of_each_essence_then_read_as_that_and_no_other() {
        // The fields of JPEG XS are those of a picture, too.
        let compressed = json!({"essence": "jpeg_xs", "payload_type": 96, "jpeg_xs_width": 1920, "height": 1080,
            "frame_rate": "60000/1001", "scan": "progressive", "depth": 10, "sampling": "YCbCr-4:2:2",
            "bytes": 300_000, "packet_mode": "codestream", "out_of_order": false});
        let raw = json!({"essence": "video", "payload_type": 96, "sender": "10.0.0.1:5004", "width": 1920,
            "height": 1080, "frame_rate": "60000/1001", "scan": "progressive"});
        let data = json!({"essence": "ancillary", "payload_type": 96, "ancillary_rate": "25/1", "fields": false});
        let partly = json!({"essence": "video", "payload_type": 96, "not_yet_known": ["picture", "frame_rate"]});
        for document in [compressed, raw, data, partly] {
            let read: Arriving = serde_json::from_value(document.clone()).unwrap();
            let kind = match &read.format {
                SeenFormat::Video(_) => "video",
                SeenFormat::JpegXs(_) => "jpeg_xs",
                SeenFormat::Ancillary(_) => "ancillary",
                SeenFormat::Audio(_) => "audio",
                SeenFormat::Nothing {} => "video",
            };
            assert_eq!(kind, read.essence, "{document}");
            assert_eq!(json!(read), document);
        }
        let later = json!({"essence": "video", "payload_type": 96, "height": "many"});
        let read: Arriving = serde_json::from_value(later).unwrap();
        assert_eq!(read.format, SeenFormat::Nothing {});
    }
}
