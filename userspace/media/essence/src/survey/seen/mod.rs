//! The format of a stream, as far as its packets show it: a file for each essence.

mod sound;

use crate::SeenFormat;
use crate::ancillary::SeenAncillary;
use crate::jpeg_xs::SeenJpegXs;
use crate::survey::guess::{Guess, rate_of_units};
use crate::survey::stream::Survey;
use crate::video::{Picture, PictureSamples, Scan};

/// Rows of a packet, at most.
const MOST_ROWS: u64 = 16;

impl Survey {
    /// The format of what is surveyed, as far as its packets show it.
    #[must_use]
    pub fn seen(&self) -> SeenFormat {
        let seen = self.sound().map(SeenFormat::Audio);
        let seen = seen.or_else(|| self.data().map(SeenFormat::Ancillary));
        let seen = seen.or_else(|| self.compressed().map(SeenFormat::JpegXs));
        seen.unwrap_or_else(|| self.picture().into())
    }

    /// The picture; `None` of another essence, and before some frames have arrived.
    #[must_use]
    pub fn picture(&self) -> Option<Picture> {
        if Guess::of(self) != Guess::Video || !self.has_units() {
            return None;
        }
        let raster = self.raster();
        let scan = match (raster.interlaced(), raster.is_segmented()) {
            (false, _) => Scan::Progressive,
            (true, false) => Scan::Interlaced,
            (true, true) => Scan::Psf,
        };
        let rate = rate_of_units(self.steps());
        // A packet has some lines at most. The first unit, and the last one, may be parts.
        let units = self.markers().saturating_sub(1).max(1);
        // Gaps in few units, or odd numbers there, say nothing of the others.
        let has_gaps = u64::from(2 * self.sequences().gaps() >= units);
        let lost_lines = has_gaps * self.sequences().lost() * MOST_ROWS / units;
        Some(Picture {
            width: raster.width(),
            line_bytes: raster.line_bytes(),
            height: raster.height(),
            frame_rate: rate.map(|it| it.of_frames(scan == Scan::Interlaced)),
            scan,
            samples: raster.pgroup().map_or_else(Vec::new, PictureSamples::with),
            lost_lines: u32::try_from(lost_lines).unwrap_or(u32::MAX),
        })
    }

    /// Rate of the frames; `None` of another essence, and before some units have arrived.
    fn data(&self) -> Option<SeenAncillary> {
        if Guess::of(self) != Guess::Ancillary || !self.has_units() {
            return None;
        }
        let formats = self.formats();
        let interlaced = 8 * formats.ancillary_fields > formats.ancillary;
        let rate = rate_of_units(self.steps())?.of_frames(interlaced);
        Some(SeenAncillary {
            ancillary_rate: rate.to_string(),
            fields: interlaced,
        })
    }

