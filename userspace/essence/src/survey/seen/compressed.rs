//! What a stream of JPEG XS is, as far as its packets show it.

use crate::ancillary::unit::Signalled;
use crate::jpeg_xs::SeenJpegXs;
use crate::jpeg_xs::codestream::UnitHeader;
use crate::jpeg_xs::rfc9134::{HEADER_BYTES, PayloadHeader};
use crate::survey::guess::{Guess, rate_of_units};
use crate::survey::stream::Survey;
use crate::video::Scan;

/// Markers after which a survey has seen some times of units.
const ENOUGH_MARKERS: u64 = 4;

/// What the packets of a stream show, if it is JPEG XS.
#[derive(Debug, Clone, Default)]
pub(in crate::survey) struct Codestreams {
    /// The headers of the first unit that shows some.
    first: Option<(PayloadHeader, UnitHeader)>,
    /// A second field came.
    interlaced: bool,
    /// Bytes since the last marker.
    bytes: u64,
    /// Most bytes from marker to marker.
    most: u64,
}

impl Codestreams {
    /// Adds a payload; `payload_bytes` are its bytes on the wire.
    pub(in crate::survey) fn add(&mut self, payload: &[u8], payload_bytes: usize, marker: bool) {
        let Ok((header, data)) = PayloadHeader::parse(payload) else {
            return;
        };
        self.interlaced |= header.field == Signalled::Second;
        self.bytes += payload_bytes.saturating_sub(HEADER_BYTES) as u64;
        if marker {
            self.most = self.most.max(self.bytes);
            self.bytes = 0;
        }
        if self.first.is_none() && header.place() == 0 {
            let unit = UnitHeader::parse(data).ok();
            self.first = unit.map(|unit| (header, unit));
        }
    }
}

impl Survey {
    /// Raster, rate and samples; `None` of another essence, and before some units have arrived.
    pub(super) fn compressed(&self) -> Option<SeenJpegXs> {
        if Guess::of(self) != Guess::JpegXs || self.markers() < ENOUGH_MARKERS {
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
