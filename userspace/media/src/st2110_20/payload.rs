//! Parses a payload: every header is checked against the raster before any byte is used.

use crate::bytes::u16_at;
use crate::video::{PGROUP_PIXELS, VideoFormat};

use super::{EXTENDED_SEQUENCE_BYTES, MAX_READ_SRDS, SRD_HEADER_BYTES};

/// Why a payload does not match the format. The whole packet is rejected, for the first reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadReject {
    /// Truncated within its headers.
    #[error("ST 2110-20 headers are truncated")]
    Truncated,
    /// More than [`MAX_READ_SRDS`] SRD headers.
    #[error("more than {MAX_READ_SRDS} SRD headers in a packet")]
    TooManySrds,
    /// The field bit is set: interlaced and segmented video are not supported.
    #[error("field bit is set: only progressive video is supported")]
    Interlaced,
    /// A line outside the raster, or bytes beyond the end of a line.
    #[error("SRD of {length} bytes at line {line}, pixel {pixel} lies outside the raster")]
    Range {
        /// Line from 0.
        line: u16,
        /// Pixel from 0.
        pixel: u16,
        /// Bytes of the SRD.
        length: u16,
    },
    /// A length or an offset that splits a pgroup.
    #[error("SRD of {length} bytes at pixel {pixel} splits a pgroup")]
    Alignment {
        /// Pixel from 0.
        pixel: u16,
        /// Bytes of the SRD.
        length: u16,
    },
    /// The SRD lengths do not match the bytes after the headers.
    #[error("SRD lengths add up to {announced} bytes, but the packet has {present}")]
    Length {
        /// Bytes according to the headers.
        announced: usize,
        /// Bytes in the packet.
        present: usize,
    },
}

/// One sample row data header (RFC 4175 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SrdHeader {
    /// Bytes of this line in the packet.
    pub length: u16,
    /// Second field of an interlaced frame.
    pub field: bool,
    /// Line from 0, 15 bits.
    pub line: u16,
    /// Whether another SRD header follows.
    pub continuation: bool,
    /// First pixel from 0, 15 bits.
    pub pixel: u16,
}

impl SrdHeader {
    /// Parses the header at byte `at` of a payload; `None` if it is truncated.
    #[inline]
    #[must_use]
    pub fn parse(payload: &[u8], at: usize) -> Option<Self> {
        let length = u16_at(payload, at)?;
        let line = u16_at(payload, at + 2)?;
        let pixel = u16_at(payload, at + 4)?;
        Some(Self {
            length,
            field: line >> 15 == 1,
            line: line & 0x7fff,
            continuation: pixel >> 15 == 1,
            pixel: pixel & 0x7fff,
        })
    }

    /// The header as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SRD_HEADER_BYTES] {
        let [a, b] = self.length.to_be_bytes();
        let [c, d] = (u16::from(self.field) << 15 | self.line & 0x7fff).to_be_bytes();
        let [e, f] = (u16::from(self.continuation) << 15 | self.pixel & 0x7fff).to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// Offset of the SRD in a frame, in bytes. An error if it is not within a line of `format`.
    #[inline]
    fn place(&self, format: &VideoFormat) -> Result<usize, PayloadReject> {
        let &Self {
            length,
            line,
            pixel,
            ..
        } = self;
        let depth = format.depth();
        if self.field {
            return Err(PayloadReject::Interlaced);
        }
        if !u32::from(pixel).is_multiple_of(PGROUP_PIXELS) || !depth.is_whole(usize::from(length)) {
            return Err(PayloadReject::Alignment { pixel, length });
        }
        let start = usize::from(pixel) / PGROUP_PIXELS as usize * depth.pgroup_bytes();
        if u32::from(line) >= format.height() || start + usize::from(length) > format.line_bytes() {
            return Err(PayloadReject::Range {
                line,
                pixel,
                length,
            });
        }
        Ok(usize::from(line) * format.line_bytes() + start)
    }
}

/// Bytes of a packet, and their place in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Offset of the first byte in the frame; a multiple of the pgroup.
    pub offset: usize,
    /// The bytes: whole pgroups within one line. Empty for an SRD of length 0.
    pub bytes: &'a [u8],
}

/// Segments of a valid payload.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    payload: &'a [u8],
    format: &'a VideoFormat,
    /// Offset of the next segment in the frame, and its length. Nearly every packet has only one
    /// segment, found during the check.
    next: (usize, u16),
    /// Offset of the header after that, and offset of the next segment's bytes.
    header: usize,
    data: usize,
    left: usize,
}

