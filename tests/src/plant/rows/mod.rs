//! What an engineer does in the first hour: a row each.

mod controller;
mod faults;
mod host;
mod receivers;
mod senders;

use anyhow::{Context as _, Result, ensure};
use onair_api::SpecDocument;
use onair_essence::FormatDocument;
use onair_essence::audio::{AudioDocument, Coding};
use onair_stage::{Backend, Control, Raster, receive};

use super::peers::{Camera, group};
use super::site::{Plant, UDP};

/// One thing that an engineer does, on a plant of its own.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the engineer does, and what must follow.
    pub does: &'static str,
    /// When it is done.
    pub kind: Kind,
    run: fn(Backend) -> Result<String>,
}

/// When a row is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By `cargo xtask test`, too.
    Quick,
    /// By `cargo xtask plant`.
    Slow,
    /// When it is named.
    Long,
}

/// All rows, in the order of the hour.
pub const ROWS: &[Row] = &[
    quick(
        "services",
        "reaches the port's host by ssh and web beside a stream",
        host::services,
    ),
    slow(
        "clock",
        "has ptp4l on the port's interface follow the grandmaster",
        host::clock_untagged,
    ),
    slow("clock-vlan", "does the same in a VLAN", host::clock_vlan),
    slow(
        "membership",
        "waits past the switch's membership time, also for a group of the host's own",
        host::membership,
    ),
    long(
        "half-hour",
        "has ptp4l, ssh, web and groups beside a stream for half an hour",
        host::half_hour,
    ),
    quick(
        "monitors",
        "puts two monitors and a recorder on one camera, and ends one",
        receivers::monitors,
    ),
    quick(
        "stranger",
        "lets a stranger send three unusable packets a second",
        receivers::stranger,
    ),
    slow(
        "late-leg",
        "plugs a second leg that comes 40 ms late",
        receivers::late_leg,
    ),
    slow(
        "alternating-legs",
        "plugs two legs that alternate",
        receivers::alternating_legs,
    ),
    slow(
        "parked",
        "parks a receiver, and its packets cease",
        receivers::parked,
    ),
    quick(
        "ffmpeg",
        "takes FFmpeg's picture and sound",
        senders::ffmpeg,
    ),
    slow(
        "gstreamer",
        "takes GStreamer's picture and sound",
        senders::gstreamer,
    ),
    slow(
        "replayed",
        "takes a capture that tcpreplay sends",
        senders::replayed,
    ),
    slow(
        "sound-44100",
        "takes 44.1 kHz described as ptime:1 with framecount:48",
        senders::sound_44100,
    ),
    slow(
        "measured-rate",
        "takes a source that describes the rate it measures",
        senders::measured_rate,
    ),
    slow(
        "fields",
        "takes ancillary data of fields by a description",
        senders::fields,
    ),
    quick(
        "all-sdps",
        "has the crosspoint ask for 256 descriptions at once",
        controller::all_sdps,
    ),
    quick(
        "refused-connect",
        "connects what is refused, parks, and enables again",
        controller::refused_connect,
    ),
    quick(
        "take-again",
        "takes the same source again, and the host leaves and joins",
        controller::take_again,
    ),
    slow(
        "swap",
        "swaps two receivers by two PATCHes at once",
        controller::swap,
    ),
    slow(
        "salvo",
        "switches four receivers by bulk",
        controller::salvo,
    ),
    slow(
        "one-by-one",
        "connects receivers one after the other, as a browser does",
        controller::one_by_one,
    ),
    slow(
        "sender-address",
        "gives a sender another address, and the studio sees it",
        controller::sender_address,
    ),
    slow(
        "heartbeats",
        "sends 4,096 unknown ids by bulk and floods 16 WebSockets, and the registry keeps the node",
        controller::heartbeats,
    ),
    quick(
        "crosspoint",
        "restarts onair-nmos and onaird, and the crosspoint is as it was",
        controller::crosspoint,
    ),
    slow(
        "busy-second",
        "has a host that does nothing for 0.8 s, and certificates are made",
        faults::busy_second,
    ),
    slow(
        "upgrade",
        "upgrades at noon while a client keeps a frame",
        faults::upgrade,
    ),
    slow(
        "killed-upgrades",
        "upgrades, and the old or the new daemon is killed meanwhile",
        faults::killed_upgrades,
    ),
    slow(
        "full-disk",
        "records to a disk that is full",
        faults::full_disk,
    ),
    quick(
        "killed-client",
        "kills the player and starts it again",
        faults::killed_client,
    ),
];

type Run = fn(Backend) -> Result<String>;

const fn quick(name: &'static str, does: &'static str, run: Run) -> Row {
    of(Kind::Quick, name, does, run)
}

const fn slow(name: &'static str, does: &'static str, run: Run) -> Row {
    of(Kind::Slow, name, does, run)
}

const fn long(name: &'static str, does: &'static str, run: Run) -> Row {
    of(Kind::Long, name, does, run)
}

const fn of(kind: Kind, name: &'static str, does: &'static str, run: Run) -> Row {
    Row {
        name,
        does,
        kind,
        run,
    }
}

impl Row {
    /// Does it, on ports of this driver. Returns what was seen.
    ///
    /// # Errors
    /// Something else was seen.
    pub fn run(&self, backend: Backend) -> Result<String> {
        (self.run)(backend)
            .with_context(|| format!("{} on {backend}: the engineer {}", self.name, self.does))
    }
}

/// A session that receives a camera's picture on port `b`.
fn monitor(name: &str, number: u8) -> SpecDocument {
    let mut spec = receive(name, Raster::new(320, 180, 25, 8), UDP);
    spec.flow.destination = format!("{}:{UDP}", group(number));
    spec
}

/// A session that receives a camera's sound on port `b`.
fn listener(name: &str, number: u8) -> SpecDocument {
    let sound = AudioDocument {
        coding: Coding::L24,
        sample_rate: 48_000,
        channels: 2,
        packet_time_us: None,
        block_samples: None,
        channel_order: None,
    };
    SpecDocument {
        format: FormatDocument::Audio(sound),
        ..monitor(name, number)
    }
}

/// A session that receives a camera's picture, of which so many have come.
fn on_air(
    plant: &Plant,
    control: &mut Control,
    (name, number): (&str, u8),
    pictures: u64,
) -> Result<Camera> {
    control.create(&monitor(name, number))?;
    let mut camera = Camera::gstreamer(plant, number)?;
    camera.until_seen(control, name, pictures)?;
    Ok(camera)
}

/// Ends a session, and says in short what its certificate has.
fn ended(control: &mut Control, session: &str) -> Result<String> {
    let id = control.show(session)?.id;
    let certificate = control.end(session)?;
    control.completed(id)?;
    let frames = certificate.frames;
    ensure!(frames.frames_complete > 0, "{session}: {frames:?}");
    Ok(format!(
        "{session}: {} complete, {} incomplete, certified",
        frames.frames_complete, frames.frames_incomplete
    ))
}
