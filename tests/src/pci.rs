//! The pairs of PCI devices of a virtual machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use onair_api::Source;
use onair_stage::{Backend, Config, Deadline, Raster, Stage, output};

use crate::clients::relayed_video::RelayedVideo;
use crate::rig::Rig;

/// Slow enough for an emulated processor.
pub const RASTER: Raster = Raster::new(320, 180, 10, 8);
/// How long anything may take that is waited for, in seconds.
pub const TIMEOUT_S: u64 = 30;
/// The first device of each pair is behind the root port at such a slot, the second behind the next.
const SLOTS: std::ops::Range<u32> = 0x10..0x1e;

/// What the kernel shows of it.
#[must_use]
pub fn folder(device: &str) -> PathBuf {
    Path::new("/sys/bus/pci/devices").join(device)
}

/// Lets `driver` have `device`; without one, the kernel's own. Returns the driver that has it then.
///
/// # Errors
/// The kernel's, and if no driver took it.
pub fn bind(device: &str, driver: Option<&str>) -> Result<String> {
    let folder = folder(device);
    // An empty line ends an override.
    fs::write(folder.join("driver_override"), driver.unwrap_or("\n"))?;
    if let Ok(old) = fs::canonicalize(folder.join("driver")) {
        fs::write(old.join("unbind"), device)?;
    }
    fs::write("/sys/bus/pci/drivers_probe", device)?;
    let new = fs::read_link(folder.join("driver")).context("no driver took it")?;
    let new = new.file_name().unwrap_or_default().to_string_lossy();
    Ok(new.into_owned())
}

/// The device behind the root port at `slot`.
#[must_use]
pub fn behind(slot: u32) -> Option<String> {
    let below = fs::read_dir(folder(&format!("0000:00:{slot:02x}.0"))).ok()?;
    let mut names = below.flatten().map(|entry| entry.file_name().into_string());
    names.find_map(|name| name.ok().filter(|name| is_device(name)))
}

/// Whether `name` is an address such as `0000:01:00.0`; other entries of a folder are not.
fn is_device(name: &str) -> bool {
    name.len() == 12 && name.ends_with(".0") && name.starts_with("0000:")
}

/// All pairs of the machine, bound to the kernel's `driver`: two devices of one model each, with a
/// cable between them.
pub fn pairs(driver: &str) -> Result<Vec<[String; 2]>> {
    output("modprobe", &[driver])?;
    let mut pairs = Vec::new();
    for slot in SLOTS.step_by(2) {
        let Some(devices) = behind(slot).zip(behind(slot + 1)) else {
            break;
        };
        let devices = <[String; 2]>::from(devices);
        for device in &devices {
            give_to(driver, device)?;
        }
        pairs.push(devices);
    }
    Ok(pairs)
}

/// Lets `driver` have `device`.
pub fn give_to(driver: &str, device: &str) -> Result<()> {
    // uio_pci_generic knows no device by itself; with an override it takes any.
    let took = bind(device, Some(driver))?;
    ensure!(took == driver, "{took} took {device}");
    Ok(())
}

/// A daemon whose ports are `devices`.
pub fn rig(devices: &[String; 2]) -> Result<Rig> {
    let mut rig = Rig::from(unstarted(devices)?);
    rig.start_daemon()?;
    Ok(rig)
}

/// Why a daemon with these devices does not start.
pub fn refusal(devices: &[String; 2]) -> Result<String> {
    let mut rig = unstarted(devices)?;
    let error = rig.start_daemon().err().context("it started")?;
    Ok(format!("{error:#}"))
}

/// A daemon whose ports are `devices`, each with two pollers.
pub fn rig_of_two_pollers(devices: &[String; 2]) -> Result<Rig> {
    let mut config = config(devices);
    config.pollers = 2;
    let mut rig = Rig::from(onair_stage::Rig::new(Stage::open("test")?, config));
    rig.start_daemon()?;
    Ok(rig)
}

fn unstarted(devices: &[String; 2]) -> Result<onair_stage::Rig> {
    Ok(onair_stage::Rig::new(Stage::open("test")?, config(devices)))
}

fn config(devices: &[String; 2]) -> Config {
    let mut config = Config::pair(Backend::Ring);
    for (port, device) in config.ports.iter_mut().zip(devices) {
        port.device.clone_from(device);
    }
    config.hugepages = true;
    config
}

/// Frames from one port to the other, and a client that looks at them.
pub fn video(rig: &Rig) -> Result<RelayedVideo> {
    let mut video = RelayedVideo::start(rig, RASTER, Source::Pattern)?;
    let waited = video.viewer.wait(20, Deadline::seconds(TIMEOUT_S));
    if let Err(error) = waited {
        let health = video.control.health()?.dataplane;
        let [out, into] = ["out", "in"].map(|name| video.control.show(name));
        return Err(error.context(format!("{health:?}\n{:?}\n{:?}", out?.counters, into?)));
    }
    Ok(video)
}

/// Ends the sessions: no frame was lost, and each that was seen is right.
pub fn end(video: RelayedVideo) -> Result<()> {
    let (_, seen) = video.end()?;
    ensure!(
        seen.iter()
            .all(|frame| frame.pattern_number() == Some(frame.number)),
        "wrong frames: {seen:?}"
    );
    Ok(())
}

/// The daemon is killed while frames flow, starts again on the same devices, and frames flow.
///
/// # Errors
/// If they do not.
pub fn die_and_go_on(rig: &mut Rig) -> Result<()> {
    let running = video(rig)?;
    rig.kill_daemon()?;
    drop(running);
    rig.start_daemon()?;
    end(video(rig)?)
}