impl<'a> Segments<'a> {
    /// Checks the payload of an RTP packet against `format`.
    ///
    /// # Errors
    /// [`PayloadReject`]: use nothing of such a packet.
    #[inline]
    pub fn parse(payload: &'a [u8], format: &'a VideoFormat) -> Result<Self, PayloadReject> {
        let first =
            SrdHeader::parse(payload, EXTENDED_SEQUENCE_BYTES).ok_or(PayloadReject::Truncated)?;
        let next = (first.place(format)?, first.length);
        let mut announced = usize::from(first.length);
        let mut at = EXTENDED_SEQUENCE_BYTES + SRD_HEADER_BYTES;
        let mut count = 1;
        let mut continues = first.continuation;
        while continues {
            if count == MAX_READ_SRDS {
                return Err(PayloadReject::TooManySrds);
            }
            let header = SrdHeader::parse(payload, at).ok_or(PayloadReject::Truncated)?;
            header.place(format)?;
            announced += usize::from(header.length);
            at += SRD_HEADER_BYTES;
            count += 1;
            continues = header.continuation;
        }
        let present = payload.len() - at;
        if announced != present {
            return Err(PayloadReject::Length { announced, present });
        }
        Ok(Self {
            payload,
            format,
            next,
            header: EXTENDED_SEQUENCE_BYTES + SRD_HEADER_BYTES,
            data: at,
            left: count,
        })
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    #[inline]
    fn next(&mut self) -> Option<Segment<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (offset, length) = self.next;
        let end = self.data + usize::from(length);
        let bytes = self.payload.get(self.data..end)?;
        self.data = end;
        if self.left > 0 {
            let header = SrdHeader::parse(self.payload, self.header)?;
            self.next = (header.place(self.format).ok()?, header.length);
            self.header += SRD_HEADER_BYTES;
        }
        Some(Segment { offset, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::{Depth, FrameRate};
    use proptest::prelude::*;

    fn format() -> VideoFormat {
        VideoFormat::new(8, 4, Depth::Ten, FrameRate::new(25, 1).unwrap()).unwrap()
    }

    fn srd(length: u16, line: u16, pixel: u16, continuation: bool) -> SrdHeader {
        SrdHeader {
            length,
            field: false,
            line,
            continuation,
            pixel,
        }
    }

    fn payload(headers: &[SrdHeader], data: usize) -> Vec<u8> {
        let mut payload = vec![0, 9];
        headers
            .iter()
            .for_each(|header| payload.extend(header.to_bytes()));
        payload.extend((0..data).map(|at| u8::try_from(at).unwrap()));
        payload
    }

    #[test]
    fn payload_two_lines_then_two_segments() {
        let payload = payload(&[srd(10, 1, 4, true), srd(5, 2, 0, false)], 15);
        let format = format();
        let segments = Segments::parse(&payload, &format).unwrap();
        let found: Vec<_> = segments
            .map(|segment| (segment.offset, segment.bytes.to_vec()))
            .collect();
        let expected = [(30, (0..10).collect::<Vec<u8>>()), (40, (10..15).collect())];
        assert_eq!(found, expected);
    }

    #[test]
    fn payload_srd_of_length_0_then_it_is_right_and_empty() {
        let payload = payload(&[srd(0, 0, 0, false)], 0);
        let format = format();
        let segments: Vec<_> = Segments::parse(&payload, &format).unwrap().collect();
        assert_eq!(
            segments,
            [Segment {
                offset: 0,
                bytes: &[]
            }]
        );
    }

    #[test]
    fn payload_damaged_then_rejected_by_reason() {
        let format = format();
        let reject = |headers: &[SrdHeader], data| {
            Segments::parse(&payload(headers, data), &format)
                .map(|_| ())
                .unwrap_err()
        };
        let range = |line, pixel, length| PayloadReject::Range {
            line,
            pixel,
            length,
        };
        assert_eq!(reject(&[], 0), PayloadReject::Truncated);
        assert_eq!(reject(&[srd(5, 0, 0, true)], 5), PayloadReject::Truncated);
        assert_eq!(reject(&[srd(5, 4, 0, false)], 5), range(4, 0, 5));
        assert_eq!(reject(&[srd(5, 0, 8, false)], 5), range(0, 8, 5));
        assert_eq!(reject(&[srd(25, 0, 0, false)], 25), range(0, 0, 25));
        assert_eq!(
            reject(&[srd(4, 0, 0, false)], 4),
            PayloadReject::Alignment {
                pixel: 0,
                length: 4
            }
        );
        assert_eq!(
            reject(&[srd(5, 0, 1, false)], 5),
            PayloadReject::Alignment {
                pixel: 1,
                length: 5
            }
        );
        let length = |announced, present| PayloadReject::Length { announced, present };
        assert_eq!(reject(&[srd(10, 0, 0, false)], 5), length(10, 5));
        assert_eq!(reject(&[srd(5, 0, 0, false)], 6), length(5, 6));
        let field = SrdHeader {
            field: true,
            ..srd(5, 0, 0, false)
        };
        assert_eq!(reject(&[field], 5), PayloadReject::Interlaced);
        assert_eq!(
            reject(&[srd(0, 0, 0, true); 17], 0),
            PayloadReject::TooManySrds
        );
    }

    proptest! {
        #[test]
        fn payload_any_bytes_then_no_panic_and_segments_lie_in_the_frame(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let format = format();
            if let Ok(segments) = Segments::parse(&bytes, &format) {
                for segment in segments {
                    prop_assert!(segment.offset + segment.bytes.len() <= format.frame_bytes());
                    prop_assert!(segment.bytes.len().is_multiple_of(5));
                }
            }
        }
    }
}
