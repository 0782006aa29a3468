//! Files of frames, from captured packets of a session.
//!
//! An [`Exporter`] gets each packet and appends the bytes of complete frames to a buffer. Incomplete frames
//! are left out and counted. Reading captures, and writing files, is up to the caller.

mod file;
mod frames;
mod packets;
mod planar;

use onair_essence::receive::Depacketise as _;
use onair_essence::survey::Link;
use onair_essence::video::Appearance;
use onair_essence::video::assembly::Assembler;

use crate::FrameStream;

pub use file::{FrameFile, NotWritten, UnknownFile};
use frames::{Buffers, Frames};
pub use frames::{FrameCounts, LISTED, LeftOut};
pub use packets::{Destinations, PacketCounts, Packets};

/// Makes a file of the frames of one stream.
#[derive(Debug)]
pub struct Exporter {
    file: FrameFile,
    said: Appearance,
    facts: Vec<(&'static str, String)>,
    assembler: Assembler<usize>,
    buffers: Buffers,
    frames: Frames,
    packets: Packets,
}

impl Exporter {
    /// An exporter of `stream` to `file`, of the packets to these destinations.
    ///
    /// # Errors
    /// [`NotWritten`]: such frames are not written to this file.
    pub fn new(
        stream: &FrameStream<'_>,
        destinations: Destinations,
        file: FrameFile,
    ) -> Result<Self, NotWritten> {
        let assembler = stream.assembler()?;
        let format = assembler.config().format;
        let planar = file.planar(&format)?;
        let said = stream.appearance();
        let mut facts = vec![
            ("width", format.width().to_string()),
            ("height", format.height().to_string()),
            ("scan", format.scan().to_string()),
            ("frame_rate", format.rate().to_string()),
            ("pixel_format", planar.ffmpeg().to_owned()),
            ("frame_bytes", planar.bytes().to_string()),
        ];
        facts.extend(said.facts());
        Ok(Self {
            file,
            said,
            facts,
            assembler,
            buffers: Buffers::new(&format),
            frames: Frames::new(format, file, planar),
            packets: Packets::new(stream, destinations),
        })
    }

    /// Bytes before the first frame in the file.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        self.file.header(&self.assembler.config().format, self.said)
    }

    /// Facts that a reader of the file must know, by name.
    #[must_use]
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }

    /// Takes a frame of a capture, captured at `at_ns` (nanoseconds of any clock), and appends the frames that
    /// it completes to `out`.
    pub fn packet(&mut self, at_ns: u64, link: Link, bytes: &[u8], out: &mut Vec<u8>) {
        self.packets
            .take(at_ns, (link, bytes), &mut self.assembler, &mut self.buffers);
        self.buffers.pass(&mut self.frames, out);
    }

    /// No packets follow: appends the last frames to `out`.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.packets.end(&mut self.assembler, &mut self.buffers);
        self.assembler.close(&mut self.buffers);
        self.buffers.pass(&mut self.frames, out);
        self.frames.end();
    }

    /// Counts of frames so far.
    #[must_use]
    pub const fn frames(&self) -> &FrameCounts {
        self.frames.counts()
    }

    /// Counts of packets so far.
    #[must_use]
    pub fn packets(&self) -> PacketCounts {
        self.packets.counts().with(self.assembler.stats())
    }
}
