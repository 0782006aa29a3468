//! A soak. Not beside other tests: programs that they start would inherit the sockets of GStreamer.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use gstreamer as gst;
use gstreamer::prelude::*;
use onair_api::Source;
use onair_tests::Config;

use crate::tools::lab;
use crate::tools::playing::{Pipeline, Playing, Seen};

#[test]
fn pipelines_paused_and_sought_for_long_then_nothing_drops() -> Result<()> {
    let wanted = std::env::var("ONAIR_SOAK_SECONDS").ok();
    let wanted = Duration::from_secs(wanted.map_or(Ok(60), |it| it.parse())?);
    let (rig, mut control) = lab(Source::Client)?;
    let socket = Config::attach_socket(rig.stage());
    let socket = socket.to_str().context("a path of UTF-8")?;
    // Late frames are dropped; a busy machine's are not that late.
    let sender = Pipeline::new(&format!(
        "videotestsrc ! onairsink session=out socket={socket} max-lateness=500000000"
    ))?;
    let viewer = Playing::new(socket)?;
    let (begin, mut rounds) = (Instant::now(), 0);
    while begin.elapsed() < wanted {
        sender.set(gst::State::Playing)?;
        viewer.pipeline.set(gst::State::Playing)?;
        let frames = viewer.frames(50)?;
        let follows = |a: &Seen, b: &Seen| b.number == a.number + 1 || b.is_discontinuous;
        ensure!(frames.is_sorted_by(follows), "a gap");
        let start = gst::ClockTime::from_mseconds(20 * frames[0].number % 10_000);
        sender.0.seek_simple(gst::SeekFlags::FLUSH, start)?;
        viewer.frames(25)?;
        sender.set(gst::State::Paused)?;
        viewer.pipeline.set(gst::State::Paused)?;
        while viewer.seen.try_recv().is_ok() {}
        let is_well = sender.is_well().and_then(|()| viewer.pipeline.is_well());
        if let Err(error) = is_well {
            let of = |name: &str| control.show(name).map(|it| it.counters);
            let counters = ["out", "cam"].map(of);
            bail!("{error:#}, in round {rounds}: {counters:?}");
        }
        rounds += 1;
    }
    // For the log of a run by hand.
    let sent = control.show("out")?.counters.frames_sent;
    let received = control.show("cam")?.counters;
    println!(
        "{rounds} pauses and seeks in {} s, {sent} frames sent, {} received, {} incomplete, {} packets lost, no QoS drop",
        begin.elapsed().as_secs(),
        received.frames_complete,
        received.frames_incomplete,
        received.packets_lost
    );
    Ok(())
}
