//! Packets that are no request, and requests out of order.

use anyhow::{Context as _, Result};
use onair_ipc::message::{KICK, MAX_PACKET};
use onair_ipc::site;
use onair_tests::{Config, RawClient, Rig, hello};
use serde_json::{Value, json};

use super::{refused, scene, unharmed};

/// A packet that is no request is answered, and its connection closed.
fn no_request(rig: &Rig) -> Result<()> {
    let path = Config::attach_socket(rig.stage());
    let deep = "[".repeat(20_000);
    let long_name = json!({ "type": "attach", "session": "x".repeat(MAX_PACKET) }).to_string();
    let packets: [&[u8]; 14] = [
        b"\xff\xfe\x00\x01",
        b"{",
        b"\"hello\"",
        b"null",
        b"[]",
        b"{}",
        b"{\"type\":\"hello\"",
        b"{\"type\":\"format_disk\"}",
        b"{\"type\":\"hello\",\"protocol\":-1,\"library\":\"x\",\"sites\":true}",
        b"{\"type\":\"hello\",\"protocol\":4,\"library\":\"x\",\"sites\":true,\"more\":1}",
        b"{\"type\":\"attach\",\"session\":5}",
        b"KK",
        deep.as_bytes(),
        long_name.as_bytes(),
    ];
    for packet in packets {
        for polite in [false, true] {
            let client = if polite {
                RawClient::welcomed(&path)?
            } else {
                RawClient::connect(&path)?
            };
            client.send(packet)?;
            let answer = client.receive()?.context("an answer")?;
            refused(&answer, "invalid_request");
            assert_eq!(client.receive()?, None, "{answer}");
        }
    }
    // An empty packet looks like the end.
    let client = RawClient::welcomed(&path)?;
    client.send(b"")?;
    assert_eq!(client.receive()?, None);
    Ok(())
}

/// Requests out of order are answered, and the right one works.
fn out_of_order(rig: &Rig) -> Result<()> {
    let client = RawClient::connect(&Config::attach_socket(rig.stage()))?;
    let requests = [
        json!({ "type": "attach", "session": "cam" }),
        json!({ "type": "create", "spec": {} }),
        json!({ "type": "proved" }),
        json!({ "type": "detach" }),
        json!({ "type": "destroy", "wait_ms": 1 }),
    ];
    let all_but = |right: &[&str]| -> Result<()> {
        for request in requests.iter().chain([&hello()]) {
            if !right.iter().any(|it| request["type"] == **it) {
                refused(&client.ask(request)?, "invalid_request");
            }
        }
        // A kick is no request, wherever it comes.
        client.send(&[KICK])?;
        Ok(())
    };
    all_but(&["hello"])?;
    let mut other = hello();
    other["protocol"] = 999.into();
    refused(&client.ask(&other)?, "protocol_mismatch");
    assert_eq!(client.ask(&hello())?["type"], "welcome");

    all_but(&["attach", "create"])?;
    for spec in [json!({}), json!(["cam", "send", "a"])] {
        let create = json!({ "type": "create", "spec": spec });
        refused(&client.ask(&create)?, "invalid_spec");
    }
    for name in ["", "..", "No", "a/b"] {
        refused(
            &client.ask(&json!({ "type": "attach", "session": name }))?,
            "invalid_request",
        );
    }
    let token = client.challenged("cam")?;

    all_but(&["proved"])?;
    site::canary(token);
    assert_eq!(
        client.ask(&json!({ "type": "proved" }))?["type"],
        "attached"
    );

    all_but(&["detach", "destroy"])?;
    assert_eq!(
        client.ask(&json!({ "type": "detach" }))?["type"],
        "detached"
    );
    all_but(&["attach", "create"])?;
    client.attach("cam")?;
    Ok(())
}

/// Of two requests at once each answer has its tag.
fn tagged(rig: &Rig) -> Result<()> {
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
    Ok(())
}

#[test]
fn requests_wrong_or_out_of_order_then_told_by_tag() -> Result<()> {
    let (rig, mut control) = scene(|_| {})?;
    no_request(&rig)?;
    out_of_order(&rig)?;
    // A process attaches to a session once.
    control.deserted("cam")?;
    tagged(&rig)?;
    unharmed(rig, control)
}

#[test]
fn requests_two_at_a_time_then_hung_up_and_no_place_is_lost() -> Result<()> {
    let (rig, control) = scene(|config| {
        config.more += "[timeouts]\nprove_ms = 300\n";
    })?;
    let attach = json!({ "type": "attach", "session": "cam" }).to_string();
    for _ in 0..20 {
        let client = rig.raw_client()?;
        for _ in 0..3 {
            // It may have hung up already.
            let _ = client.send(attach.as_bytes());
        }
        while let Some(answer) = client.receive()? {
            // The last: they were far enough apart to be answered one by one.
            let fits = answer["type"] == "challenge"
                || answer["code"] == "invalid_request"
                || answer["code"] == "probe_blind";
            assert!(fits, "{answer}");
        }
    }
    unharmed(rig, control)
}
