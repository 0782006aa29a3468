//! The clock of what a sender sends.

use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};
use onair_tests::{Deadline, Raster, RelayedVideo, Rig};
use onair_types::Source;

/// By `CLOCK_TAI`.
fn tai() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_TAI)?.into())
}

/// The RTP clock at a time, before it is cut to 32 bits.
fn ticks(tai: Duration) -> u128 {
    tai.as_nanos() * 90_000 / 1_000_000_000
}

#[test]
fn pattern_sent_then_each_timestamp_is_that_of_a_frame_since_the_epoch() -> Result<()> {
    let rig = Rig::pair()?;
    let begin = ticks(tai()?);
    let mut video = RelayedVideo::start(&rig, Raster::SMALL, Source::Pattern)?;
    video.viewer.wait(20, Deadline::seconds(20))?;
    let health = video.control.health()?;
    let (_, seen) = video.end()?;
    let end = ticks(tai()?);

    let ticks = u128::from(90_000 / Raster::SMALL.rate);
    for frame in &seen {
        let turn = begin >> 32;
        let timestamp = u128::from(frame.rtp_timestamp);
        let whole = [turn << 32 | timestamp, (turn + 1) << 32 | timestamp];
        let whole = whole.into_iter().find(|it| (begin..end).contains(it));
        let whole = whole.with_context(|| format!("not between {begin} and {end}: {frame:?}"))?;
        assert!(whole.is_multiple_of(ticks), "{frame:?}");
        let media_ns = whole * 1_000_000_000 / 90_000;
        assert_eq!(frame.media_time_ns.map(u128::from), Some(media_ns));
    }
    let clock = health.clock.context("health tells the clock")?;
    let offset_s = clock.tai_minus_utc_s;
    let ahead = tai()?.saturating_sub(clock_gettime(ClockId::CLOCK_REALTIME)?.into());
    assert!(ahead.abs_diff(Duration::from_secs(offset_s)) < Duration::from_secs(1));
    Ok(())
}
