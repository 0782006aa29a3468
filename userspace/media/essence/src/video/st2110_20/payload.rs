//! Parses a payload: every header is checked against the raster before any byte is used.

use crate::video::{Pgroups, Scan, VideoFormat};

use onair_net::bytes::u16_at;

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
    /// The field bit is set, and the session is progressive.
    #[error("field bit is set: the video is interlaced or segmented")]
    Interlaced,
    /// The line is none of the first field but one of the frame, and the session has fields or
    /// segments.
    #[error("line {0} without the field bit: the video is progressive")]
    Progressive(u16),
    /// The field bit differs from that of the field's other packets, or within the packet.
    #[error("the field bit differs within a field")]
    FieldMismatch,
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
    /// A length, an offset or a line that splits a pgroup.
    #[error("SRD of {length} bytes at line {line}, pixel {pixel} splits a pgroup")]
    Alignment {
        /// Line from 0.
        line: u16,
        /// Pixel from 0.
        pixel: u16,
        /// Bytes of the SRD.
        length: u16,
    },
    /// The SRDs are longer than the bytes after the headers.
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
    /// Second field of an interlaced frame, or second segment.
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

    /// Where the SRD lies in a buffer. An error if it is not within a line of `format`.
    #[inline]
    fn place(&self, format: &VideoFormat) -> Result<Pgroups, PayloadReject> {
        let &Self {
            length,
            field,
            line,
            pixel,
            ..
        } = self;
        if !format.has_line(field, line) {
            return Err(self.outside(format));
        }
        let (pgroups, is_whole) = format.pgroups_in(length);
        if !is_whole || !format.begins_pgroup(line, pixel) {
            return Err(PayloadReject::Alignment {
                line,
                pixel,
                length,
            });
        }
        let place = format.place(field, line, pixel, pgroups);
        place.ok_or(PayloadReject::Range {
            line,
            pixel,
            length,
        })
    }

    /// Why there is no such line.
    #[cold]
    fn outside(&self, format: &VideoFormat) -> PayloadReject {
        match (format.scan(), self.field) {
            (Scan::Progressive, true) => PayloadReject::Interlaced,
            (Scan::Interlaced | Scan::Psf, false) if u32::from(self.line) < format.height() => {
                PayloadReject::Progressive(self.line)
            }
            _ => PayloadReject::Range {
                line: self.line,
                pixel: self.pixel,
                length: self.length,
            },
        }
    }
}

/// The headers of a payload whose bytes are all there. What follows them is ignored: some senders fill up their packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SrdHeaders {
    /// The first one.
    pub first: SrdHeader,
    /// How many there are.
    pub count: usize,
    /// Offset of the bytes behind them.
    pub data: usize,
    /// Sum of their lengths.
    pub announced: usize,
}

impl SrdHeaders {
    /// Parses the headers of a payload of `bytes` bytes, of which maybe only the start is known. `each` checks one.
    ///
    /// # Errors
    /// The first reason that applies.
    #[inline]
    pub fn parse(
        payload: &[u8],
        bytes: usize,
        mut each: impl FnMut(&SrdHeader) -> Result<(), PayloadReject>,
    ) -> Result<Self, PayloadReject> {
        let header = |at| SrdHeader::parse(payload, at).ok_or(PayloadReject::Truncated);
        let first = header(EXTENDED_SEQUENCE_BYTES)?;
        each(&first)?;
        let mut all = Self {
            first,
            count: 1,
            data: EXTENDED_SEQUENCE_BYTES + SRD_HEADER_BYTES,
            announced: first.length.into(),
        };
        let mut continues = first.continuation;
        while continues {
            if all.count == MAX_READ_SRDS {
                return Err(PayloadReject::TooManySrds);
            }
            let next = header(all.data)?;
            each(&next)?;
            if next.field != first.field {
                return Err(PayloadReject::FieldMismatch);
            }
            all.announced += usize::from(next.length);
            all.data += SRD_HEADER_BYTES;
            all.count += 1;
            continues = next.continuation;
        }
        let present = bytes.saturating_sub(all.data);
        let announced = all.announced;
        match announced <= present {
            true => Ok(all),
            false => Err(PayloadReject::Length { announced, present }),
        }
    }

    /// Where the bytes of the last one end.
    #[inline]
    #[must_use]
    pub const fn end(&self) -> usize {
        self.data + self.announced
    }
}

/// Bytes of a packet, and their place in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The pgroups.
    pub place: Pgroups,
    /// Offset of the first byte in the buffer; a multiple of the pgroup.
    pub offset: usize,
    /// The bytes: whole pgroups within one line. Empty for an SRD of length 0.
    pub bytes: &'a [u8],
}

