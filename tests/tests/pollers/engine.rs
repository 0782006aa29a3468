//! A poller whose DMA engine copies the payloads: DPDK's engine in software, which is a thread.

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_tests::{
    Backend, Config, Control, Deadline, Frozen, Raster, Rig, Viewer, send, until, wait_for,
};

/// More packets in a poller's nap than a burst has.
const RASTER: Raster = Raster::new(1280, 720, 25, 8);
const ROUNDS: usize = 12;
/// The thread that is the engine.
const THREAD: &str = "dma_skel_0";

fn rig(backend: Backend, dma: &str) -> Result<Rig> {
    let config = Config {
        poller_keys: format!("dma = \"{dma}\"\n"),
        ..Config::pair(backend)
    };
    Rig::with(config, |_| {})
}

/// A counter of the poller.
fn counted(rig: &Rig, name: &str) -> Result<u64> {
    let scraped = rig.scrape()?;
    let start = format!("onair_poller_{name}{{");
    let line = scraped.lines().find(|line| line.starts_with(&start));
    let number = line.and_then(|line| line.rsplit_once(' '));
    Ok(number.context(start.clone())?.1.parse()?)
}

fn sends(control: &mut Control, raster: Raster) -> Result<()> {
    control.create(&send("out", raster, 6000, Source::Pattern))?;
    Ok(())
}

fn each_frame_is_whole(backend: Backend) -> Result<()> {
    let rig = rig(backend, "dma_skeleton")?;
    let mut control = rig.control()?;
    control.ample("in", RASTER, 6000)?;
    let mut viewer = Viewer::start(&rig, "in")?;
    sends(&mut control, RASTER)?;
    viewer.wait(100, Deadline::seconds(40))?;
    let sent = control.end("out")?.frames;
    wait_for("what was sent to be received", 20, || {
        Ok(control.show("in")?.counters.packets >= sent.packets)
    })?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    assert_eq!(seen.len() as u64, sent.frames_sent);
    for frame in seen {
        assert_eq!(
            frame.pattern_number(),
            Some(frame.number),
            "{backend}: {frame:?}"
        );
    }
    // On a busy machine its thread may be given up: the core's copies are as right.
    let copied = counted(&rig, "dma_copies_total")?;
    assert!(copied > 100, "{backend}: {copied}");
    control.stop("in")?;
    control.destroy_wait("in")?;
    Ok(())
}

#[test]
fn engine_copies_then_each_frame_is_what_was_sent() -> Result<()> {
    each_frame_is_whole(Backend::AfPacket)?;
    each_frame_is_whole(Backend::AfXdp)
}

#[test]
fn sessions_end_under_an_engines_copies_then_each_is_certified() -> Result<()> {
    let mut rig = rig(Backend::AfPacket, "dma_skeleton")?;
    let mut control = rig.control()?;
    sends(&mut control, Raster::SMALL)?;
    for _ in 0..ROUNDS {
        control.ample("in", Raster::SMALL, 6000)?;
        wait_for("some frames", 20, || {
            Ok(control.show("in")?.counters.frames_complete > 5)
        })?;
        control.stop("in")?;
        control.destroy_wait("in")?;
    }
    control.ample("in", Raster::SMALL, 6000)?;
    assert!(counted(&rig, "dma_copies_total")? > 100);
    let (code, summary) = rig.terminated()?;
    assert_eq!((code, summary.sessions.len()), (0, 2));
    Ok(())
}

#[test]
fn engine_hangs_then_the_core_copies_and_health_says_so() -> Result<()> {
    let mut rig = rig(Backend::AfPacket, "dma_skeleton")?;
    let pid = rig.daemon()?.pid();
    let mut control = rig.control()?;
    control.ample("in", Raster::SMALL, 6000)?;
    let mut viewer = Viewer::start(&rig, "in")?;
    sends(&mut control, Raster::SMALL)?;
    wait_for(
        "copies",
        20,
        || Ok(counted(&rig, "dma_copies_total")? > 100),
    )?;
    let frozen = Frozen::threads(pid, THREAD)?;
    let says = "DMA engine dma_skeleton ends no copy";
    until(
        "the log to say that the engine hangs",
        Deadline::seconds(20),
        || Ok(rig.daemon()?.log().contains(says).then_some(())),
    )?;
    // It stops when its thread runs again.
    drop(frozen);
    wait_for("the engine to be given up", 20, || {
        Ok(counted(&rig, "dma_lost")? == 1)
    })?;
    let problems = control.health()?.problems;
    let says = |it: &String| it.contains("DMA engine dma_skeleton of poller p0 hung");
    assert!(problems.iter().any(says), "{problems:?}");
    let before = counted(&rig, "dma_copies_total")?;
    let taken = viewer.taken()?;
    viewer.wait(taken + 50, Deadline::seconds(20))?;
    control.end("out")?;
    assert_eq!(counted(&rig, "dma_copies_total")?, before);
    control.stop("in")?;
    for frame in viewer.seen()?.iter().filter(|it| it.complete) {
        assert_eq!(frame.pattern_number(), Some(frame.number), "{frame:?}");
    }
    control.destroy_wait("in")?;
    Ok(())
}

#[test]
fn engine_that_is_not_there_then_the_daemon_says_which() -> Result<()> {
    let error = rig(Backend::Ring, "wq9.9").err().context("it started")?;
    let said = format!("{error:#}");
    assert!(
        said.contains("poller \"p0\": cannot find DMA engine wq9.9"),
        "{said}"
    );
    Ok(())
}
