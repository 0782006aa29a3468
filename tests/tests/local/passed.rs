//! What a filler submits has every reader.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use onair_api::{Direction, SessionProblemKind as Kind, SignalState};
use onair_tests::{Rig, Seen, TestClient, balanced, onairctl, program, wait_for};

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

/// `onairctl pipe` with these arguments.
fn pipe(rig: &Rig, arguments: &str) -> Result<Command> {
    let mut command = Command::new(program("onairctl")?);
    command
        .arg("pipe")
        .args(arguments.split(' '))
        .env("ONAIR_ATTACH", rig.attach_socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

#[test]
fn frames_through_pipes_then_the_reader_has_those_of_the_filler() -> Result<()> {
    const FRAMES: u8 = 20;
    let rig = Rig::rings()?;
    let create = "session create mix --local --size 320x180 --rate 50 --depth 8 --quota 64";
    let ran = onairctl(&rig, create)?;
    ensure!(ran.code == 0 && ran.out.contains("local"), "{ran:?}");
    // Planes of 4:2:2, each frame of one shade.
    let frame_bytes = 320 * 180 * 2;
    let shades = (0..FRAMES).map(|shade| vec![shade + 16; frame_bytes]);
    let frames: Vec<u8> = shades.flatten().collect();
    let mut reader = pipe(&rig, "mix --format raw --layout yuv422p --frames 20")?.spawn()?;
    let mut control = rig.control()?;
    wait_for("the reader to attach", 30, || {
        Ok(control.show("mix")?.attachments.len() == 1)
    })?;
    let mut writer = pipe(&rig, "mix --send --format raw --layout yuv422p")?.spawn()?;
    let mut input = writer.stdin.take().context("its input")?;
    let sent = frames.clone();
    let feeding = thread::spawn(move || input.write_all(&sent));
    let mut output = Vec::new();
    let mut taken = reader.stdout.take().context("its frames")?;
    taken.read_to_end(&mut output)?;
    feeding.join().expect("it does not panic")?;
    for (name, child) in [("reader", reader), ("writer", writer)] {
        let done = child.wait_with_output()?;
        ensure!(done.status.success(), "{name}: {done:?}");
    }
    ensure!(output == frames, "{} bytes", output.len());
    Ok(())
}
