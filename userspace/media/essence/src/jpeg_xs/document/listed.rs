//! Formats of JPEG XS in lists, and as packets show them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::JpegXsDocument;
use crate::essence::{Listed, Seen};
use crate::jpeg_xs::PacketMode;
use crate::video::{Sampling, Scan};

/// Picture size, rate, depth and order of the lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListedJpegXs {
    /// For people: `JPEG XS 1920x1080 50 fps 10 bit`.
    pub jpeg_xs: String,
    /// Frames a second as an exact ratio.
    pub frame_rate: String,
    /// Order of the lines; `progressive` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
}

impl From<JpegXsDocument> for ListedJpegXs {
    fn from(document: JpegXsDocument) -> Self {
        Self {
            jpeg_xs: document.to_string(),
            frame_rate: document.frame_rate,
            scan: document.scan,
        }
    }
}

impl Listed for ListedJpegXs {
    fn format(&self) -> &str {
        &self.jpeg_xs
    }

    fn rate(&self) -> &str {
        &self.frame_rate
    }

    fn units_a_period(&self) -> u64 {
        1 + u64::from(self.scan == Some(Scan::Interlaced))
    }
}

/// Facts about a format of JPEG XS that packets show: the header of a codestream, and the timestamps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SeenJpegXs {
    /// Pixels of a line.
    pub jpeg_xs_width: u32,
    /// Lines of a frame, of both fields together.
    pub height: u32,
    /// Frames a second as a ratio.
    pub frame_rate: String,
    /// Order of the lines.
    pub scan: Scan,
    /// Bits a sample.
    pub depth: u32,
    /// Colour components, or others that are sampled alike.
    pub sampling: Sampling,
    /// Bytes of a frame or field.
    pub bytes: u32,
    /// Content of a run of packets.
    pub packet_mode: PacketMode,
    /// Slices come in any order.
    pub out_of_order: bool,
}

/// In the words in which formats are shown, for people.
impl fmt::Display for SeenJpegXs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JPEG XS {}x{}", self.jpeg_xs_width, self.height)?;
        if self.scan != Scan::Progressive {
            write!(f, " {}", self.scan)?;
        }
        let rate = &self.frame_rate;
        let rate = rate.strip_suffix("/1").unwrap_or(rate);
        write!(f, " {rate} fps {} {} bit", self.sampling, self.depth)
    }
}

impl Seen for SeenJpegXs {
    fn flags(&self) -> String {
        let (width, height, rate) = (self.jpeg_xs_width, self.height, &self.frame_rate);
        let mut flags = format!(
            " --jpeg-xs {width}x{height}@{rate} --codestream-bytes {}",
            self.bytes
        );
        if self.scan != Scan::Progressive {
            flags += &format!(" --codestream-scan {}", self.scan);
        }
        flags += &format!(" --samples {}/{}", self.sampling, self.depth);
        if self.packet_mode != PacketMode::default() {
            flags += &format!(" --packet-mode {}", self.packet_mode);
        }
        if self.out_of_order {
            flags += " --out-of-order";
        }
        flags
    }
}
