//! The format of a stream of JPEG XS, as far as its packets show it.

use crate::jpeg_xs::SeenJpegXs;
use crate::survey::guess::{Guess, rate_of_units};
use crate::survey::stream::Survey;
use crate::video::Scan;

impl Survey {
    /// Raster, rate and samples; `None` of another essence, and before some units have arrived.
    pub(super) fn compressed(&self) -> Option<SeenJpegXs> {
        if Guess::of(self) != Guess::JpegXs || !self.has_units() {
            return None;
        }
        let seen = self.codestreams();
        let (packet, unit) = seen.first.as_ref()?;
        let height = u32::from(unit.height);
        let rate = rate_of_units(self.steps())?.of_frames(seen.interlaced);
        Some(SeenJpegXs {
            jpeg_xs_width: unit.width.into(),
            height: if seen.interlaced { 2 * height } else { height },
            frame_rate: rate.to_string(),
            scan: match seen.interlaced {
                true => Scan::Interlaced,
                false => Scan::Progressive,
            },
            depth: unit.depth()?.into(),
            sampling: unit.structure()?.sampling(),
            bytes: u32::try_from(seen.most).ok()?,
            packet_mode: packet.mode,
            out_of_order: !packet.in_order,
        })
    }
}
