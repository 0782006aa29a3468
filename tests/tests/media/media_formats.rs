//! Every sampling and depth, fields, segments and block packing, out of one port and into another.

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_essence::video::VideoDocument;
use onair_essence::video::{Depth, Pgroup, Sampling, Scan};
use onair_tests::{Deadline, Raster, RelayedVideo, Rig, Seen};

/// Buffers of each format.
const BUFFERS: u64 = 8;

/// Sends the pattern until `BUFFERS` buffers have come, and looks at each.
fn carry(rig: &Rig, raster: Raster, adapt: impl Fn(&mut VideoDocument)) -> Result<Vec<Seen>> {
    let mut video = RelayedVideo::of(rig, raster, Source::Pattern, adapt)?;
    video.viewer.wait(BUFFERS, Deadline::seconds(40))?;
    let (_, seen) = video.end()?;
    for frame in &seen {
        assert_eq!(frame.pattern_number(), Some(frame.number), "{frame:?}");
    }
    Ok(seen)
}

#[test]
fn pattern_in_each_sampling_and_in_fields_then_all_are_right() -> Result<()> {
    let rig = Rig::pair()?;
    let mut formats = 0;
    for sampling in Sampling::ALL {
        for depth in Depth::ALL {
            if Pgroup::of(*sampling, *depth).is_none() {
                continue;
            }
            // No multiple of a pgroup of four pixels.
            let raster = Raster::new(102, 62, 60, depth.bits().into());
            carry(&rig, raster, |video| {
                video.sampling = Some(*sampling);
                video.float = Some(depth.is_float());
            })
            .with_context(|| format!("{sampling} {depth}"))?;
            formats += 1;
        }
    }
    assert_eq!(formats, 54);
    fields(&rig)
}

/// Each field comes with its parity and its time.
fn fields(rig: &Rig) -> Result<()> {
    for (height, sampling) in [(62, Sampling::YCbCr422), (487, Sampling::Rgb)] {
        let seen = carry(rig, Raster::new(102, height, 25, 10), |video| {
            video.sampling = Some(sampling);
            video.scan = Some(Scan::Interlaced);
        })?;
        for field in &seen {
            let second = u8::try_from(field.number % 2)?;
            assert_eq!(field.field, Some(1 + second), "{field:?}");
        }
        for pair in seen.windows(2) {
            let ticks = pair[1].rtp_timestamp.wrapping_sub(pair[0].rtp_timestamp);
            // A field's time may pass unused when the machine is busy, but never that of one only.
            let fields = pair[1].number - pair[0].number;
            assert_eq!(u64::from(ticks / 1800) % 2, fields % 2, "{pair:?}");
            assert_eq!(ticks % 1800, 0, "{pair:?}");
        }
    }
    Ok(())
}
