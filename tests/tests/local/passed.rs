//! What a filler submits has every reader.

use anyhow::{Result, ensure};
use onair_api::{Direction, SessionProblemKind as Kind, SignalState};
use onair_tests::{Seen, TestClient, balanced, wait_for};

use super::{AMPLE, filler, with_mix};

const FRAMES: u64 = 60;

/// What a reader saw of the frames that it watched.
fn watched(reader: &mut TestClient) -> Result<Vec<Seen>> {
    let event = reader.event("watched")?;
    Ok(serde_json::from_value(event["frames"].clone())?)
}

#[test]
fn frames_of_a_filler_then_three_readers_have_each_whole() -> Result<()> {
    let (rig, mut control) = with_mix(AMPLE)?;
    let mut readers = [rig.user("mix")?, rig.user("mix")?, rig.user("mix")?];
    control.await_problem("mix", Kind::NoFiller)?;
    let idle = control.show("mix")?.signal;
    ensure!(idle.is_some_and(|it| it.state == SignalState::Absent));
    // The last place is the filler's.
    ensure!(rig.test_client()?.errno("attach mix")? == "EDQUOT");
    let mut filler = filler(&rig)?;
    for reader in &mut readers {
        reader.say(format_args!("watch {FRAMES}"))?;
    }
    filler.say(format_args!("submit {FRAMES}"))?;
    for reader in &mut readers {
        let frames = watched(reader)?;
        for (frame, number) in frames.iter().zip(0..) {
            ensure!(frame.checksum_right && frame.complete, "{frame:?}");
            ensure!(
                (frame.number, frame.head[0]) == (number, number),
                "{frame:?}"
            );
            ensure!(frame.media_time_ns.is_some(), "{frame:?}");
        }
        ensure!(frames.len() as u64 == FRAMES);
    }
    wait_for("the problem to be over", 30, || {
        Ok(control.show("mix")?.problems.is_empty())
    })?;
    let view = control.show("mix")?;
    ensure!(view.direction == Direction::Local && view.port.is_empty());
    let fills: Vec<_> = view.attachments.iter().filter(|it| it.fills).collect();
    ensure!(
        fills.len() == 1 && fills[0].pid == filler.pid(),
        "{view:#?}"
    );
    ensure!(view.counters.frames_complete == FRAMES);
    ensure!(view.counters.frames_submitted == FRAMES);
    control.stop("mix")?;
    let certificate = control.destroy_wait("mix")?;
    balanced(&certificate, 0)
}
