//! Writers of an exported file, by the packets' essence.

use std::str::FromStr;

use onair_essence::survey::Link;
use onair_pixels::FrameStream;
use onair_pixels::export::{Destinations, FrameFile, PacketCounts};

use super::lines::Lines;
use super::output::Output;
use super::pictures::Pictures;
use super::samples::Samples;
use crate::document::export::Exported;
use crate::failure::export::ExportError;

/// A file to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportFile {
    /// Of frames.
    Frames(FrameFile),
    /// Of samples: WAV, or RF64 above 4 GiB.
    Wav,
    /// Of ancillary data: a line of JSON for each frame or field.
    Lines,
    /// Of frames: small pictures.
    Pictures,
}

/// The text is no [`ExportFile`].
#[derive(Debug, thiserror::Error)]
#[error("{0}, mjpeg, wav of audio, or jsonl of ancillary data")]
pub(crate) struct UnknownFile(onair_pixels::export::UnknownFile);

impl ExportFile {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Frames(file) => file.as_str(),
            Self::Wav => "wav",
            Self::Lines => "jsonl",
            Self::Pictures => "mjpeg",
        }
    }

    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Frames(file) => file.extension(),
            Self::Wav => "wav",
            Self::Lines => "jsonl",
            Self::Pictures => "mjpeg",
        }
    }
}

impl FromStr for ExportFile {
    type Err = UnknownFile;

    fn from_str(text: &str) -> Result<Self, UnknownFile> {
        match text {
            "wav" => Ok(Self::Wav),
            "jsonl" => Ok(Self::Lines),
            "mjpeg" => Ok(Self::Pictures),
            text => text.parse().map(Self::Frames).map_err(UnknownFile),
        }
    }
}

/// Makes a file of one stream.
pub(super) enum Exporter {
    Frames(Box<onair_pixels::export::Exporter>),
    Samples(Box<Samples>),
    Lines(Box<Lines>),
    Pictures(Box<Pictures>),
}

impl Exporter {
    /// Of the packets to these destinations. Pictures have this width.
    pub(super) fn new(
        stream: &FrameStream<'_>,
        to: Destinations,
        (file, width): (ExportFile, u16),
    ) -> Result<Self, ExportError> {
        Ok(match file {
            ExportFile::Frames(file) => {
                let exporter = onair_pixels::export::Exporter::new(stream, to, file)?;
                Self::Frames(Box::new(exporter))
            }
            ExportFile::Wav => Self::Samples(Box::new(Samples::new(stream, to)?)),
            ExportFile::Lines => Self::Lines(Box::new(Lines::new(stream, to)?)),
            ExportFile::Pictures => Self::Pictures(Box::new(Pictures::new(stream, to, width)?)),
        })
    }

    /// Bytes before everything else in the file.
    pub(super) fn header(&self) -> Vec<u8> {
        match self {
            Self::Frames(it) => it.header(),
            Self::Samples(it) => it.header(None),
            Self::Lines(_) | Self::Pictures(_) => Vec::new(),
        }
    }

    /// The final header, which is written over the first one.
    pub(super) fn last_header(&self) -> Option<Vec<u8>> {
        match self {
            Self::Frames(_) | Self::Lines(_) | Self::Pictures(_) => None,
            Self::Samples(it) => Some(it.header(Some(it.samples()))),
        }
    }

    pub(super) fn facts(&self) -> &[(&'static str, String)] {
        match self {
            Self::Frames(it) => it.facts(),
            Self::Samples(it) => it.facts(),
            Self::Lines(it) => it.facts(),
            Self::Pictures(it) => it.facts(),
        }
    }

    pub(super) fn packet(
        &mut self,
        at_ns: u64,
        link: Link,
        bytes: &[u8],
        out: &mut Output,
    ) -> Result<(), ExportError> {
        match self {
            Self::Frames(it) => it.packet(at_ns, link, bytes, out.pending()),
            Self::Samples(it) => it.packet(at_ns, link, bytes, out)?,
            Self::Lines(it) => it.packet(at_ns, link, bytes, out.pending()),
            Self::Pictures(it) => it.packet(at_ns, link, bytes, out.pending())?,
        }
        Ok(())
    }

    pub(super) fn end(&mut self, out: &mut Output) -> Result<(), ExportError> {
        match self {
            Self::Frames(it) => it.end(out.pending()),
            Self::Samples(it) => it.end(out)?,
            Self::Lines(it) => it.end(out.pending()),
            Self::Pictures(it) => it.end(out.pending())?,
        }
        Ok(())
    }

    /// Puts the counts into the result.
    pub(super) fn count(&self, exported: &mut Exported) {
        let packets: PacketCounts = match self {
            Self::Frames(it) => {
                exported.count_frames(it.frames());
                it.packets()
            }
            Self::Samples(it) => {
                it.count(exported);
                it.packets()
            }
            Self::Lines(it) => {
                it.count(exported);
                it.packets()
            }
            Self::Pictures(it) => {
                it.count(exported);
                it.packets()
            }
        };
        exported.count_packets(packets);
    }
}
