//! The source in a pipeline of this process: what the pipeline asks of it while it plays.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gstreamer as gst;
use gstreamer::prelude::*;
use onair_api::Source;
use onair_tests::{Config, program, wait_for};

use super::lab;

const SOON: Duration = Duration::from_secs(20);

/// A buffer, as far as the tests look at it.
pub(crate) struct Seen {
    pub(crate) number: u64,
    pts: gst::ClockTime,
    pub(crate) is_discontinuous: bool,
    has_time: bool,
    has_planes: bool,
}

/// A pipeline that ends with its owner.
pub(crate) struct Pipeline(pub(crate) gst::Pipeline);

impl Pipeline {
    pub(crate) fn new(text: &str) -> Result<Self> {
        gst::init()?;
        let plugin = gst::Plugin::load_file(program("deps/libgstonair.so")?)?;
        gst::Registry::get().add_plugin(&plugin)?;
        let pipeline = gst::parse::launch(text)?;
        let pipeline = pipeline.downcast::<gst::Pipeline>();
        Ok(Self(pipeline.map_err(|_| anyhow::anyhow!("no pipeline"))?))
    }

    pub(crate) fn set(&self, state: gst::State) -> Result<gst::StateChangeSuccess> {
        self.0.set_state(state)?;
        let (result, now, _) = self.0.state(gst::ClockTime::from_seconds(20));
        ensure!(now == state, "{now:?}");
        Ok(result?)
    }

    /// No element has told of an error, or of a frame that it dropped.
    pub(crate) fn is_well(&self) -> Result<()> {
        use gst::MessageType as Of;
        let bus = self.0.bus().context("a bus")?;
        let told = bus.pop_filtered(&[Of::Qos, Of::Error, Of::Warning]);
        ensure!(told.is_none(), "{told:?}");
        Ok(())
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// `onairsrc` into a sink that tells of each buffer.
pub(crate) struct Playing {
    pub(crate) pipeline: Pipeline,
    pub(crate) seen: Receiver<Seen>,
}

impl Playing {
    pub(crate) fn new(socket: &str) -> Result<Self> {
        let text = format!(
            "onairsrc name=source session=cam socket={socket} ! fakesink name=sink signal-handoffs=true sync=true"
        );
        let pipeline = Pipeline::new(&text)?;
        let (tell, seen) = channel();
        let sink = pipeline.0.by_name("sink").context("the sink")?;
        sink.connect("handoff", false, move |values| {
            let buffer = values[1].get::<gst::Buffer>().ok()?;
            let told = tell.send(Seen {
                number: buffer.offset(),
                pts: buffer.pts()?,
                is_discontinuous: buffer.flags().contains(gst::BufferFlags::DISCONT),
                has_time: buffer.meta::<gst::ReferenceTimestampMeta>().is_some(),
                has_planes: buffer.meta::<gstreamer_video::VideoMeta>().is_some(),
            });
            drop(told);
            None
        });
        Ok(Self { pipeline, seen })
    }

    /// The next frames.
    pub(crate) fn frames(&self, count: usize) -> Result<Vec<Seen>> {
        (0..count)
            .map(|_| Ok(self.seen.recv_timeout(SOON)?))
            .collect()
    }
}

#[test]
fn source_paused_played_and_sought_then_live_from_where_it_is() -> Result<()> {
    let (rig, mut control) = lab(Source::Pattern)?;
    let socket = Config::attach_socket(rig.stage());
    let it = Playing::new(socket.to_str().context("a path of UTF-8")?)?;
    assert_eq!(
        it.pipeline.set(gst::State::Paused)?,
        gst::StateChangeSuccess::NoPreroll
    );
    it.pipeline.set(gst::State::Playing)?;
    let frames = it.frames(20)?;
    ensure!(frames.is_sorted_by(|a, b| a.pts < b.pts), "times");
    ensure!(frames[0].is_discontinuous && frames.iter().all(|it| it.has_planes && it.has_time));

    let mut latency = gst::query::Latency::new();
    let source = it.pipeline.0.by_name("source").context("the source")?;
    ensure!(source.query(&mut latency));
    let (live, least, most) = latency.result();
    let frame = gst::ClockTime::from_mseconds(20);
    ensure!(
        live && least == frame && most >= Some(frame),
        "{live} {least} {most:?}"
    );
    let sought = it
        .pipeline
        .0
        .seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO);
    ensure!(sought.is_err(), "it can seek");

    // In a pause no frame passes, and no loan is kept.
    it.pipeline.set(gst::State::Paused)?;
    while it.seen.try_recv().is_ok() {}
    let before = control.show("cam")?.counters.frames_complete;
    wait_for("frames in the session", 20, || {
        Ok(control.show("cam")?.counters.frames_complete > before + 10)
    })?;
    ensure!(it.seen.try_recv().is_err(), "a frame passes");
    it.pipeline.set(gst::State::Playing)?;
    let frames = it.frames(10)?;
    // The first may have waited for the end of the pause.
    let is_gap = frames.iter().any(|it| it.is_discontinuous);
    ensure!(is_gap, "no gap after the pause");

    // A session that is stopped and started is no end.
    control.stop("cam")?;
    control.start("cam")?;
    it.frames(10)?;
    Ok(())
}