/// Segments of a valid payload.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    payload: &'a [u8],
    format: &'a VideoFormat,
    field: bool,
    /// Place of the next segment, and its length. Nearly every packet has only one segment, found
    /// during the check.
    next: (Pgroups, u16),
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
        let mut place = None;
        let headers = SrdHeaders::parse(payload, payload.len(), |header| {
            let found = header.place(format)?;
            place.get_or_insert(found);
            Ok(())
        })?;
        let SrdHeaders { first, count, .. } = headers;
        Ok(Self {
            payload: &payload[..headers.end()],
            format,
            field: first.field,
            next: (place.ok_or(PayloadReject::Truncated)?, first.length),
            header: EXTENDED_SEQUENCE_BYTES + SRD_HEADER_BYTES,
            data: headers.data,
            left: count,
        })
    }

    /// Whether the field bit is set.
    #[inline]
    #[must_use]
    pub const fn field(&self) -> bool {
        self.field
    }

    /// The bytes of the segments to come, one after the other.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.payload.get(self.data..).unwrap_or_default()
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    #[inline]
    fn next(&mut self) -> Option<Segment<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (place, length) = self.next;
        let end = self.data + usize::from(length);
        let bytes = self.payload.get(self.data..end)?;
        self.data = end;
        if self.left > 0 {
            let header = SrdHeader::parse(self.payload, self.header)?;
            self.next = (header.place(self.format).ok()?, header.length);
            self.header += SRD_HEADER_BYTES;
        }
        Some(Segment {
            place,
            offset: place.first * self.format.pgroup_bytes(),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::{Depth, FrameRate, Sampling};
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
        payload.extend((0..data).map(|at| at.to_le_bytes()[0]));
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
                place: Pgroups {
                    first: 0,
                    pgroups: 0
                },
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
        let alignment = |line, pixel, length| PayloadReject::Alignment {
            line,
            pixel,
            length,
        };
        assert_eq!(reject(&[], 0), PayloadReject::Truncated);
        assert_eq!(reject(&[srd(5, 0, 0, true)], 5), PayloadReject::Truncated);
        assert_eq!(reject(&[srd(5, 4, 0, false)], 5), range(4, 0, 5));
        assert_eq!(reject(&[srd(5, 0, 8, false)], 5), range(0, 8, 5));
        assert_eq!(reject(&[srd(25, 0, 0, false)], 25), range(0, 0, 25));
        assert_eq!(reject(&[srd(4, 0, 0, false)], 4), alignment(0, 0, 4));
        assert_eq!(reject(&[srd(5, 0, 1, false)], 5), alignment(0, 1, 5));
        let length = |announced, present| PayloadReject::Length { announced, present };
        assert_eq!(reject(&[srd(10, 0, 0, false)], 5), length(10, 5));
        assert_eq!(
            reject(&[srd(5, 0, 0, true), srd(5, 1, 0, false)], 9),
            length(10, 9)
        );
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

    #[test]
    fn payload_of_another_scan_or_an_odd_row_then_rejected() {
        let rate = FrameRate::new(25, 1).unwrap();
        let of = |sampling, scan, headers: &[SrdHeader], data| {
            let format = VideoFormat::of((8, 6), (sampling, Depth::Eight), scan, rate).unwrap();
            let payload = payload(headers, data);
            Segments::parse(&payload, &format).map(|mut it| it.next().unwrap().offset)
        };
        let second = |length, line| SrdHeader {
            field: true,
            ..srd(length, line, 0, false)
        };
        let half = |scan, headers: &[SrdHeader]| of(Sampling::YCbCr422, scan, headers, 4);
        for scan in [Scan::Interlaced, Scan::Psf] {
            let found = half(scan, &[srd(4, 3, 0, false)]);
            assert_eq!(found, Err(PayloadReject::Progressive(3)));
            let range = |line| {
                Err(PayloadReject::Range {
                    line,
                    pixel: 0,
                    length: 4,
                })
            };
            assert_eq!(half(scan, &[second(4, 3)]), range(3));
            assert_eq!(half(scan, &[srd(4, 6, 0, false)]), range(6));
            let mixed = [srd(4, 0, 0, true), second(0, 1)];
            assert_eq!(half(scan, &mixed), Err(PayloadReject::FieldMismatch));
        }
        assert_eq!(half(Scan::Interlaced, &[second(4, 2)]), Ok(32));
        assert_eq!(half(Scan::Psf, &[second(4, 2)]), Ok(80));
        let quarter = |line| {
            let headers = [srd(6, line, 0, false)];
            of(Sampling::YCbCr420, Scan::Progressive, &headers, 6)
        };
        assert_eq!(quarter(4), Ok(48));
        let odd = PayloadReject::Alignment {
            line: 3,
            pixel: 0,
            length: 6,
        };
        assert_eq!(quarter(3), Err(odd));
    }

    proptest! {
        #[test]
        fn payload_any_bytes_then_no_panic_and_segments_in_the_frame(
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

        #[test]
        fn payload_any_headers_and_format_then_segments_in_the_frame(
            sampling in prop::sample::select(Sampling::ALL), depth in prop::sample::select(Depth::ALL),
            scan in prop::sample::select(vec![Scan::Progressive, Scan::Interlaced, Scan::Psf]),
            width in 1u32..40, height in 2u32..20,
            headers in prop::collection::vec((0u16..80, any::<bool>(), 0u16..22, 0u16..44), 1..5),
        ) {
            let rate = FrameRate::new(25, 1).unwrap();
            let format = VideoFormat::of((width, height), (sampling, depth), scan, rate);
            prop_assume!(format.is_ok());
            let format = format.unwrap();
            let last = headers.len() - 1;
            let all: Vec<_> = headers.iter().enumerate().map(|(at, &(length, field, line, pixel))| SrdHeader {
                length, field, line, continuation: at < last, pixel,
            }).collect();
            let data = headers.iter().map(|it| usize::from(it.0)).sum();
            let payload = payload(&all, data);
            if let Ok(segments) = Segments::parse(&payload, &format) {
                let bytes = segments.bytes();
                prop_assert_eq!(segments.clone().flat_map(|it| it.bytes).copied().collect::<Vec<_>>(), bytes);
                for segment in segments {
                    let end = segment.place.first + segment.place.pgroups;
                    prop_assert!(end <= format.frame_pgroups());
                    prop_assert_eq!(segment.bytes.len(), segment.place.pgroups * format.pgroup_bytes());
                    prop_assert_eq!(segment.offset, segment.place.first * format.pgroup_bytes());
                }
            }
        }
    }
}
