//! What a stream of ST 2110-20 carries, as far as its packets show it.

use crate::video::{Depth, Pgroup, Sampling, Scan, VideoFormat};

use super::guess::{Essence, MeasuredRate};
use super::stream::Survey;

/// Markers after which a survey has seen each line of a frame, and some frame times.
const ENOUGH_MARKERS: u64 = 4;

/// Raster, scan, rate and packing of a video stream. What its packets do not show is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a line; absent if each packet has a whole line.
    pub width: Option<u32>,
    /// Lines of a frame, of both fields together.
    pub height: u32,
    /// Order of the lines.
    pub scan: Scan,
    /// Frames a second.
    pub rate: Option<MeasuredRate>,
    /// Pixels of a line and bytes, in lowest terms; absent as the width.
    pgroup: Option<(u32, u32)>,
}

impl Survey {
    /// The picture; `None` of another essence, and before some frames have arrived.
    #[must_use]
    pub fn picture(&self) -> Option<Picture> {
        if Essence::of(self) != Essence::Video || self.markers() < ENOUGH_MARKERS {
            return None;
        }
        let raster = self.raster();
        let scan = match (raster.interlaced(), self.steps().are_in_pairs()) {
            (false, _) => Scan::Progressive,
            (true, false) => Scan::Interlaced,
            (true, true) => Scan::Psf,
        };
        let rate = MeasuredRate::of_units(self.steps());
        let pgroup = raster.pgroup();
        Some(Picture {
            width: raster.width(),
            height: raster.height(),
            scan,
            rate: rate.map(|it| it.of_frames(raster.interlaced())),
            pgroup: pgroup.map(|(pixels, bytes)| (pixels.into(), bytes.into())),
        })
    }
}

impl Picture {
    /// The samplings and depths that have this packing, the usual ones first.
    pub fn samples(&self) -> impl Iterator<Item = (Sampling, Depth)> + use<> {
        let shown = self.pgroup;
        let all = Sampling::ALL.iter();
        all.flat_map(|sampling| Depth::ALL.iter().map(move |depth| (*sampling, *depth)))
            .filter(move |(sampling, depth)| shown.is_some() && ratio(*sampling, *depth) == shown)
    }

    /// Whether the packets show another format than `format`.
    #[must_use]
    pub fn differs_from(&self, format: &VideoFormat) -> bool {
        let pgroup = Pgroup::of(format.sampling(), format.depth());
        let (pixels, lines) = pgroup.map_or((1, 1), |it| (it.pixels, it.lines));
        // A pgroup of two lines has the number of the first one.
        let rows = format.height() + 1 - lines;
        let height = if format.scan() == Scan::Progressive {
            rows
        } else {
            rows.div_ceil(2) * 2
        };
        let rate = format.rate();
        let other_rate = self.rate.is_some_and(|it| {
            u64::from(it.num) * u64::from(rate.denominator())
                != u64::from(rate.numerator()) * u64::from(it.den)
        });
        let other_width = self
            .width
            .is_some_and(|it| it.div_ceil(pixels) != format.width().div_ceil(pixels));
        let ratio = ratio(format.sampling(), format.depth());
        let other_samples = self.pgroup.is_some() && self.pgroup != ratio;
        self.scan != format.scan()
            || self.height != height
            || other_rate
            || other_width
            || other_samples
    }
}

/// Pixels of a line and bytes of a format, in lowest terms.
fn ratio(sampling: Sampling, depth: Depth) -> Option<(u32, u32)> {
    let Pgroup { bytes, pixels, .. } = Pgroup::of(sampling, depth)?;
    let (mut common, mut rest) = (pixels, bytes);
    while rest != 0 {
        (common, rest) = (rest, common % rest);
    }
    Some((pixels / common, bytes / common))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;
    use crate::send::{PacketPlan as _, StreamHeader};
    use crate::video::FrameRate;
    use crate::video::Packing;
    use crate::video::st2110_20::Packetiser;
    use crate::video::survey::CapturedPacket;

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
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5004);
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

    const CASES: [Case; 6] = [
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
    ];

    #[test]
    fn picture_is_that_of_the_packets_and_of_no_other_format() {
        for case in CASES {
            let picture = survey(case).picture().unwrap();
            let ((width, _), samples, scan, (num, den)) = case;
            assert_eq!(
                (picture.width, picture.scan),
                (Some(width), scan),
                "{case:?}"
            );
            assert_eq!(picture.rate, Some(MeasuredRate { num, den }), "{case:?}");
            assert!(picture.samples().any(|it| it == samples), "{case:?}");
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
}
