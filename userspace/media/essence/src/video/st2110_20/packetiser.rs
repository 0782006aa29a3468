//! Splits frames into packets of equal size, in general or block packing mode of ST 2110-20.
//!
//! Packet `k` of a segment carries its bytes from `k * payload` on, across line boundaries. So any
//! packet can be computed without those before it, and all packets except the last of a field, segment or
//! frame are equally long.

use std::ops::Range;

use crate::video::{Packing, Scan, VideoFormat};

use crate::rtp::{self, RtpHeader};
use crate::send::{PacketPlan, StreamHeader};

use super::payload::SrdHeader;
use super::{EXTENDED_SEQUENCE_BYTES, MAX_SENT_SRDS, SRD_HEADER_BYTES};

/// Most bytes of RTP header, extended sequence number and SRD headers before the data.
pub const MAX_HEADER_BYTES: usize =
    rtp::HEADER_BYTES + EXTENDED_SEQUENCE_BYTES + MAX_SENT_SRDS * SRD_HEADER_BYTES;

/// The data of a packet in block packing mode is a multiple of this (ST 2110-20 §6.3.3).
pub const BLOCK_BYTES: usize = 180;

/// Why a format cannot be packetised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketiseError {
    /// Packets too small for the headers and one pgroup, or one block.
    #[error("RTP packets of {given} bytes are too small: give at least {least}")]
    TooSmall {
        /// Bytes of a packet.
        given: usize,
        /// Bytes that are needed.
        least: usize,
    },
    /// Packets above UDP's length limit.
    #[error("RTP packets of {0} bytes are too large: give at most 65000")]
    TooLarge(usize),
    /// A block needs more SRD headers than a packet has.
    #[error(
        "lines of {0} bytes are too short for block packing: give a wider picture, or general packing"
    )]
    ShortLines(usize),
}

/// Packetises the buffers of one format: frames, or the first or the second fields.
#[derive(Debug, Clone, Copy)]
pub struct Packetiser {
    format: VideoFormat,
    second_field: bool,
    payload_bytes: usize,
    /// Packets of the frame or field; PsF: of each segment.
    segments: [u32; 2],
}

impl Packetiser {
    /// Creates a packetiser of frames, or first fields, for RTP packets of at most `max_bytes` bytes,
    /// RTP header included, in general packing mode; see
    /// [`STANDARD_RTP_BYTES`](super::STANDARD_RTP_BYTES).
    ///
    /// # Errors
    /// [`PacketiseError`]: `max_bytes` is too small or too large.
    pub fn new(format: VideoFormat, max_bytes: usize) -> Result<Self, PacketiseError> {
        Self::of(format, false, Packing::General, max_bytes)
    }

    /// As [`Self::new`], of the second fields if `second_field`, and in any packing mode.
    ///
    /// # Errors
    /// [`PacketiseError`]: the packets or the lines do not fit.
    pub fn of(
        format: VideoFormat,
        second_field: bool,
        packing: Packing,
        max_bytes: usize,
    ) -> Result<Self, PacketiseError> {
        let pgroup = format.pgroup_bytes();
        let unit = match packing {
            Packing::General => pgroup,
            // Of 8 bytes 180 is no multiple, but 360 is.
            Packing::Block if BLOCK_BYTES.is_multiple_of(pgroup) => BLOCK_BYTES,
            Packing::Block => 2 * BLOCK_BYTES,
        };
        if max_bytes < MAX_HEADER_BYTES + unit {
            return Err(PacketiseError::TooSmall {
                given: max_bytes,
                least: MAX_HEADER_BYTES + unit,
            });
        }
        if max_bytes > 65_000 {
            return Err(PacketiseError::TooLarge(max_bytes));
        }
        // With n SRDs a packet may span n lines from any start, if it is at most as long as n - 1
        // lines and one pgroup.
        let payload = |srds: usize| {
            let headers = rtp::HEADER_BYTES + EXTENDED_SEQUENCE_BYTES + srds * SRD_HEADER_BYTES;
            let room = (max_bytes - headers).min((srds - 1) * format.line_bytes() + pgroup);
            room / unit * unit
        };
        let second_field = second_field && format.scan() == Scan::Interlaced;
        let payload_bytes = payload(2).max(payload(MAX_SENT_SRDS));
        if payload_bytes == 0 {
            return Err(PacketiseError::ShortLines(format.line_bytes()));
        }
        let bytes = match format.scan() {
            Scan::Progressive | Scan::Interlaced => [format.rows(second_field), 0],
            Scan::Psf => [false, true].map(|second| format.segment_rows(second)),
        };
        let bytes = bytes.map(|rows| rows * format.line_bytes());
        let payload_bytes = payload_bytes.min(bytes[0]);
        let packets = |bytes: usize| {
            let packets = bytes.div_ceil(payload_bytes);
            u32::try_from(packets).expect("a frame has fewer bytes than 2^32")
        };
        Ok(Self {
            format,
            second_field,
            payload_bytes,
            segments: bytes.map(packets),
        })
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// Packets in every buffer.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.segments[0] + self.segments[1]
    }

