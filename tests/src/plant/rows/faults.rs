//! What goes wrong on the first day.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_api::{RecordingView, Successor};
use onair_stage::{Backend, Control, Deadline, ProcessId, TestClient, until};
use rustix::process::Signal;
use serde_json::Value;

use super::{ended, monitor, on_air};
use crate::dice::Dice;
use crate::plant::peers::Camera;
use crate::plant::site::Plant;
use crate::recordings::recorded::Recorder as _;

/// How long the host does nothing: longer than half a second, shorter than the five that are promised.
const BUSY: Duration = Duration::from_millis(800);
/// How long other sessions may wait for an upgrade.
const UPGRADE: Duration = Duration::from_secs(3);

pub(super) fn busy_second(backend: Backend) -> Result<String> {
    let mut plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut cameras = Vec::new();
    for (name, number) in [("one", 1), ("two", 2)] {
        control.create(&monitor(name, number))?;
        let mut camera = Camera::gstreamer(&plant, number)?;
        camera.until_seen(&mut control, name, 3)?;
        cameras.push(camera);
    }
    for _ in 0..2 {
        let daemon = plant.rig.daemon()?.running();
        daemon.signal(Signal::STOP)?;
        thread::sleep(BUSY);
        daemon.signal(Signal::CONT)?;
        cameras[0].until_seen(&mut control, "one", 3)?;
    }
    let said = [ended(&mut control, "one")?, ended(&mut control, "two")?].join("; ");
    let mut troubles = control.troubles()?;
    // A poller that stood still has missed packets, and says so.
    troubles.retain(|it| !it.contains(" has missed "));
    ensure!(troubles.is_empty(), "{troubles:?}");
    let (status, summary) = plant.rig.terminated()?;
    ensure!(status == 0, "onaird ended with {status}: {summary:#?}");
    Ok(said)
}

fn client(plant: &Plant, session: &str) -> Result<TestClient> {
    let mut client = plant.rig.test_client()?;
    client.say(format_args!("attach {session}"))?;
    Ok(client)
}

pub(super) fn upgrade(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    for (name, number) in [("held", 1), ("cam", 2)] {
        let mut spec = monitor(name, number);
        spec.persistent = Some(true);
        control.create(&spec)?;
    }
    let mut cameras = [Camera::gstreamer(&plant, 1)?, Camera::gstreamer(&plant, 2)?];
    cameras[0].until_seen(&mut control, "held", 3)?;
    cameras[1].until_seen(&mut control, "cam", 3)?;
    let mut keeper = client(&plant, "held")?;
    keeper.say("hold 1")?;
    let begin = Instant::now();
    let successor: Successor = control
        .request("POST", "/v1/upgrade", &Value::Null)?
        .document()?;
    let heir = ProcessId::of(successor.pid).context("the new daemon has ended")?;
    let mut now = until("the new daemon to answer", Deadline::seconds(30), || {
        let Ok(mut control) = plant.control() else {
            return Ok(None);
        };
        let is_it = control.health().is_ok_and(|it| it.pid == heir.pid);
        Ok(is_it.then_some(control))
    })?;
    let seen = until(
        "pictures of the other session",
        Deadline::seconds(30),
        || {
            let Ok(view) = now.show("cam") else {
                return Ok(None);
            };
            Ok((view.counters.frames_complete >= 3).then(|| begin.elapsed()))
        },
    );
    let is_whole = keeper.say("look");
    let put = keeper.say("put");
    heir.signal(Signal::TERM)?;
    ensure!(
        heir.wait_end(Deadline::seconds(60))?,
        "the new daemon does not end"
    );
    let seen = seen?;
    is_whole.context("looking at the frame that is kept")?;
    put.context("giving the frame back")?;
    ensure!(
        seen < UPGRADE,
        "the other session has pictures after {seen:?}"
    );
    Ok(format!(
        "pictures of the other session within {} ms",
        UPGRADE.as_millis()
    ))
}

/// Kills of each side, at a time within an upgrade, which takes some 0.3 s.
const KILLS: u64 = 8;
const WITHIN_MS: u64 = 500;

/// The daemons of an upgrade, in the order of their lives.
struct Upgraded {
    old: ProcessId,
    heir: ProcessId,
}

impl Upgraded {
    fn begin(plant: &mut Plant, control: &mut Control) -> Result<Self> {
        let old = plant.rig.daemon()?.pid();
        let successor: Successor = control
            .request("POST", "/v1/upgrade", &Value::Null)?
            .document()?;
        Ok(Self {
            old: ProcessId::of(old).context("the daemon has ended")?,
            heir: ProcessId::of(successor.pid).context("the new daemon has ended")?,
        })
    }

