//! Attaches that do not finish, and connections that end: the place comes back.

use anyhow::{Context as _, Result};
use onair_ipc::site;
use onair_tests::{Config, Footprint, Raster, RawClient, receive};
use serde_json::json;

use super::scene::{every_place, refused, scene, unharmed};

#[test]
fn challenge_not_passed_then_probe_blind_and_no_place_is_lost() -> Result<()> {
    let (rig, control) = scene(|_| {})?;
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
    drop(client);
    unharmed(rig, control)
}

#[test]
fn challenge_never_answered_then_the_place_comes_back() -> Result<()> {
    let (rig, mut control) = scene(|config| {
        config.more += "[timeouts]\nprove_ms = 300\n";
    })?;
    let most = control.show("cam")?.max_attachments;
    let silent = (0..most)
        .map(|_| {
            let client = rig.raw_client()?;
            client.challenged("cam")?;
            Ok(client)
        })
        .collect::<Result<Vec<_>>>()?;
    for client in silent {
        refused(&client.receive()?.context("an answer")?, "probe_blind");
        assert_eq!(client.receive()?, None);
    }
    unharmed(rig, control)
}

#[test]
fn connections_ended_amid_an_attach_then_nothing_is_lost() -> Result<()> {
    let (mut rig, mut control) = scene(|_| {})?;
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

#[test]
fn process_attaches_and_leaves_often_then_daemon_keeps_nothing() -> Result<()> {
    // Fewer than the rounds: a connection that is kept would be missed.
    let (mut rig, mut control) = scene(|config| {
        config.more += "[limits]\nconnections = 30\n";
    })?;
    let daemon = rig.daemon()?.pid();
    let mut client = rig.test_client()?;
    let mut before = None;
    for round in 0..50 {
        // Without a word, with a word, and with the end of the session.
        for end in ["drop", "detach"] {
            client.say("attach cam")?;
            client.say(end)?;
            control.deserted("cam")?;
        }
        let spec = serde_json::to_value(receive("own", Raster::SMALL, 5001))?;
        client.say(format_args!("create {spec}"))?;
        client.say("stop")?;
        client.say("destroy-wait 10000")?;
        if round == 0 {
            before = Some(Footprint::of(daemon)?);
        }
    }
    before.context("the first round's")?.wait_regained(daemon)?;
    client.leave()?;
    unharmed(rig, control)
}

#[test]
fn connections_above_the_limit_then_turned_away_until_one_ends() -> Result<()> {
    const MOST: usize = 8;
    let (rig, control) = scene(|config| {
        config.more += &format!("[limits]\nconnections = {MOST}\n");
    })?;
    let path = Config::attach_socket(rig.stage());
    let mut open = (0..MOST)
        .map(|_| RawClient::welcomed(&path))
        .collect::<Result<Vec<_>>>()?;
    for _ in 0..20 {
        let client = RawClient::connect(&path)?;
        refused(&client.receive()?.context("an answer")?, "limit_reached");
        assert_eq!(client.receive()?, None);
    }
    assert_eq!(rig.test_client()?.errno("attach cam")?, "EDQUOT");
    open.truncate(MOST - 6);
    unharmed(rig, control)
}
