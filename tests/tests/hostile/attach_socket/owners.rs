//! Owners that ask for a second thing while the first waits.

use anyhow::{Context as _, Result};
use onair_tests::{Config, RawClient};
use serde_json::{Value, json};

use super::scene::{refused, scene, unharmed};

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
