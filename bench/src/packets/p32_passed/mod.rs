//! P32: a client that passes 1080p59.94 on, with a copy of its own: the first packet came in → the first packet came out at
//! the other end of the next wire. Line by line, and frame by frame as a client without lines has to, in turns.
//!
//! Sender, receiver, the client's sender and the receiver behind it are of one poller, on rings inside the daemon; both
//! senders are narrow. The client's sender has an offset that is larger by what the client takes at most: a line that is
//! filled later than its time comes too late.

mod passer;

use anyhow::{Context as _, Result, ensure};
use onair::Client;
use onair_api::{Source, SpecDocument};
use onair_essence::video::SenderType;
use onair_stage::{OfVideo as _, Raster, Rig, receive, send};

use crate::load::frame_consumer;
use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float, micros};
use crate::rig;
use crate::run::Run;
use passer::{Manner, Passer};

const RASTER: Raster = Raster::new(1920, 1080, 60, 10);
const RATE: &str = "60000/1001";
const IN: u16 = 5004;
const OUT: u16 = 5006;
/// TROFFSET of the client's sender, in µs.
const OFFSET_US: u32 = 1_600;
/// That of the raster, of the sender before it.
const RASTER_OFFSET_US: u32 = 637;
/// Frames of a turn, each manner.
const TURN: usize = 60;
const LIMIT_US: f64 = 1_500.0;
const RATIO: f64 = 0.1;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let mut rig = rig::wire("busy")?;
    let done = rig.start_daemon().and_then(|()| passed(&rig, run));
    let [lines, frames] = rig.end(done)?;
    let pinned = "the poller on the last core, the client at priority -20 on the first";
    let broken = |it: &Passed| Samples::from_iter([100.0 * float(it.broken) / float(it.all)]);
    Ok(vec![
        Row::of(
            "P32",
            "1080p59.94 line by line, first packet in → first out",
            "µs",
            &lines.times,
        )
        .beside("frame by frame", &lines.times, &frames.times)
        .pinned(pinned)
        .target(format!("p99 ≤ {LIMIT_US} µs, ≤ {RATIO} ×"), |it| {
            it.p99_at_most(LIMIT_US) && it.ratio_at_most(RATIO)
        }),
        Row::of(
            "P32",
            "frames that did not come out whole, line by line",
            "%",
            &broken(&lines),
        )
        .pinned(pinned)
        .none(),
    ])
}

/// What came out of one manner.
#[derive(Debug, Default)]
struct Passed {
    times: Samples,
    /// Frames.
    all: u64,
    /// Not whole, or not passed on.
    broken: u64,
}

fn passed(rig: &Rig, run: &Run) -> Result<[Passed; 2]> {
    let mut control = rig.control()?;
    let narrow = |mut spec: SpecDocument| {
        let video = spec.format.video_mut();
        RATE.clone_into(&mut video.frame_rate);
        video.sender_type = Some(SenderType::Narrow);
        spec.quota = Some(8);
        spec
    };
    let mut back = narrow(receive("back", RASTER, OUT));
    let mut out = narrow(send("out", RASTER, OUT, Source::Client));
    for spec in [&mut back, &mut out] {
        spec.flow.destination = format!("10.77.0.1:{OUT}");
        spec.format.video_mut().tr_offset_us = Some(OFFSET_US);
    }
    (back.port, out.port) = ("a".into(), "b".into());
    for spec in [back, out, narrow(receive("in", RASTER, IN))] {
        control.create(&spec)?;
    }
    let consumer = frame_consumer::start(rig.stage(), &rig.attach_socket(), "back", &[])?;
    let client = Client::at(rig.attach_socket());
    let passer = Passer {
        input: client.attach("in")?,
        output: client.attach("out")?,
        core: *place::cores()?.first().context("no core")?,
        ahead_ns: u64::from(OFFSET_US - RASTER_OFFSET_US) * 1_000,
    };
    control.create(&narrow(send("source", RASTER, IN, Source::Pattern)))?;
    let turns = run.either(20, 2);
    run.case("1080p59.94 through a client", turns);
    let skipped = std::thread::scope(|scope| {
        let passing = scope.spawn(|| passer.turns(turns, TURN, || run.step()));
        passing.join().expect("it does not panic")
    })?;
    for session in ["source", "out", "back"] {
        control.stop(session)?;
    }
    let mut passed = [(); 2].map(|()| Passed::default());
    for frame in consumer.taken()?.frames {
        let (manner, in_ns) = Manner::of_stamp(frame.stamp);
        // The first ones of a turn wait behind those of the other manner.
        let Some(in_ns) = in_ns else { continue };
        let it = &mut passed[manner as usize];
        it.all += 1;
        it.broken += u64::from(!frame.is_complete);
        if frame.is_complete {
            it.times
                .push(micros(frame.first_packet_ns.saturating_sub(in_ns)));
        }
    }
    passed[Manner::Lines as usize].broken += skipped;
    for it in &passed {
        let (came, all) = (it.all, turns * TURN);
        ensure!(came > all as u64 / 2, "{came} of {all} frames came out");
    }
    Ok(passed)
}
