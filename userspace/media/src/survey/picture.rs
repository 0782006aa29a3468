//! What a stream of ST 2110-20 carries, as far as its packets show it.

use onair_types::{Depth, Pgroup, Sampling, Scan};

use crate::video::VideoFormat;

use super::guess::{Essence, Rate};
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
    pub rate: Option<Rate>,
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
        let scan = match (raster.interlaced(), self.steps().repeat()) {
            (false, _) => Scan::Progressive,
            (true, false) => Scan::Interlaced,
            (true, true) => Scan::Psf,
        };
        let rate = Rate::of_units(self.steps());
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
            u64::from(it.num) * u64::from(rate.den()) != u64::from(rate.num()) * u64::from(it.den)
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
