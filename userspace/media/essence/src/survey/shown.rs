//! A stream's format as a document, and for people.

use std::fmt;

use serde::Serialize;

/// The part of a document that an essence has: `{"video": {…}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Of video and JPEG XS.
    pub(super) video: Option<ShownVideo>,
}

impl Shown {
    /// For people: names and values.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let video = self.video.as_ref();
        video
            .map(|it| ("video", it.to_string()))
            .into_iter()
            .collect()
    }
}

/// A video's format as far as it is known. What an essence does not have is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ShownVideo {
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) interlaced: bool,
    pub(super) segmented: Option<bool>,
    pub(super) frame_rate: String,
    /// Pixels and bytes.
    pub(super) pgroup: Option<(u16, u16)>,
    pub(super) continued_packets: Option<u64>,
    pub(super) invalid_packets: Option<u64>,
    /// `TP` of the session description.
    pub(super) described_sender: Option<&'static str>,
    /// Names of guessed values.
    pub(super) guessed: Vec<&'static str>,
}

impl fmt::Display for ShownVideo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scan = match (self.interlaced, self.segmented) {
            (true, Some(true)) => "segmented",
            (true, _) => "interlaced",
            _ => "progressive",
        };
        match (self.width, self.height) {
            (Some(width), Some(height)) => write!(f, "{width}x{height} {scan}"),
            (None, Some(height)) => write!(f, "{height} lines {scan}"),
            _ => f.write_str("raster unknown"),
        }?;
        // The header of JPEG XS is not read: a marker may end a field.
        let unit = match self.height {
            Some(_) => "frames",
            None => "frames or fields",
        };
        write!(f, ", {} {unit} a second", self.frame_rate)?;
        if let Some((pixels, bytes)) = self.pgroup {
            write!(f, ", {bytes} bytes for {pixels} pixels")?;
        }
        if let Some(count @ 1..) = self.continued_packets {
            write!(f, ", {count} packets of several rows")?;
        }
        if let Some(count @ 1..) = self.invalid_packets {
            write!(f, ", {count} packets with invalid headers")?;
        }
        if let Some(sender) = self.described_sender {
            write!(f, ", TP={sender}")?;
        }
        if !self.guessed.is_empty() {
            write!(f, "; guessed: {}", self.guessed.join(", "))?;
        }
        Ok(())
    }
}
