//! Flows that a controller switches: `onair-nmos` before `onair-mxl` and a real daemon.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use onair::{Error, Session, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::video::pattern::verify;
use onair_tests::plant::{Node, tai_in};
use onair_tests::{Config, QUOTA, wait_for};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Domain, FLOW, RASTER, end};
use crate::tools::lab;

/// A change of what is staged, which has to be taken. Returns the answer.
fn patch(node: &Node, kind: &str, session: &str, body: &Value) -> Result<Value> {
    let id = node.id(kind, &format!("{session} (MXL)"))?;
    let path = format!("/x-nmos/connection/v1.2/single/{kind}/{id}/staged");
    let (status, answer) = node.request("PATCH", &path, body)?;
    ensure!([200, 202].contains(&status), "{status} {answer}");
    Ok(answer)
}

/// The number of a session's next whole frame, if one comes.
fn next(session: &Session, timeout: Timeout) -> Result<Option<u64>> {
    match session.buffer_get(timeout) {
        Err(Error::TimedOut) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(buffer) if !buffer.status().is_complete() => next(session, timeout),
        Ok(buffer) => Ok(Some(verify(&buffer)?)),
    }
}

#[test]
fn controller_switches_flows_then_frames_come_and_end() -> Result<()> {
    let (rig, mut control) = lab(Source::Pattern)?;
    control.create(&SpecDocument {
        quota: Some(QUOTA),
        ..onair_stage::local("mix", RASTER)
    })?;
    let domain = Domain::new(&rig, 64)?;
    let definition = json!({"id": "1ac254d9-a5eb-475f-a2b6-3d02a5cfbc82", "label": "Red Studio"});
    fs::write(
        domain.folder.join("domain_def.json"),
        definition.to_string(),
    )?;
    let socket = rig.stage().directory().join("mxl.sock");
    let settings = rig.stage().directory().join("mxl.toml");
    let text = format!(
        "[mxl]\ncontrol = {socket:?}\n[[mxl.in]]\nsession = \"cam\"\nflow = \"{FLOW}\"\n[[mxl.out]]\nsession = \"mix\"\n"
    );
    fs::write(&settings, text)?;
    let settings = settings.to_str().context("a path of text")?;
    let carry = || domain.carry(&rig, &["--config", settings]);
    let mut carrier = carry()?;
    let node = Node::start_with(rig.stage(), &format!("mxl = {socket:?}\n"))?;
    let now = json!({"mode": "activate_immediate"});
    let read = json!({"master_enable": true, "activation": now, "transport_params": [{"mxl_flow_id": FLOW}]});
    let session = Session::attach(Config::attach_socket(rig.stage()), "mix")?;
    let late = Timeout::millis(20_000);
    wait_for("the flow", 20, || Ok(domain.flow().exists()))?;
    // Nobody has named a flow yet.
    assert_eq!(next(&session, Timeout::millis(300))?, None);
    patch(&node, "receivers", "mix", &read)?;
    let first = next(&session, late)?.context("a frame")?;
    let second = next(&session, late)?.context("a frame")?;
    ensure!(second > first, "{first} {second}");

    // The sender ends: so does its flow. It begins again at a time.
    let off = json!({"master_enable": false, "activation": now});
    patch(&node, "senders", "cam", &off)?;
    wait_for("the flow's end", 20, || Ok(!domain.flow().exists()))?;
    while next(&session, Timeout::millis(1000))?.is_some() {}
    let at = json!({"mode": "activate_scheduled_absolute", "requested_time": tai_in(1)?});
    patch(
        &node,
        "senders",
        "cam",
        &json!({"master_enable": true, "activation": at}),
    )?;
    let third = next(&session, late)?.context("a frame of the new flow")?;
    ensure!(third > second, "{second} {third}");

    // One that is killed goes on with what was switched, without another order: on air, and off.
    carrier.running.signal(Signal::KILL)?;
    drop(carrier);
    while next(&session, Timeout::millis(500))?.is_some() {}
    carrier = carry()?;
    next(&session, late)?.context("a frame of the flow that was routed")?;
    patch(&node, "senders", "cam", &off)?;
    wait_for("the flow's end", 20, || Ok(!domain.flow().exists()))?;
    carrier.running.signal(Signal::KILL)?;
    drop(carrier);
    carrier = carry()?;
    carrier.says("libmxl")?;
    while next(&session, Timeout::millis(1000))?.is_some() {}
    ensure!(
        !domain.flow().exists(),
        "the sender that was ended is on air"
    );
    drop(session);
    node.end()?;
    end(carrier)
}
