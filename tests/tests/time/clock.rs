//! The clock of what a sender sends.

use onair_stage::video_timing;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};
use onair_api::{SessionView, Source};
use onair_tests::{Deadline, Raster, RelayedVideo, Rig};

/// By `CLOCK_TAI`.
fn tai() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_TAI)?.into())
}

/// The RTP clock at a time, before it is cut to 32 bits.
fn ticks(tai: Duration) -> u128 {
    tai.as_nanos() * 90_000 / 1_000_000_000
}

#[test]
fn pattern_sent_then_timestamps_are_of_frames_since_the_epoch() -> Result<()> {
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

#[test]
fn timing_of_a_stream_is_measured_while_it_arrives() -> Result<()> {
    let rig = Rig::pair()?;
    let mut video = RelayedVideo::start(&rig, Raster::SMALL, Source::Pattern)?;
    let has_verdict =
        |view: &SessionView| video_timing(view).is_some_and(|timing| timing.compliance.is_some());
    video
        .control
        .await_view("in", "measured for a second", has_verdict)?;
    let view = video.control.show("in")?;
    let timing = video_timing(&view).context("it was there")?;
    // The last frame is not whole yet.
    let each = u64::from(timing.packets_per_frame);
    let whole = view.counters.frames_complete * each;
    let packets = view.counters.packets;
    assert!((whole..whole + 2 * each).contains(&packets), "{view:?}");
    let counted: u64 = timing.cinst.histogram.iter().map(|it| it.packets).sum();
    assert!(
        counted > 0 && counted <= view.counters.packets,
        "{timing:?}"
    );
    assert!(timing.cinst.min <= timing.cinst.max);
    // Both ends follow this machine's clock, which may not be TAI.
    let is_tai = video
        .control
        .health()?
        .clock
        .context("a clock")?
        .tai_minus_utc_s
        > 0;
    assert_eq!(timing.vrx.is_some(), is_tai, "{timing:?}");
    assert_eq!(timing.vrx_not_measured.is_none(), is_tai, "{timing:?}");
    let scraped = rig.scrape()?;
    let verdicts = scraped
        .lines()
        .filter(|line| line.starts_with("onair_session_compliance{"));
    assert_eq!(verdicts.filter(|line| line.ends_with(" 1")).count(), 1);
    video.end()?;
    Ok(())
}
