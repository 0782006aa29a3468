//! Splits frames into packets of equal size: the general packing mode of ST 2110-20.
//!
//! Packet `k` carries the bytes from `k * payload` on, across line boundaries. So any packet can be
//! computed without those before it, all packets except the last are equally long, and a packet
//! needs one contiguous range of the frame.

use std::ops::Range;

use crate::rtp::{self, RtpHeader};
use crate::video::{PGROUP_PIXELS, VideoFormat};

use super::payload::SrdHeader;
use super::{EXTENDED_SEQUENCE_BYTES, MAX_SENT_SRDS, SRD_HEADER_BYTES};

/// Most bytes of RTP header, extended sequence number and SRD headers before the data.
pub const MAX_HEADER_BYTES: usize =
    rtp::HEADER_BYTES + EXTENDED_SEQUENCE_BYTES + MAX_SENT_SRDS * SRD_HEADER_BYTES;

/// Why a format cannot be packetised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketiseError {
    /// Packets too small for the headers and one pgroup.
    #[error("RTP packets of {0} bytes are too small: give at least {min}", min = MAX_HEADER_BYTES + 5)]
    TooSmall(usize),
    /// Packets above UDP's length limit.
    #[error("RTP packets of {0} bytes are too large: give at most 65000")]
    TooLarge(usize),
}

/// Packetises frames of one format.
#[derive(Debug, Clone, Copy)]
pub struct Packetiser {
    format: VideoFormat,
    payload_bytes: usize,
    packets: u32,
}

impl Packetiser {
    /// Creates a packetiser for RTP packets of at most `max_bytes` bytes, RTP header included; see
    /// [`STANDARD_RTP_BYTES`](super::STANDARD_RTP_BYTES).
    ///
    /// # Errors
    /// [`PacketiseError`]: `max_bytes` is too small or too large.
    pub fn new(format: VideoFormat, max_bytes: usize) -> Result<Self, PacketiseError> {
        let pgroup = format.depth().pgroup_bytes();
        if max_bytes < MAX_HEADER_BYTES + pgroup {
            return Err(PacketiseError::TooSmall(max_bytes));
        }
        if max_bytes > 65_000 {
            return Err(PacketiseError::TooLarge(max_bytes));
        }
        // With n SRDs a packet may span n lines from any start, if it is at most as long as n - 1
        // lines and one pgroup.
        let payload = |srds: usize| {
            let headers = rtp::HEADER_BYTES + EXTENDED_SEQUENCE_BYTES + srds * SRD_HEADER_BYTES;
            let room = (max_bytes - headers) / pgroup * pgroup;
            room.min((srds - 1) * format.line_bytes() + pgroup)
        };
        let payload_bytes = payload(2)
            .max(payload(MAX_SENT_SRDS))
            .min(format.frame_bytes());
        let packets = format.frame_bytes().div_ceil(payload_bytes);
        let packets = u32::try_from(packets).expect("a frame has fewer bytes than 2^32");
        Ok(Self {
            format,
            payload_bytes,
            packets,
        })
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// Packets in every frame.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.packets
    }

    /// Frame bytes in every packet; the last packet may have fewer.
    #[must_use]
    pub const fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Packet `index` of a frame, from 0; `None` from [`Self::packets`] on.
    #[must_use]
    pub fn packet(&self, index: u32) -> Option<Packet> {
        if index >= self.packets {
            return None;
        }
        let start = index as usize * self.payload_bytes;
        let end = (start + self.payload_bytes).min(self.format.frame_bytes());
        let line_bytes = self.format.line_bytes();
        let mut packet = Packet {
            range: start..end,
            marker: index + 1 == self.packets,
            srds: [SrdHeader {
                length: 0,
                field: false,
                line: 0,
                continuation: false,
                pixel: 0,
            }; MAX_SENT_SRDS],
            count: 0,
        };
        let mut at = start;
        while at < end {
            let within = at % line_bytes;
            let bytes = (line_bytes - within).min(end - at);
            let pixel = within / self.format.depth().pgroup_bytes() * PGROUP_PIXELS as usize;
            packet.srds[packet.count] = SrdHeader {
                length: narrow(bytes),
                field: false,
                line: narrow(at / line_bytes),
                continuation: at + bytes < end,
                pixel: narrow(pixel),
            };
            packet.count += 1;
            at += bytes;
        }
        Some(packet)
    }
}

fn narrow(value: usize) -> u16 {
    u16::try_from(value).expect("lines, pixels and packets are below 2^16: new() checked them")
}

/// One packet of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Range of the frame's bytes that it carries.
    pub range: Range<usize>,
    /// Whether it is the last packet of the frame.
    pub marker: bool,
    srds: [SrdHeader; MAX_SENT_SRDS],
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

    /// Length of the whole RTP packet in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.header_bytes() + (self.range.end - self.range.start)
    }

    /// Writes the headers to the start of `out` and returns their length in bytes. The marker is
    /// the packet's own; `sequence` is the 32-bit sequence number, whose high half goes into the
    /// extended one.
    ///
    /// # Panics
    /// If `out` is shorter than [`Self::header_bytes`].
    pub fn write_headers(&self, stream: &StreamHeader, sequence: u32, out: &mut [u8]) -> usize {
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
}

/// Common RTP header fields of a frame's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamHeader {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// The frame's timestamp.
    pub timestamp: u32,
    /// The sender's synchronisation source.
    pub ssrc: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::st2110_20::STANDARD_RTP_BYTES;
    use crate::video::{Depth, FrameRate};
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
            PacketiseError::TooSmall(36)
        );
        assert_eq!(
            Packetiser::new(format, 65_001).unwrap_err(),
            PacketiseError::TooLarge(65_001)
        );
        Packetiser::new(format, 37).unwrap();
    }

    proptest! {
        #[test]
        fn packetiser_any_raster_then_packets_tile_the_frame_within_limits(
            half_width in 1u32..=600, height in 1u32..=40, ten: bool, max in 37usize..=2000,
        ) {
            let depth = if ten { Depth::Ten } else { Depth::Eight };
            let format = format(half_width * 2, height, depth);
            let packetiser = Packetiser::new(format, max).unwrap();
            let mut at = 0;
            for index in 0..packetiser.packets() {
                let packet = packetiser.packet(index).unwrap();
                prop_assert_eq!(packet.range.start, at);
                prop_assert!(packet.bytes() <= max);
                prop_assert_eq!(packet.marker, index + 1 == packetiser.packets());
                let sum: usize = packet.srds().iter().map(|srd| usize::from(srd.length)).sum();
                prop_assert_eq!(sum, packet.range.len());
                at = packet.range.end;
            }
            prop_assert_eq!(at, format.frame_bytes());
        }
    }
}
