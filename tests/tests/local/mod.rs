//! Local sessions: one process fills the frames that others read.

mod fillers;
mod libraries;
mod pinned;
mod taken_over;

use anyhow::Result;
use onair_api::SpecDocument;
use onair_tests::{Control, QUOTA, Raster, Rig, TestClient};

/// Frames of one attachment, where a client is to lose none.
const AMPLE: u32 = QUOTA;

fn local(name: &str, quota: u32) -> SpecDocument {
    SpecDocument {
        quota: Some(quota),
        ..onair_stage::local(name, Raster::SMALL)
    }
}

/// A daemon with a local session `mix`.
fn with_mix(quota: u32) -> Result<(Rig, Control)> {
    let (rig, mut control) = Rig::with_control()?;
    control.create(&local("mix", quota))?;
    Ok((rig, control))
}

/// A process that fills `mix`.
fn filler(rig: &Rig) -> Result<TestClient> {
    let mut client = rig.test_client()?;
    client.say("fill mix")?;
    Ok(client)
}