    /// Raster, rate and samples; `None` of another essence, and before some units have arrived.
    fn compressed(&self) -> Option<SeenJpegXs> {
        if Guess::of(self) != Guess::JpegXs || !self.has_units() {
            return None;
        }
        let seen = self.codestreams();
        let ((mode, in_order, unit), _) = seen.headers.usual()?;
        let interlaced = 8 * seen.of_fields > seen.agreeing;
        let height = u32::from(unit.height);
        let rate = rate_of_units(self.steps())?.of_frames(interlaced);
        // Units of various sizes have a largest one.
        let usual = seen.bytes.usual();
        let bytes = usual.filter(|it| 2 * it.1 > seen.bytes.total());
        Some(SeenJpegXs {
            jpeg_xs_width: unit.width.into(),
            height: if interlaced { 2 * height } else { height },
            frame_rate: rate.to_string(),
            scan: match interlaced {
                true => Scan::Interlaced,
                false => Scan::Progressive,
            },
            depth: unit.depth()?.into(),
            sampling: unit.structure()?.sampling(),
            bytes: u32::try_from(bytes.map_or(seen.most, |it| *it.0)).ok()?,
            packet_mode: *mode,
            out_of_order: !in_order,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::essence::Seen as _;
    use crate::rtp::RtpHeader;
    use crate::send::{PacketPlan as _, StreamHeader};
    use crate::survey::CapturedPacket;
    use crate::video::st2110_20::Packetiser;
    use crate::video::{Depth, FrameRate, MeasuredRate, Packing, Sampling, VideoFormat};

    type Case = ((u32, u32), (Sampling, Depth), Scan, (u32, u32));

    fn format(((width, height), samples, scan, (num, den)): Case) -> VideoFormat {
        let rate = FrameRate::new(num, den).unwrap();
        VideoFormat::of((width, height), samples, scan, rate).unwrap()
    }

    /// A quarter of a second of a video.
    fn survey(case: Case) -> Survey {
        let ((_, _), _, scan, (num, den)) = case;
        let fields = if scan == Scan::Interlaced { 2 } else { 1 };
        let units = u64::from(num) * fields / u64::from(den) / 4 + 2;
        let of_field =
            |second| Packetiser::of(format(case), second, Packing::General, 1452).unwrap();
        let packetisers = [of_field(false), of_field(fields == 2)];
        let mut survey = Survey::default();
        let mut sequence = 7;
        let address = SocketAddr::from(([127, 0, 0, 1], 5004));
        for unit in 0..units {
            let ticks = unit * 90_000 * u64::from(den) / (u64::from(num) * fields);
            let header = StreamHeader {
                payload_type: 112,
                timestamp: u32::try_from(ticks).unwrap(),
                ssrc: 5,
            };
            let packetiser = &packetisers[usize::from(unit % 2 == 1)];
            for index in 0..packetiser.packets() {
                let packet = packetiser.packet(index).unwrap();
                let mut bytes = [0; 2000];
                let end = packet.write_headers(&header, sequence, &mut bytes);
                let rows: usize = packet.ranges().map(|it| it.len()).sum();
                sequence += 1;
                let datagram = &bytes[..end + rows];
                let parsed = CapturedPacket::of_datagram(address, address, datagram).unwrap();
                survey.packet(unit * 1_000_000, &parsed);
            }
        }
        survey
    }

    const CASES: [Case; 8] = [
        (
            (1280, 720),
            (Sampling::YCbCr422, Depth::Ten),
            Scan::Progressive,
            (60_000, 1001),
        ),
        (
            (1920, 1080),
            (Sampling::YCbCr422, Depth::Eight),
            Scan::Interlaced,
            (25, 1),
        ),
        (
            (1920, 1080),
            (Sampling::YCbCr422, Depth::Ten),
            Scan::Psf,
            (24_000, 1001),
        ),
        (
            (1920, 1080),
            (Sampling::Rgb, Depth::Ten),
            Scan::Progressive,
            (50, 1),
        ),
        (
            (1280, 720),
            (Sampling::YCbCr420, Depth::Eight),
            Scan::Progressive,
            (60, 1),
        ),
        (
            (720, 487),
            (Sampling::YCbCr422, Depth::Ten),
            Scan::Interlaced,
            (30_000, 1001),
        ),
        (
            (720, 488),
            (Sampling::YCbCr422, Depth::Ten),
            Scan::Interlaced,
            (30_000, 1001),
        ),
        (
            (640, 361),
            (Sampling::YCbCr422, Depth::Ten),
            Scan::Psf,
            (25, 1),
        ),
    ];

    #[test]
    fn picture_is_that_of_the_packets_and_of_no_other_format() {
        for case in CASES {
            let picture = survey(case).picture().unwrap();
            let ((width, height), samples, scan, (num, den)) = case;
            assert_eq!(
                (picture.width, picture.scan),
                (Some(width), scan),
                "{case:?}"
            );
            // A pgroup of 4:2:0 has the number of the first of its lines.
            let hidden = u32::from(samples.0 == Sampling::YCbCr420);
            assert_eq!(picture.height, height - hidden, "{case:?}");
            assert_eq!(
                picture.frame_rate,
                Some(MeasuredRate { num, den }),
                "{case:?}"
            );
            let its = |it: &PictureSamples| (it.sampling, it.depth);
            let own = (samples.0, u32::from(samples.1.bits()));
            assert!(picture.samples.iter().any(|it| its(it) == own), "{case:?}");
            for other in CASES {
                let differs = picture.differs_from(&format(other));
                assert_eq!(differs, other != case, "{case:?} {other:?}");
            }
            for rate in [(25, 1), (30, 1), (60, 1), (24, 1)] {
                let other = (case.0, case.1, case.2, rate);
                let differs = picture.differs_from(&format(other));
                assert_eq!(differs, other != case, "{case:?} {other:?}");
            }
        }
    }

    /// Frames of 64 lines, 25 a second, with a line a packet.
    fn survey_of_lines(bytes: u16) -> Survey {
        let address = SocketAddr::from(([127, 0, 0, 1], 5004));
        let mut survey = Survey::default();
        for packet in 0..64 * 10u16 {
            let (frame, line) = (packet / 64, packet % 64);
            let rtp = RtpHeader {
                marker: line == 63,
                payload_type: 96,
                sequence: packet,
                timestamp: u32::from(frame) * 3_600,
                ssrc: 5,
            };
            let row = [[0, 0], bytes.to_be_bytes(), line.to_be_bytes(), [0, 0]].concat();
            let pixels = vec![7; bytes.into()];
            let datagram = [&rtp.to_bytes()[..], &row, &pixels].concat();
            let parsed = CapturedPacket::of_datagram(address, address, &datagram).unwrap();
            survey.packet(u64::from(frame) * 40_000_000, &parsed);
        }
        survey
    }

    #[test]
    fn lines_of_other_bytes_without_a_width_then_another_format() {
        let narrow = |width, depth| {
            let samples = (Sampling::YCbCr422, depth);
            ((width, 64), samples, Scan::Progressive, (25, 1))
        };
        let cases = [
            (narrow(320, Depth::Ten), 800),
            (narrow(160, Depth::Ten), 400),
            (narrow(320, Depth::Eight), 640),
            (narrow(320, Depth::Twelve), 960),
        ];
        let whole = |bytes| survey_of_lines(bytes).picture().unwrap();
        for (case, bytes) in cases {
            let picture = whole(bytes);
            assert_eq!(picture.width, None, "{case:?}");
            assert_eq!(picture.line_bytes, Some(bytes.into()), "{case:?}");
            for (other, _) in cases {
                let differs = picture.differs_from(&format(other));
                assert_eq!(differs, other != case, "{picture} {other:?}");
            }
        }
        let picture = whole(400);
        assert_eq!(picture.to_string(), "64 lines of 400 bytes 25 fps");
        assert_eq!(picture.flags(), " --size WIDTHx64 --rate 25");
    }

    #[test]
    fn data_of_fields_or_frames_then_its_rate_is_seen() {
        let address = SocketAddr::from(([127, 0, 0, 1], 5004));
        for (interlaced, rate) in [(false, "60000/1001"), (true, "30000/1001")] {
            let mut survey = Survey::default();
            for unit in 0..30u32 {
                let second = interlaced && unit % 2 == 1;
                let field = [0u8, 2, 3][usize::from(interlaced) + usize::from(second)];
                let timestamp = unit * 3003 / 2;
                // The data, and an empty packet that ends the unit.
                for marker in [false, true] {
                    let rtp = RtpHeader {
                        marker,
                        payload_type: 100,
                        sequence: u16::try_from(2 * unit + u32::from(marker)).unwrap(),
                        timestamp,
                        ssrc: 5,
                    };
                    let payload = [0, 0, 0, 0, 0, field << 6, 0, 0];
                    let bytes = [&rtp.to_bytes()[..], &payload].concat();
                    let parsed = CapturedPacket::of_datagram(address, address, &bytes).unwrap();
                    survey.packet(u64::from(unit) * 16_683_333, &parsed);
                }
            }
            let seen = survey.data().unwrap();
            assert_eq!(
                (seen.fields, seen.ancillary_rate.as_str()),
                (interlaced, rate)
            );
        }
    }
}
