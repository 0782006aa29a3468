//! Clients that send, and clients that do not keep up.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use anyhow::{Context as _, Result};
use onair::{Session, Timeout};
use onair_api::Source;
use onair_tests::{Circuit, Config, Deadline, QUOTA, Raster, Rig, Seen};

/// Frames that the client sends.
const FRAMES: u64 = 120;

fn client_sends(rig: &Rig, raster: Raster) -> Result<()> {
    let mut circuit = Circuit::start(rig, raster, Source::Client)?;
    let mut source = rig.puppet()?;
    source.say("attach out")?;
    source.say(format_args!("submit {FRAMES}"))?;
    // It leaves at once: what it has submitted is sent nevertheless.
    source.say("detach")?;
    source.leave()?;
    circuit.viewer.wait(FRAMES, Deadline::seconds(20))?;
    let (out, seen) = circuit.end().with_context(|| format!("{raster:?}"))?;
    assert_eq!(out.frames_sent, FRAMES);
    let ticks = 90_000 / raster.rate;
    for (number, frame) in (0..FRAMES).zip(&seen) {
        assert!(frame.complete && frame.checksum_right, "{frame:?}");
        assert_eq!(frame.head[0], number, "{frame:?}");
    }
    for pair in seen.windows(2) {
        let step = pair[1].rtp_timestamp.wrapping_sub(pair[0].rtp_timestamp);
        assert!(step > 0 && step.is_multiple_of(ticks), "{pair:?}");
    }
    Ok(())
}

#[test]
fn client__sends_frames_and_leaves__then_all_arrive_in_order() -> Result<()> {
    let rig = Rig::pair()?;
    client_sends(&rig, Raster::new(320, 180, 60, 10))?;
    client_sends(&rig, Raster::new(640, 360, 50, 8))
}

#[test]
fn client__holds_its_whole_quota__then_it_keeps_its_frames_and_another_loses_none() -> Result<()> {
    let rig = Rig::pair()?;
    let mut circuit = Circuit::start(&rig, Raster::SMALL, Source::Pattern)?;
    let slow = Session::attach(Config::attach_socket(rig.stage()), "in")?;
    let held = (0..QUOTA)
        .map(|_| Ok(slow.buffer_get(Timeout::millis(10_000))?))
        .collect::<Result<Vec<_>>>()?;
    let as_taken: Vec<_> = held.iter().map(Seen::of).collect();

    // Every frame of the session's memory is used again and again meanwhile.
    let more = circuit.viewer.taken()? + 200;
    circuit.viewer.wait(more, Deadline::seconds(30))?;
    let counters = circuit.control.show("in")?.counters;
    assert!(counters.frames_dropped_slow > 0, "{counters:?}");
    assert!(matches!(
        slow.buffer_get(Timeout::NOW),
        Err(onair::Error::TimedOut)
    ));
    let as_held: Vec<_> = held.iter().map(Seen::of).collect();
    assert_eq!(as_held, as_taken, "a frame changed in its holder's hands");
    assert!(
        as_held
            .iter()
            .all(|frame| frame.pattern_number() == Some(frame.number))
    );

    // It gets new ones as soon as it gives back.
    drop(held);
    let next = slow.buffer_get(Timeout::millis(10_000))?;
    assert!(next.number() > as_held[as_held.len() - 1].number + 100);
    drop(next);
    slow.detach()?;
    circuit.control.stop("out")?;
    circuit.settle()?;
    circuit.control.stop("in")?;
    let seen = circuit.viewer.seen()?;
    for pair in seen.windows(2) {
        assert_eq!(
            pair[1].number,
            pair[0].number + 1,
            "the viewer lost a frame"
        );
    }
    assert!(
        seen.iter()
            .all(|frame| frame.pattern_number() == Some(frame.number))
    );
    assert_eq!(circuit.control.show("in")?.counters.frames_no_buffer, 0);
    Ok(())
}
