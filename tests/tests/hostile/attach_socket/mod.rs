//! What a hostile process can do on the attach socket: it is told what is wrong, or dropped, and
//! no other client waits for it, loses a place, or pays.

mod crowds;
mod requests;

use anyhow::{Result, anyhow};
use onair_tests::{Config, Control, Rig, wait_for};
use serde_json::Value;

fn scene(change: impl FnOnce(&mut Config)) -> Result<(Rig, Control)> {
    let rig = Rig::rings_with(change)?;
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    Ok((rig, control))
}

/// The session has all its places, a well-behaved client gets frames, and the daemon is well.
fn unharmed(mut rig: Rig, mut control: Control) -> Result<()> {
    assert!(control.troubles()?.is_empty(), "{:?}", control.troubles()?);
    every_place(&rig, &mut control)?;
    control.pattern("source", 5000)?;
    let mut client = rig.user("cam")?;
    client.say("get 10000")?;
    let certificate = control.end("cam")?;
    assert_eq!(certificate.counts.frames_reconciled, 0);
    rig.stop_daemon()
}

/// As many processes as the session allows can attach to it, and no more.
fn every_place(rig: &Rig, control: &mut Control) -> Result<()> {
    let most = control.show("cam")?.max_attachments;
    let mut clients = Vec::new();
    wait_for("every place to be free", 10, || {
        let mut client = rig.test_client()?;
        let errno = client.errno("attach cam")?;
        match errno.as_str() {
            "" => clients.push(client),
            "EDQUOT" if clients.len() < most as usize => {}
            other => return Err(anyhow!("attach: {other}")),
        }
        Ok(clients.len() == most as usize)
    })?;
    assert_eq!(rig.test_client()?.errno("attach cam")?, "EDQUOT");
    for client in clients {
        client.leave()?;
    }
    control.deserted("cam")
}

fn refused(answer: &Value, code: &str) {
    assert_eq!(
        (&answer["type"], &answer["code"]),
        (&"error".into(), &code.into()),
        "{answer}"
    );
    assert!(answer["message"].as_str().is_some_and(|it| !it.is_empty()));
}
