//! Owners that ask for a second thing while the first waits.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::operations::AbortSession;
use onair_api::{SessionState, Source, SpecDocument};
use onair_tests::{
    Config, Control, Raster, RawClient, Rig, receive, send, shutdown_status, wait_for,
};
use rustix::io::Errno;
use serde_json::{Value, json};

use super::scene::{refused, scene, unharmed};

/// Longer than a test takes.
const LONG: Duration = Duration::from_secs(100);

/// Lets another thread wait in `request`, and aborts the session of `owner` as soon as `is_waiting`. What
/// `request` came to.
fn aborted_beside(
    owner: &onair::Session,
    control: &mut Control,
    request: impl FnOnce() -> Result<(), onair::Error> + Send,
    mut is_waiting: impl FnMut(&mut Control) -> Result<bool>,
) -> Result<Result<(), onair::Error>> {
    thread::scope(|scope| {
        let waits = scope.spawn(request);
        wait_for("the request to wait", 10, || is_waiting(control))?;
        let (sender, receiver) = channel();
        scope.spawn(move || sender.send(owner.abort()));
        let aborted = receiver.recv_timeout(Duration::from_secs(20));
        if aborted.is_err() {
            // Ends what both of them wait for.
            control.try_on::<AbortSession>(owner.id(), Value::Null)?;
        }
        let waited = waits.join().expect("it does not panic");
        let certificate = aborted.context("the abort waits behind the other request")??;
        assert_eq!(certificate.document()["operation"], "abort");
        Ok(waited)
    })
}

/// A session of this process.
fn owned(rig: &Rig, spec: &SpecDocument) -> Result<onair::Session> {
    let spec = serde_json::from_value(serde_json::to_value(spec)?)?;
    Ok(onair::Client::at(Config::attach_socket(rig.stage())).create(&spec)?)
}

#[test]
fn owner_aborts_while_its_destroy_waits_then_both_are_answered() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let owner = owned(&rig, &receive("cam", Raster::SMALL, 5000))?;
    control.pattern("source", 5000)?;
    let mut holder = rig.user("cam")?;
    holder.say("hold 1")?;
    owner.stop();
    let waited = aborted_beside(
        &owner,
        &mut control,
        || owner.destroy_wait(LONG).map(drop),
        |control| Ok(control.show("cam")?.state == SessionState::Draining),
    )?;
    ensure!(matches!(waited, Err(onair::Error::Stale)), "{waited:?}");
    ensure!(matches!(owner.abort(), Err(onair::Error::Stale)));
    assert_eq!(holder.errno("get 0")?, "ESTALE");
    Ok(())
}

#[test]
fn owner_aborts_while_its_flush_waits_then_both_are_answered() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    // A frame a second.
    let spec = send("out", Raster::new(64, 32, 1, 8), 5000, Source::Client);
    let owner = owned(&rig, &spec)?;
    for _ in 0..4 {
        owner
            .buffer_get_mut(onair::Timeout::millis(10_000))?
            .submit()?;
    }
    let waited = aborted_beside(
        &owner,
        &mut control,
        || owner.flush(LONG).map(drop),
        |control| {
            // It counts as an operation from before the control thread is asked until it is answered.
            let status = shutdown_status(control)?;
            Ok(status.operations == 2)
        },
    )?;
    let waited = waited.expect_err("the frames were dropped");
    ensure!(waited.errno() == Errno::CANCELED.raw_os_error(), "{waited}");
    ensure!(matches!(owner.flush(LONG), Err(onair::Error::Stale)));
    Ok(())
}

#[test]
fn requests_tagged_and_beside_an_abort_then_answered_by_tag() -> Result<()> {
    let (rig, control) = scene(|_| {})?;
    let path = Config::attach_socket(rig.stage());
    let client = RawClient::welcomed(&path)?;
    client.attach("cam")?;
    // Not the owner: both are refused, each under its own tag.
    let destroy = json!({ "type": "destroy", "wait_ms": 60_000, "tag": 7 });
    let abort = json!({ "type": "abort", "tag": 8 });
    for request in [&destroy, &abort] {
        client.send(request.to_string().as_bytes())?;
    }
    let mut tags = Vec::new();
    for _ in 0..2 {
        let answer = client.receive()?.context("an answer")?;
        refused(&answer, "forbidden");
        tags.push(answer["tag"].as_u64());
    }
    tags.sort_unstable();
    assert_eq!(tags, [Some(7), Some(8)]);
    let answer = client.ask(&json!({ "type": "flush", "wait_ms": 0 }))?;
    assert_eq!(
        (&answer["type"], &answer["tag"]),
        (&"flushed".into(), &Value::Null)
    );
    drop(client);
    unharmed(rig, control)
}