    /// Packets of the frame or field, and 0; PsF: of each segment.
    #[must_use]
    pub const fn segments(&self) -> [u32; 2] {
        self.segments
    }

    /// Data bytes in every packet; the last packet may have fewer.
    #[must_use]
    pub const fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Lines of a buffer.
    #[must_use]
    pub const fn lines(&self) -> u32 {
        self.format.lines(self.second_field)
    }

    /// Lines from the buffer's first one to the last one that packet `index` carries a byte of. With 4:2:0 a packet
    /// carries both lines of a row. A packet of the second PsF segment may need fewer than one of the first.
    #[must_use]
    pub fn lines_before(&self, index: u32) -> u32 {
        let is_psf = self.format.scan() == Scan::Psf;
        let second = is_psf && index >= self.segments[0];
        let rows = match is_psf {
            true => self.format.segment_rows(second),
            false => self.format.rows(self.second_field),
        };
        let index = if second {
            index - self.segments[0]
        } else {
            index
        };
        let line_bytes = self.format.line_bytes();
        let end = (index as usize + 1) * self.payload_bytes;
        let last = (end.min(rows * line_bytes) - 1) / line_bytes;
        let row = self.format.row_offset(second, last) / line_bytes;
        u32::from(narrow(row + 1)) * self.format.pgroup().lines
    }

    /// Packet `index` of a buffer, from 0; `None` from [`Self::packets`] on.
    #[must_use]
    pub fn packet(&self, index: u32) -> Option<Packet> {
        if index >= self.packets() {
            return None;
        }
        let [first, second] = self.segments;
        let in_second = index >= first;
        let (index, packets) = if in_second {
            (index - first, second)
        } else {
            (index, first)
        };
        let (field, rows) = match self.format.scan() {
            Scan::Psf => (in_second, self.format.segment_rows(in_second)),
            _ => (self.second_field, self.format.rows(self.second_field)),
        };
        let line_bytes = self.format.line_bytes();
        let start = index as usize * self.payload_bytes;
        let end = (start + self.payload_bytes).min(rows * line_bytes);
        let pgroup = self.format.pgroup();
        let mut packet = Packet {
            marker: index + 1 == packets,
            srds: [SrdHeader {
                length: 0,
                field,
                line: 0,
                continuation: false,
                pixel: 0,
            }; MAX_SENT_SRDS],
            offsets: [0; MAX_SENT_SRDS],
            count: 0,
        };
        let mut at = start;
        while at < end {
            let (row, within) = (at / line_bytes, at % line_bytes);
            let bytes = (line_bytes - within).min(end - at);
            let pixel = within / pgroup.bytes as usize * pgroup.pixels as usize;
            packet.srds[packet.count] = SrdHeader {
                length: narrow(bytes),
                field,
                line: narrow(self.format.line_of_row(row)),
                continuation: at + bytes < end,
                pixel: narrow(pixel),
            };
            packet.offsets[packet.count] = self.format.row_offset(field, row) + within;
            packet.count += 1;
            at += bytes;
        }
        Some(packet)
    }
}

fn narrow(value: usize) -> u16 {
    u16::try_from(value).expect("lines, pixels and packets are below 2^16: `of` checked them")
}

