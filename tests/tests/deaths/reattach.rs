//! A client that attaches again by itself, whatever ends its session.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use onair::{Client, Ended, Error, Gap, Next, Reattaching, Timeout};
use onair_api::{Source, SpecDocument};
use onair_tests::{Config, Control, QUOTA, Raster, Rig, receive, send};

/// 50 frames a second.
const RASTER: Raster = Raster::new(64, 32, 50, 8);

/// `cam` receives what `out` sends; both come back when the daemon starts anew.
pub(crate) fn on_air(control: &mut Control) -> Result<()> {
    for spec in [
        receive("cam", RASTER, 5000),
        send("out", RASTER, 5000, Source::Pattern),
    ] {
        control.create(&SpecDocument {
            persistent: Some(true),
            quota: Some(QUOTA),
            ..spec
        })?;
    }
    control.start("cam")?;
    control.start("out")?;
    Ok(())
}

fn client(rig: &Rig) -> Client {
    Client::at(Config::attach_socket(rig.stage()))
}

/// Takes frames until one comes after a gap.
fn gap(cam: &mut Reattaching) -> Result<Gap> {
    for _ in 0..200 {
        if let Next::Resumed(gap, _) = cam.buffer_get(Timeout::millis(30_000))? {
            return Ok(gap);
        }
    }
    bail!("200 frames without a gap");
}

/// Takes a frame that comes without a gap before it.
fn frame(cam: &mut Reattaching) -> Result<()> {
    let next = cam.buffer_get(Timeout::millis(30_000))?;
    ensure!(matches!(next, Next::Buffer(_)), "{next:?}");
    Ok(())
}

#[test]
fn session_ends_in_each_way_then_attached_again_and_told_once() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    on_air(&mut control)?;
    let mut cam = client(&rig).reattaching("cam")?;
    frame(&mut cam)?;

    control.stop("cam")?;
    let silent = cam.buffer_get(Timeout::millis(200));
    assert!(matches!(silent, Err(Error::TimedOut)), "{silent:?}");
    assert_eq!(cam.silence().context("silence")?.1, Ended::Stopped);
    control.start("cam")?;
    let stopped = gap(&mut cam)?;
    assert_eq!(stopped.ended, Ended::Stopped);
    frame(&mut cam)?;
    // Between two calls.
    control.stop("cam")?;
    control.start("cam")?;
    assert_eq!(gap(&mut cam)?.ended, Ended::Stopped);
    frame(&mut cam)?;

    let id = cam.session().context("attached")?.id();
    control.abort("cam")?;
    let silent = cam.buffer_get(Timeout::millis(200));
    assert!(matches!(silent, Err(Error::TimedOut)), "{silent:?}");
    assert!(
        matches!(cam.cause(), Some(Error::Stale)),
        "{:?}",
        cam.cause()
    );
    control.create(&receive("cam", RASTER, 5000))?;
    control.start("cam")?;
    let destroyed = gap(&mut cam)?;
    assert_eq!(destroyed.ended, Ended::Session);
    assert_eq!(destroyed.last.context("frames before")?.session, id);
    assert!(destroyed.first.session > id);
    // 200 ms of silence are ten frames.
    assert!(destroyed.missing >= Some(9), "{destroyed:?}");
    assert!(
        destroyed.lasted >= Duration::from_millis(150),
        "{destroyed:?}"
    );
    frame(&mut cam)
}

#[test]
fn daemon_killed_or_stopped_then_both_directions_go_on() -> Result<()> {
    let mut rig = Rig::rings()?;
    on_air(&mut rig.control()?)?;
    let mut cam = client(&rig).reattaching("cam")?;
    let kept = cam.buffer_get(Timeout::millis(30_000))?.into_buffer();
    let bytes = kept.to_vec();

    rig.kill_daemon()?;
    let silent = cam.buffer_get(Timeout::millis(200));
    assert!(matches!(silent, Err(Error::TimedOut)), "{silent:?}");
    assert_eq!(cam.silence().context("silence")?.1, Ended::Daemon);
    rig.start_daemon()?;
    let killed = gap(&mut cam)?;
    assert_eq!(killed.ended, Ended::Daemon);
    assert!(killed.missing >= Some(9), "{killed:?}");
    frame(&mut cam)?;
    assert_eq!(
        &kept[..],
        &bytes[..],
        "a frame of the dead daemon keeps its bytes"
    );
    drop(kept);

    rig.control()?.create(&SpecDocument {
        persistent: Some(true),
        ..send("from-here", RASTER, 5001, Source::Client)
    })?;
    let mut sender = client(&rig).reattaching("from-here")?;
    let first = sender.buffer_get_mut(Timeout::millis(30_000))?;
    first.into_buffer().submit()?;
    rig.stop_daemon()?;
    let silent = cam.buffer_get(Timeout::NOW);
    assert!(matches!(silent, Err(Error::TimedOut)), "{silent:?}");
    rig.start_daemon()?;
    assert_eq!(gap(&mut cam)?.ended, Ended::Daemon);
    frame(&mut cam)?;
    match sender.buffer_get_mut(Timeout::millis(30_000))? {
        Next::Resumed(gap, buffer) => {
            assert_eq!((gap.ended, gap.missing), (Ended::Daemon, None));
            buffer.submit()?;
        }
        next @ Next::Buffer(_) => panic!("{next:?}"),
    }
    let session = sender.session().context("attached")?;
    assert_eq!(session.flush(Duration::from_secs(30))?, 1);
    Ok(())
}
