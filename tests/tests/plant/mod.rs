//! A plant: its first hour; a controller before `onair-nmos`, which steers a real daemon.

mod again;
mod hour;
mod outlasts;
mod parked;
mod switched;
mod together;

use anyhow::Result;
use onair_api::{Direction, SpecDocument};
use onair_tests::{Control, Raster, receive, send, wait_for};

const RASTER: Raster = Raster::new(320, 180, 50, 8);

/// A sender of the pattern to a group of its own.
fn sender(name: &str, number: u8) -> SpecDocument {
    let mut spec = send(name, RASTER, 5004, onair_api::Source::Pattern);
    spec.flow.destination = group(number);
    spec
}

/// A receiver of the group of this number.
fn receiver(name: &str, number: u8) -> SpecDocument {
    let mut spec = receive(name, RASTER, 5004);
    spec.flow.destination = group(number);
    assert_eq!(spec.direction, Direction::Receive);
    spec
}

fn group(number: u8) -> String {
    format!("239.77.9.{number}:5004")
}

/// Waits for more whole frames of a session.
fn flows(control: &mut Control, session: &str) -> Result<()> {
    let before = control.show(session)?.counters.frames_complete;
    wait_for(format!("frames of {session}"), 30, || {
        Ok(control.show(session)?.counters.frames_complete >= before + 3)
    })
}