/// One packet of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Whether it is the last packet of the frame, field or segment.
    pub marker: bool,
    srds: [SrdHeader; MAX_SENT_SRDS],
    /// Where the bytes of each SRD begin in the buffer.
    offsets: [usize; MAX_SENT_SRDS],
    count: usize,
}

impl Packet {
    /// The SRD headers, one to three.
    #[must_use]
    pub fn srds(&self) -> &[SrdHeader] {
        &self.srds[..self.count]
    }

    /// Bytes before the data: RTP header, extended sequence number, SRD headers.
    #[must_use]
    pub const fn header_bytes(&self) -> usize {
        rtp::HEADER_BYTES + EXTENDED_SEQUENCE_BYTES + self.count * SRD_HEADER_BYTES
    }

    /// The ranges of the buffer's bytes that it carries, in order. Adjacent ones are not joined.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let all = self.srds().iter().zip(self.offsets);
        all.map(|(srd, offset)| offset..offset + usize::from(srd.length))
    }
}

impl PacketPlan for Packet {
    fn bytes(&self) -> usize {
        let data = self.srds().iter().map(|it| usize::from(it.length));
        self.header_bytes() + data.sum::<usize>()
    }

    fn write_headers(&self, stream: &StreamHeader, sequence: u32, out: &mut [u8]) -> usize {
        let [a, b, c, d] = sequence.to_be_bytes();
        let rtp = RtpHeader {
            marker: self.marker,
            payload_type: stream.payload_type,
            sequence: u16::from_be_bytes([c, d]),
            timestamp: stream.timestamp,
            ssrc: stream.ssrc,
        };
        out[..rtp::HEADER_BYTES].copy_from_slice(&rtp.to_bytes());
        let mut at = rtp::HEADER_BYTES;
        out[at..at + EXTENDED_SEQUENCE_BYTES].copy_from_slice(&[a, b]);
        at += EXTENDED_SEQUENCE_BYTES;
        for srd in self.srds() {
            out[at..at + SRD_HEADER_BYTES].copy_from_slice(&srd.to_bytes());
            at += SRD_HEADER_BYTES;
        }
        at
    }

