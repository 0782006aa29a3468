//! Attaches that do not finish, and connections that end: the place comes back.

use anyhow::Result;
use onair_ipc::site;
use onair_tests::{Footprint, Rig};
use serde_json::json;

use super::scene::{every_place, refused, scene, unharmed};

/// A connection that does not pass the challenge is not attached.
fn not_passed(rig: &Rig) -> Result<()> {
    let client = rig.raw_client()?;
    for _ in 0..10 {
        client.challenged("cam")?;
        refused(&client.ask(&json!({ "type": "proved" }))?, "probe_blind");
    }
    let mut accomplice = rig.user("cam")?;
    for _ in 0..10 {
        let token = client.challenged("cam")?;
        accomplice.say(format_args!("canary {token}"))?;
        refused(&client.ask(&json!({ "type": "proved" }))?, "probe_blind");
    }
    // A token that no client was given.
    let token = client.challenged("cam")?;
    site::canary(token ^ 1);
    refused(&client.ask(&json!({ "type": "proved" }))?, "probe_blind");
    accomplice.leave()?;
    client.attach("cam")?;
    Ok(())
}

#[test]
fn attach_not_proved_or_cut_off_then_no_place_is_lost() -> Result<()> {
    let (mut rig, mut control) = scene(|_| {})?;
    not_passed(&rig)?;
    let daemon = rig.daemon()?.pid();
    // This program's own file is watched from its first attach on, and stays so.
    let first = rig.raw_client()?;
    first.challenged("cam")?;
    drop(first);
    every_place(&rig, &mut control)?;
    let before = Footprint::of(daemon)?;
    let attach = json!({ "type": "attach", "session": "cam" }).to_string();
    let proved = json!({ "type": "proved" }).to_string();
    for round in 0..200 {
        let client = rig.raw_client()?;
        match round % 4 {
            0 => {}
            1 => client.send(attach.as_bytes())?,
            2 => drop(client.ask(&serde_json::from_str(&attach)?)?),
            _ => {
                // Too many others may be on their way out.
                let answer = client.ask(&serde_json::from_str(&attach)?)?;
                if let Some(token) = answer["token"].as_str() {
                    site::canary(u64::from_str_radix(token, 16)?);
                    client.send(proved.as_bytes())?;
                }
            }
        }
    }
    control.deserted("cam")?;
    every_place(&rig, &mut control)?;
    before.wait_regained(daemon)?;
    unharmed(rig, control)
}
