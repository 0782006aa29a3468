//! Files of frames, from captured packets of a session.
//!
//! An [`Exporter`] gets each packet and appends the bytes of complete frames to a buffer. Incomplete frames
//! are left out and counted. Reading captures, and writing files, is up to the caller.

mod file;
mod frames;
mod planar;

use std::net::SocketAddr;

use onair_essence::receive::{Depacketise as _, Run};
use onair_essence::survey::{CapturedPacket, Link};
use onair_essence::video::assembly::Assembler;

use crate::FrameStream;

pub use file::{FrameFile, NotWritten, UnknownFile};
use frames::{Buffers, Frames};
pub use frames::{FrameCounts, LISTED, LeftOut};

/// Counts of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketCounts {
    /// Packets of frames, complete or not.
    pub of_frames: u64,
    /// Packets of no frame: duplicate, late, malformed, or not of the stream.
    pub of_no_frame: u64,
    /// Packets of no frame because only their start was captured.
    pub cut: u64,
}

impl PacketCounts {
    /// Counts a frame of a capture. A whole packet, to `only` if that is given, goes to `push`, which returns how many
    /// packets of frames it was: 0 or 1.
    pub fn count(
        &mut self,
        link: Link,
        bytes: &[u8],
        only: Option<SocketAddr>,
        push: impl FnOnce(&[u8]) -> u64,
    ) {
        let packet = CapturedPacket::parse(link, bytes).ok();
        let packet = packet.filter(|it| only.is_none_or(|only| only == it.destination));
        let Some(packet) = packet else {
            self.of_no_frame += 1;
            return;
        };
        if packet.payload.len() < packet.payload_bytes {
            self.cut += 1;
            return;
        }
        let used = push(packet.datagram);
        self.of_frames += used;
        self.of_no_frame += u64::from(used == 0);
    }
}

/// Makes a file of the frames of one stream.
#[derive(Debug)]
pub struct Exporter {
    file: FrameFile,
    facts: Vec<(&'static str, String)>,
    only: Option<SocketAddr>,
    assembler: Assembler<usize>,
    buffers: Buffers,
    frames: Frames,
    packets: PacketCounts,
}

impl Exporter {
    /// An exporter of `stream` to `file`, of the packets to the destination `only`, if it is given.
    ///
    /// # Errors
    /// [`NotWritten`]: such frames are not written to this file.
    pub fn new(
        stream: &FrameStream<'_>,
        only: Option<SocketAddr>,
        file: FrameFile,
    ) -> Result<Self, NotWritten> {
        let config = stream.assembly()?;
        let format = config.format;
        let planar = file.planar(&format)?;
        Ok(Self {
            file,
            facts: vec![
                ("width", format.width().to_string()),
                ("height", format.height().to_string()),
                ("scan", format.scan().to_string()),
                ("frame_rate", format.rate().to_string()),
                ("pixel_format", planar.ffmpeg().to_owned()),
                ("frame_bytes", planar.bytes().to_string()),
            ],
            only,
            assembler: Assembler::new(config),
            buffers: Buffers::new(&format),
            frames: Frames::new(format, file, planar),
            packets: PacketCounts::default(),
        })
    }

    /// What precedes the first frame in the file.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        self.file.header(&self.assembler.config().format)
    }

    /// What a reader of the file must know, by name.
    #[must_use]
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }

    /// Takes a frame of a capture, captured at `at_ns` (nanoseconds of any clock), and appends the frames that
    /// it completes to `out`.
    pub fn packet(&mut self, at_ns: u64, link: Link, bytes: &[u8], out: &mut Vec<u8>) {
        let (assembler, sink) = (&mut self.assembler, &mut self.buffers);
        self.packets.count(link, bytes, self.only, |datagram| {
            let before = assembler.stats().accepted;
            let run = Run {
                packets: &[datagram],
                now_ns: at_ns,
            };
            assembler.push(&run, sink);
            assembler.stats().accepted - before
        });
        self.buffers.pass(&mut self.frames, out);
    }

    /// No packets follow: appends the last frames to `out`.
    pub fn end(&mut self, out: &mut Vec<u8>) {
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
    pub const fn packets(&self) -> PacketCounts {
        self.packets
    }
}