    #[inline]
    fn for_each_range(&self, visit: impl FnMut(Range<usize>)) {
        self.ranges().for_each(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::st2110_20::STANDARD_RTP_BYTES;
    use crate::video::{Depth, FrameRate, Sampling};
    use proptest::prelude::*;

    fn format(width: u32, height: u32, depth: Depth) -> VideoFormat {
        VideoFormat::new(width, height, depth, FrameRate::new(25, 1).unwrap()).unwrap()
    }

    #[test]
    fn packetiser_hd_then_packets_are_full() {
        let packetiser =
            Packetiser::new(format(1920, 1080, Depth::Ten), STANDARD_RTP_BYTES).unwrap();
        assert_eq!(packetiser.payload_bytes(), 1425);
        assert_eq!(packetiser.packets(), 3638);
        assert_eq!(packetiser.packet(3638), None);
        assert!(packetiser.packet(3637).unwrap().marker);
        assert!(packetiser.packet(0).unwrap().bytes() <= STANDARD_RTP_BYTES);
    }

    #[test]
    fn packetiser_packet_size_then_limits_are_named() {
        let format = format(16, 16, Depth::Ten);
        assert_eq!(
            Packetiser::new(format, 36).unwrap_err(),
            PacketiseError::TooSmall {
                given: 36,
                least: 37
            }
        );
        assert_eq!(
            Packetiser::new(format, 65_001).unwrap_err(),
            PacketiseError::TooLarge(65_001)
        );
        Packetiser::new(format, 37).unwrap();
    }

    fn any_format(size: (u32, u32), samples: (Sampling, Depth), scan: Scan) -> Option<VideoFormat> {
        VideoFormat::of(size, samples, scan, FrameRate::new(25, 1).unwrap()).ok()
    }

    #[test]
    fn packetiser_hd_in_blocks_then_packets_as_the_standard_counts() {
        let of = |packing, format: VideoFormat, max| {
            let it = Packetiser::of(format, false, packing, max).unwrap();
            (it.payload_bytes(), it.packets())
        };
        let hd = format(1920, 1080, Depth::Ten);
        assert_eq!(of(Packing::Block, hd, STANDARD_RTP_BYTES), (1260, 4115));
        let extended = crate::video::st2110_20::EXTENDED_RTP_BYTES;
        assert_eq!(of(Packing::Block, hd, extended).0, 8820);
        let sixteen = format(1920, 1080, Depth::Sixteen);
        assert_eq!(of(Packing::Block, sixteen, STANDARD_RTP_BYTES).0, 1080);
        let narrow = Packetiser::of(format(20, 8, Depth::Ten), false, Packing::Block, 1452);
        assert_eq!(narrow.unwrap_err(), PacketiseError::ShortLines(50));
    }

    proptest! {
        #[test]
        fn packetiser_any_format_then_lines_of_the_field_tile_it(
            sampling in prop::sample::select(Sampling::ALL), depth in prop::sample::select(Depth::ALL),
            scan in prop::sample::select(vec![Scan::Progressive, Scan::Interlaced, Scan::Psf]),
            width in 1u32..=400, height in 2u32..=20, second_field: bool, block: bool,
            max in 60usize..=9000,
        ) {
            let Some(format) = any_format((width, height), (sampling, depth), scan) else {
                return Ok(());
            };
            let packing = if block { Packing::Block } else { Packing::General };
            let Ok(packetiser) = Packetiser::of(format, second_field, packing, max) else {
                return Ok(());
            };
            let bytes = format.rows(second_field) * format.line_bytes();
            let mut came = vec![false; bytes];
            let mut markers = 0;
            for index in 0..packetiser.packets() {
                let packet = packetiser.packet(index).unwrap();
                prop_assert!(packet.bytes() <= max);
                let data = packet.bytes() - packet.header_bytes();
                prop_assert!(packet.marker || data == packetiser.payload_bytes());
                prop_assert!(!block || packet.marker || data % BLOCK_BYTES == 0);
                markers += u32::from(packet.marker);
                let last = packet.ranges().map(|it| it.end).max().unwrap();
                let rows = u32::try_from(last.div_ceil(format.line_bytes())).unwrap();
                prop_assert_eq!(packetiser.lines_before(index), rows * format.pgroup().lines);
                prop_assert!(packetiser.lines_before(index) <= packetiser.lines());
                for (srd, range) in packet.srds().iter().zip(packet.ranges()) {
                    let expected = match scan {
                        Scan::Progressive => false,
                        Scan::Interlaced => second_field,
                        Scan::Psf => index >= packetiser.segments[0],
                    };
                    prop_assert_eq!(srd.field, expected);
                    let row = usize::from(srd.line) / format.pgroup().lines as usize;
                    prop_assert_eq!(range.start / format.line_bytes() * format.line_bytes(), format.row_offset(srd.field, row));
                    prop_assert!(came[range.clone()].iter().all(|it| !it));
                    came[range].fill(true);
                }
            }
            prop_assert!(came.iter().all(|it| *it));
            prop_assert_eq!(markers, if scan == Scan::Psf { 2 } else { 1 });
        }
    }

    proptest! {
        #[test]
        fn packetiser_any_raster_then_packets_tile_the_frame_in_limits(
            half_width in 1u32..=600, height in 1u32..=40, ten: bool, max in 37usize..=2000,
        ) {
            let depth = if ten { Depth::Ten } else { Depth::Eight };
            let format = format(half_width * 2, height, depth);
            let packetiser = Packetiser::new(format, max).unwrap();
            let mut at = 0;
            for index in 0..packetiser.packets() {
                let packet = packetiser.packet(index).unwrap();
                prop_assert!(packet.bytes() <= max);
                prop_assert_eq!(packet.marker, index + 1 == packetiser.packets());
                let sum: usize = packet.srds().iter().map(|srd| usize::from(srd.length)).sum();
                prop_assert_eq!(packet.bytes(), packet.header_bytes() + sum);
                for range in packet.ranges() {
                    prop_assert_eq!(range.start, at);
                    at = range.end;
                }
            }
            prop_assert_eq!(at, format.frame_bytes());
        }
    }
}
