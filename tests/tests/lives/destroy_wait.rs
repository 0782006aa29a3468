//! A destroy that waits ends with whoever asked for it: the session stays, stopped.

use anyhow::Result;
use onair_api::{Operation, SessionState};
use onair_tests::{Raster, Rig, receive};
use serde_json::json;

/// Longer than any test.
const AN_HOUR_MS: u64 = 3_600_000;

#[test]
fn destroy_wait_attach_connection_closed_then_stays_stopped() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    // This process makes the session, and lives on when it has closed the connection.
    let owner = rig.raw_client()?;
    let spec = serde_json::to_value(receive("cam", Raster::SMALL, 5000))?;
    let created = owner.ask(&json!({ "type": "create", "spec": spec }))?;
    assert_eq!(created["type"], "created", "{created}");
    owner.attach("cam")?;
    control.pattern("source", 5000)?;
    let mut client = rig.user("cam")?;
    client.say("hold 1")?;
    control.stop("cam")?;
    let request = json!({ "type": "destroy", "wait_ms": AN_HOUR_MS });
    owner.send(request.to_string().as_bytes())?;
    control.await_state("cam", SessionState::Draining)?;
    drop(owner);
    // No request waits for its end, and a client that leaves does not destroy it.
    control.await_state("cam", SessionState::Stopped)?;
    client.say("put-all")?;
    client.leave()?;
    control.deserted("cam")?;
    assert_eq!(control.show("cam")?.state, SessionState::Stopped);
    control.start("cam")?;
    control.stop("cam")?;
    let certificate = control.destroy("cam")?;
    assert_eq!(certificate.operation, Operation::Destroy);
    Ok(())
}
