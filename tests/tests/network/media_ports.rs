//! Ports whose interface or namespace is taken away under a running daemon.

use anyhow::Result;
use onair_api::{HealthStatus, Source};
use onair_stage::Veth;
use onair_tests::{Deadline, Raster, RelayedVideo, Rig, output, until};

fn video(rig: &Rig) -> Result<RelayedVideo> {
    let mut video = RelayedVideo::start(rig, Raster::SMALL, Source::Pattern)?;
    video.viewer.wait(20, Deadline::seconds(20))?;
    Ok(video)
}

#[test]
fn interface_made_again_then_sessions_go_on_without_a_restart() -> Result<()> {
    let mut rig = Rig::pair()?;
    let mut video = video(&rig)?;
    let namespace = rig.stage().namespace().to_owned();
    for _ in 0..2 {
        output("ip", &["-n", &namespace, "link", "delete", "va"])?;
        until(
            "health to name the interface",
            Deadline::seconds(20),
            || {
                let problems = video.control.health()?.problems;
                let names = |problem: &String| problem.contains("there is no interface v");
                Ok((problems.iter().filter(|it| names(it)).count() == 2).then_some(()))
            },
        )?;
        rig.stage().veth(&Veth::bare("va", "vb"))?;
        until("both ports to be back", Deadline::seconds(20), || {
            Ok(video.control.troubles()?.is_empty().then_some(()))
        })?;
        let more = video.viewer.taken()? + 20;
        video.viewer.wait(more, Deadline::seconds(20))?;
    }
    // What the ports have put on the new interfaces is undone, also after a sudden death.
    rig.kill_daemon()?;
    rig.start_daemon()?;
    self::video(&rig)?.end()?;
    // An end while a port is missing.
    output("ip", &["-n", &namespace, "link", "delete", "va"])?;
    let mut control = rig.control()?;
    until(
        "health to name the interface",
        Deadline::seconds(20),
        || Ok((control.health()?.status == HealthStatus::Degraded).then_some(())),
    )?;
    rig.stop_daemon()?;
    Ok(())
}

#[test]
fn namespace_loses_its_name_then_frames_flow_and_restart_tells() -> Result<()> {
    let mut rig = Rig::pair()?;
    let mut video = video(&rig)?;
    let namespace = rig.stage().namespace().to_owned();
    // The ports' sockets keep the namespace itself, and what is in it.
    output("ip", &["netns", "delete", &namespace])?;
    let more = video.viewer.taken()? + 60;
    video.viewer.wait(more, Deadline::seconds(20))?;
    assert!(video.control.health()?.ready);
    let (_, seen) = video.end()?;
    assert!(seen.iter().all(|it| it.pattern_number() == Some(it.number)));
    rig.stop_daemon()?;
    let refused = rig.start_daemon().expect_err("there is no such namespace");
    let message = format!("{refused:#}");
    assert!(message.contains(&namespace), "{message}");
    Ok(())
}
