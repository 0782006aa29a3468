//! Local sessions: one process fills the frames that others read.

mod fillers;
mod libraries;
mod pinned;

use anyhow::{Context as _, Result, ensure};
use onair::Client;
use onair_api::SpecDocument;
use onair_tests::{Control, QUOTA, Raster, Rig, TestClient};

use crate::ending::pictures::number;
use crate::ending::takeover::{Heir, control_of, missing_of, next, upgrade};

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

#[test]
fn daemon_taken_over_then_filler_and_reader_go_on() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    control.create(&SpecDocument {
        persistent: Some(true),
        ..local("mix", AMPLE)
    })?;
    let mut filler = rig.test_client()?;
    filler.say("fill-on mix")?;
    let mut reader = Client::at(rig.attach_socket()).reattaching("mix")?;
    let mut last = number(&next(&mut reader)?.into_buffer())?;
    let (mut heirs, mut proven) = (Vec::new(), 0);
    for _ in 0..10 {
        let id = reader.session().context("attached")?.id();
        heirs.push(Heir::of(&upgrade(&mut control)?)?);
        // Each that comes is whole, and comes once.
        let missing = missing_of(&mut reader, &mut last)?;
        let heir = heirs.last().context("pushed")?;
        control = control_of(&rig, heir.pid())?;
        let certificate = control.certificate(id)?;
        // A late reader had not taken all when its session stopped. What is submitted once it was told of the stop is
        // published, and no reader takes it.
        let dropped = certificate.frames.frames_dropped_stop;
        if certificate.counts.blocked_at_stop == 0 {
            continue;
        }
        ensure!(u64::from(missing) <= dropped + 1, "{missing}, {dropped}");
        if u64::from(missing) > dropped {
            continue;
        }
        proven += 1;
        if proven == 2 {
            break;
        }
    }
    ensure!(
        proven == 2,
        "each time the reader was late, or a picture came with the stop"
    );
    heirs.pop().context("some")?.terminated()
}
