//! Flush by the client library, and what becomes of one that waits when its frames cannot be sent.

use anyhow::{Result, ensure};
use onair_api::Source;
use onair_tests::{Control, Raster, Rig, TestClient, send, shutdown_status, wait_for};

/// Frames in flight: at one a second they take long enough for everything that a test does meanwhile.
const FRAMES: u64 = 4;

/// A send session at `rate` frames a second, and its client.
fn sender(rig: &Rig, control: &mut Control, rate: u32) -> Result<(TestClient, u64)> {
    let spec = send("out", Raster::new(64, 32, rate, 8), 5000, Source::Client);
    control.create(&spec)?;
    let mut client = rig.test_client()?;
    let attached = client.say("attach out")?;
    Ok((client, attached["attachment"].as_u64().unwrap_or_default()))
}

/// Submits [`FRAMES`] and waits in a flush of them.
fn waiting_flush(control: &mut Control, client: &mut TestClient) -> Result<()> {
    client.say(format_args!("submit {FRAMES}"))?;
    client.send("flush 600000")?;
    // It counts as an operation from before the control thread is asked until it is answered.
    wait_for("the flush to wait", 30, || {
        let status = shutdown_status(control)?;
        Ok(status.operations == 2)
    })
}

/// Frames that the flush waited for; `None` if it was cancelled.
fn flushed(client: &mut TestClient) -> Result<Option<u64>> {
    let answer = client.answer("flush")?;
    let frames = answer["frames"].as_u64();
    let is_cancelled = answer["error"]["errno"] == "ECANCELED";
    ensure!(frames.is_some() != is_cancelled, "{answer}");
    Ok(frames)
}

#[test]
fn flush_by_the_client_then_all_is_sent_and_the_session_goes_on() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let (mut client, _) = sender(&rig, &mut control, 60)?;
    client.say(format_args!("submit {FRAMES}"))?;
    let flushed = client.say("flush 30000")?;
    assert!(flushed["frames"].as_u64() <= Some(FRAMES), "{flushed}");
    assert_eq!(control.show("out")?.counters.frames_sent, FRAMES);
    assert_eq!(client.say("flush 30000")?["frames"], 0, "nothing is left");
    control.stop("out")?;
    control.destroy("out")?;
    assert_eq!(client.errno("flush 1000")?, "ESTALE");

    let (mut slow, _) = sender(&rig, &mut control, 1)?;
    slow.say(format_args!("submit {FRAMES}"))?;
    assert_eq!(slow.errno("flush 1")?, "ETIMEDOUT");
    slow.say("hold 1")?;
    Ok(())
}

#[test]
fn flush_waiting_and_its_client_evicted_then_frames_are_dropped() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let (mut client, attachment) = sender(&rig, &mut control, 1)?;
    waiting_flush(&mut control, &mut client)?;
    control.evict("out", attachment)?;
    assert_eq!(flushed(&mut client)?, None);
    assert_eq!(client.errno("flush 1000")?, "ESTALE");
    let counters = control.show("out")?.counters;
    assert!(counters.frames_sent < FRAMES, "{counters:?}");
    Ok(())
}

#[test]
fn flush_waiting_and_the_daemon_ends_then_all_was_sent() -> Result<()> {
    let (mut rig, mut control) = Rig::with_control()?;
    let (mut client, _) = sender(&rig, &mut control, 2)?;
    waiting_flush(&mut control, &mut client)?;
    rig.daemon()?
        .running()
        .signal(rustix::process::Signal::TERM)?;
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 0, "{summary:#?}");
    assert!(matches!(flushed(&mut client)?, Some(1..=FRAMES)));
    assert_eq!(summary.sessions[0].frames, FRAMES);
    Ok(())
}