    /// The one that is left and serves; systemd starts another where none is.
    fn serving(&self, plant: &mut Plant) -> Result<Control> {
        until("a daemon to answer", Deadline::seconds(60), || {
            if !self.old.alive() && !self.heir.alive() {
                drop(plant.rig.take_daemon());
                plant.rig.start_daemon()?;
            }
            let Ok(mut control) = plant.control() else {
                return Ok(None);
            };
            Ok(control.health().is_ok_and(|it| it.ready).then_some(control))
        })
    }
}

pub(super) fn killed_upgrades(backend: Backend) -> Result<String> {
    let (mut dice, mut anew) = (Dice::new(20_261_201), 0);
    for round in 0..2 * KILLS {
        let mut plant = Plant::open(backend)?;
        let mut control = plant.control()?;
        let mut spec = monitor("cam", 1);
        spec.persistent = Some(true);
        control.create(&spec)?;
        let mut camera = Camera::gstreamer(&plant, 1)?;
        camera.until_seen(&mut control, "cam", 3)?;
        let mut player = client(&plant, "cam")?;
        player.say("hold 1")?;
        let upgraded = Upgraded::begin(&mut plant, &mut control)?;
        let (victim, name) = match round % 2 {
            0 => (&upgraded.old, "old"),
            _ => (&upgraded.heir, "new"),
        };
        let after = Duration::from_millis(dice.roll(WITHIN_MS));
        // It waits for nothing: the moment of the kill is any.
        thread::sleep(after);
        // It may have ended by itself.
        victim.signal(Signal::KILL).ok();
        let told = || format!("the {name} daemon killed after {} ms", after.as_millis());
        let done = upgraded.serving(&mut plant).and_then(|mut now| {
            camera.until_seen(&mut now, "cam", 5)?;
            let id = now.show("cam")?.id;
            now.end("cam")?;
            now.completed(id)
        });
        anew += u32::from(!upgraded.old.alive() && !upgraded.heir.alive());
        upgraded.heir.signal(Signal::KILL).ok();
        upgraded.heir.wait_end(Deadline::seconds(20))?;
        done.with_context(told)?;
    }
    Ok(format!(
        "{} upgrades, in each the old or the new daemon killed: pictures and a certificate from the other, {anew} started anew",
        2 * KILLS
    ))
}

pub(super) fn full_disk(backend: Backend) -> Result<String> {
    let mut disk = PathBuf::new();
    let plant = Plant::with(backend, |host, config| {
        disk = host.tmpfs("recordings", 8 << 20)?;
        let folder = disk.display();
        config.more +=
            &format!("[recorder]\nfolder = \"{folder}\"\nmin_free_mb = 1\nring_mb = 16\n");
        Ok(())
    })?;
    let mut control = plant.control()?;
    let mut camera = on_air(&plant, &mut control, ("cam", 1), 3)?;
    control.record("cam", "take", "pcapng", &Value::Null)?;
    let recording = |control: &mut Control| -> Result<RecordingView> { control.recording("take") };
    // 2.9 MB a second.
    until("the disk to be full", Deadline::seconds(30), || {
        let view = recording(&mut control)?;
        Ok((view.counts.arrived > view.counts.accepted).then_some(()))
    })?;
    camera.until_seen(&mut control, "cam", 25)?;
    let counters = control.show("cam")?.counters;
    ensure!(counters.packets_lost == 0, "{counters:?}");
    let troubles = control.troubles()?;
    ensure!(!troubles.is_empty(), "health does not name the disk");
    let counts = recording(&mut control)?.counts;
    let said = ended(&mut control, "cam")?;
    ensure!(fs::read_dir(&disk)?.next().is_some(), "no file");
    Ok(format!(
        "{said}; {} of {} packets recorded; health: {}",
        counts.accepted, counts.arrived, troubles[0]
    ))
}

pub(super) fn killed_client(backend: Backend) -> Result<String> {
    let plant = Plant::open(backend)?;
    let mut control = plant.control()?;
    let mut camera = on_air(&plant, &mut control, ("cam", 1), 3)?;
    for _ in 0..3 {
        let mut player = client(&plant, "cam")?;
        player.say("hold 2")?;
        player.kill()?;
    }
    camera.until_seen(&mut control, "cam", 10)?;
    ended(&mut control, "cam")
}
