//! Packets that are no request, and requests out of order.

use anyhow::{Context as _, Result};
use onair_ipc::message::{KICK, MAX_PACKET};
use onair_ipc::site;
use onair_tests::{Config, RawClient, hello};
use serde_json::json;

use super::scene::{refused, scene, unharmed};

#[test]
fn packet_that_is_no_request_then_told_and_hung_up() -> Result<()> {
    let (rig, control) = scene(|_| {})?;
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
        b"{\"type\":\"hello\",\"protocol\":3,\"library\":\"x\",\"sites\":true,\"more\":1}",
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
    unharmed(rig, control)
}

#[test]
fn requests_out_of_order_then_told_and_the_right_one_works() -> Result<()> {
    let (rig, control) = scene(|_| {})?;
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
    refused(
        &client.ask(&json!({ "type": "create", "spec": {} }))?,
        "invalid_spec",
    );
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
    drop(client);
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
