//! Which JPEG XS OnAir carries.

use onair_essence::jpeg_xs::codestream::sublevel_bits;
use onair_essence::jpeg_xs::{JpegXsDocument, JpegXsStream, PacketMode};
use onair_essence::video::{FrameRate, STANDARD_MAX_UDP, Sampling, Scan};
use onair_essence::{Format, FormatDocument};

use super::NotCarried;
use crate::error::Notes;
use crate::essence::compressed::Compressed;

/// Bytes for headers, beside the pixels.
const HEADERS: u64 = 1_024;

impl Compressed {
    /// As [`Self::carried`]; a bandwidth that no session has is noted, and the bytes are those of the sublevel.
    pub(super) fn carried_within(
        &self,
        bandwidth: Option<u64>,
        line: usize,
        notes: &mut Notes,
    ) -> Result<FormatDocument, NotCarried> {
        let carried = FormatDocument::JpegXs(self.carried(bandwidth)?);
        let is_impossible = || {
            let errors = Format::try_from(carried.clone()).err();
            errors.is_some_and(|it| it.0.iter().any(|it| it.field == "jpeg_xs.bytes"))
        };
        if let Some(kbps) = bandwidth
            && is_impossible()
            && let Ok(of_sublevel) = self.carried(None)
        {
            let reason =
                "not used: no session has as many bytes a frame, those of the sublevel are taken";
            notes.add(line, "b", Some(&format!("AS:{kbps}")), reason);
            return Ok(FormatDocument::JpegXs(of_sublevel));
        }
        Ok(carried)
    }

    /// The format as a session specification has it. `bandwidth`: `b=AS` in kbit/s, from which the bytes of a frame follow;
    /// without it, from the sublevel.
    ///
    /// # Errors
    /// [`NotCarried`]: a parameter that is absent, or not carried.
    pub fn carried(&self, bandwidth: Option<u64>) -> Result<JpegXsDocument, NotCarried> {
        let absent = NotCarried::Missing;
        let not = |parameter, value: &str, carried| NotCarried::Value {
            parameter,
            value: value.to_owned(),
            carried,
        };
        let (width, height) = (
            self.width.ok_or_else(|| absent("width"))?,
            self.height.ok_or_else(|| absent("height"))?,
        );
        let rate = self.rate.ok_or(NotCarried::Rate)?;
        let sampling = self.sampling.ok_or_else(|| absent("sampling"))?;
        let depth = self.depth.ok_or_else(|| absent("depth"))?;
        if depth.is_float() {
            return Err(not("depth", depth.as_str(), "8, 10, 12 and 16 bits"));
        }
        let units = match self.scan {
            Scan::Progressive => 1,
            Scan::Interlaced => 2,
            Scan::Psf => {
                return Err(not(
                    "segmented",
                    "segmented",
                    "frames and fields: have the sender compress each frame as one",
                ));
            }
        };
        let frames = rate.to_string();
        let unit_rate = frames.parse::<FrameRate>();
        let unit_rate = unit_rate.map(|it| if units == 2 { it.doubled() } else { it });
        let unit_rate =
            unit_rate.map_err(|_| not("exactframerate", &frames, "1 to 120 frames a second"))?;
        let of_sublevel = self
            .sublevel
            .as_deref()
            .and_then(sublevel_bits)
            .map(|bits| {
                let pixels = u64::from(width) * u64::from(height).div_ceil(units);
                HEADERS + (pixels * u64::from(bits)).div_ceil(8)
            });
        let of_bandwidth = bandwidth.map(|kbps| JpegXsStream::bytes_within(kbps, unit_rate));
        let bytes = of_bandwidth
            .or(of_sublevel)
            .ok_or_else(|| absent("b=AS (or sublevel)"))?;
        Ok(JpegXsDocument {
            width,
            height,
            frame_rate: frames,
            depth: depth.bits().into(),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            sampling: (sampling != Sampling::default()).then_some(sampling),
            scan: (self.scan != Scan::default()).then_some(self.scan),
            packet_mode: self.slices.then_some(PacketMode::Slice),
            out_of_order: (!self.in_order).then_some(true),
            profile: self.profile.clone(),
            level: self.level.clone(),
            sublevel: self.sublevel.clone(),
            max_udp: (self.max_udp != STANDARD_MAX_UDP).then(|| self.max_udp.into()),
            sender_type: self.sender,
            cmax: self.cmax,
            standard: self.standard,
            ..JpegXsDocument::default()
        }
        .looking(self.appearance))
    }
}
