//! Groups: sessions of one programme, created from session descriptions, and ended together.

mod attached;
mod carried;
mod piped;

use std::fs;

use anyhow::{Result, ensure};
use onair::Coding;
use onair_api::{GroupView, Source, SpecDocument};
use onair_tests::{Ran, Raster, Rig, onairctl, send};

use crate::{ancillary, audio};

/// Its boundaries are boundaries of blocks of 10 ms.
const RASTER: Raster = Raster::new(320, 180, 50, 8);

/// What sends picture, sound and captions, each to a multicast group of its own.
fn senders() -> [SpecDocument; 3] {
    let sound = audio::audio(Coding::L24, 48_000, 2);
    let captions = ancillary::ancillary("50", false);
    let mut all = [
        send("out", RASTER, 5004, Source::Pattern),
        audio::out_of_a(&sound, 5004, Source::Pattern),
        ancillary::out_of_a(&captions, 5004, Source::Pattern),
    ];
    for (number, sender) in (1..).zip(&mut all) {
        sender.flow.destination = format!("239.77.0.{number}:5004");
    }
    all
}

/// Their descriptions in files, as arguments of `--sdp`.
fn descriptions(rig: &Rig, senders: &[SpecDocument]) -> Result<String> {
    let mut control = rig.control()?;
    let mut files = Vec::new();
    for (number, sender) in senders.iter().enumerate() {
        control.create(sender)?;
        let text = onairctl(rig, &format!("session sdp {}", sender.name))?.out;
        control.end(&sender.name)?;
        let file = rig.stage().directory().join(format!("{number}.sdp"));
        fs::write(&file, text)?;
        files.push(file.display().to_string());
    }
    Ok(files.join(" "))
}

/// `onairctl group …`, which succeeds.
fn group(rig: &Rig, arguments: &str) -> Result<Ran> {
    let ran = onairctl(rig, &format!("--json group {arguments}"))?;
    ensure!(ran.code == 0, "{arguments}: {ran:?}");
    Ok(ran)
}

fn view(ran: &Ran) -> Result<GroupView> {
    Ok(serde_json::from_str(&ran.out)?)
}
