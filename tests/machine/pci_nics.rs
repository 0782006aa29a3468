//! Ports on PCI devices: frames from one device to the other, each kind of end, links that go down,
//! and devices that cannot be used. It needs the pairs of devices of `cargo xtask vm test`.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Backend, Config, Stage};
use onair_tests::{Deadline, Raster, RelayedVideo, Rig, until};
use onair_types::{HealthStatus, PortWake, Source};

/// Slow enough for an emulated processor.
const RASTER: Raster = Raster::new(320, 180, 10, 8);
/// The first device of each pair is behind the root port at such a slot, the second behind the next.
const SLOTS: std::ops::Range<u32> = 0x10..0x1e;
/// How long anything may take that is waited for, in seconds.
const PATIENCE: u64 = 30;

/// How long a poller is looked at that has nothing to do.
const QUIET: Duration = Duration::from_secs(3);

/// Two devices of one model with a cable between them.
struct Pair {
    /// QEMU's names of them begin with this.
    number: u32,
    devices: [String; 2],
}

fn folder(device: &str) -> PathBuf {
    Path::new("/sys/bus/pci/devices").join(device)
}

/// Lets `driver` have `device`; without one, the kernel's own. Returns the driver that has it then.
fn bind(device: &str, driver: Option<&str>) -> Result<String> {
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

/// Lets DPDK have `device`.
fn give_to_dpdk(device: &str) -> Result<()> {
    let driver = bind(device, Some("vfio-pci"))?;
    ensure!(driver == "vfio-pci", "{driver} took {device}");
    Ok(())
}

/// The device behind the root port at `slot`.
fn behind(slot: u32) -> Option<String> {
    let below = fs::read_dir(folder(&format!("0000:00:{slot:02x}.0"))).ok()?;
    let mut names = below.flatten().map(|entry| entry.file_name().into_string());
    names.find_map(|name| name.ok().filter(|name| is_device(name)))
}

/// Whether `name` is an address such as `0000:01:00.0`; other entries of a folder are not.
fn is_device(name: &str) -> bool {
    name.len() == 12 && name.ends_with(".0") && name.starts_with("0000:")
}

/// All pairs of the machine, for DPDK.
fn pairs() -> Result<Vec<Pair>> {
    onair_tests::output("modprobe", &["vfio-pci"])?;
    let mut pairs = Vec::new();
    for (number, slot) in (0..).zip(SLOTS.step_by(2)) {
        let Some(devices) = behind(slot).zip(behind(slot + 1)) else {
            break;
        };
        let devices = <[String; 2]>::from(devices);
        for device in &devices {
            give_to_dpdk(device)?;
        }
        pairs.push(Pair { number, devices });
    }
    ensure!(pairs.len() >= 2, "give the machine two pairs of devices");
    Ok(pairs)
}

fn config(devices: &[String; 2]) -> Config {
    let mut config = Config::pair(Backend::Ring);
    for (port, device) in config.ports.iter_mut().zip(devices) {
        port.device.clone_from(device);
    }
    config.hugepages = true;
    config
}

fn rig(pair: &Pair) -> Result<Rig> {
    let rig = onair_stage::Rig::new(Stage::open("test")?, config(&pair.devices));
    let mut rig = Rig::from(rig);
    rig.start_daemon()?;
    Ok(rig)
}

/// A command for QEMU's monitor.
fn monitor(command: &str) -> Result<()> {
    let mut port = File::options()
        .write(true)
        .open("/dev/virtio-ports/monitor")
        .context("the machine has no monitor")?;
    writeln!(port, "{command}")?;
    Ok(())
}

fn video(rig: &Rig) -> Result<RelayedVideo> {
    let mut video = RelayedVideo::start(rig, RASTER, Source::Pattern)?;
    video.viewer.wait(20, Deadline::seconds(PATIENCE))?;
    Ok(video)
}

/// Ends the sessions: no frame was lost, and each that was seen is right.
fn end(video: RelayedVideo) -> Result<()> {
    let (_, seen) = video.end()?;
    ensure!(
        seen.iter()
            .all(|frame| frame.pattern_number() == Some(frame.number)),
        "wrong frames: {seen:?}"
    );
    Ok(())
}

#[test]
fn frames_cross_between_two_devices_and_each_end_of_the_daemon_leaves_them_usable() -> Result<()> {
    for pair in pairs()? {
        let mut rig = rig(&pair)?;
        let health = rig.control()?.health()?;
        for port in &health.dataplane.ports {
            assert!(port.link_up, "{port:?}");
        }
        end(video(&rig)?)?;
        // An orderly end under sessions.
        let running = video(&rig)?;
        rig.stop_daemon()?;
        drop(running);
        rig.start_daemon()?;
        // None at all, with queues in use.
        let running = video(&rig)?;
        rig.kill_daemon()?;
        drop(running);
        rig.start_daemon()?;
        end(video(&rig)?)?;
        rig.stop_daemon()?;
    }
    Ok(())
}

/// How often the pollers slept until now.
fn sleeps(rig: &Rig) -> Result<u64> {
    let metrics = rig.scrape()?;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("onair_poller_sleeps_total{"));
    let (_, value) = line
        .and_then(|line| line.rsplit_once(' '))
        .context("no such metric")?;
    Ok(value.parse()?)
}

#[test]
fn idle_poller_sleeps_until_the_device_interrupts_and_misses_no_frame() -> Result<()> {
    for pair in pairs()? {
        let rig = rig(&pair)?;
        for port in &rig.control()?.health()?.dataplane.ports {
            assert_eq!(port.wake, PortWake::Interrupt, "{port:?}");
        }
        let before = sleeps(&rig)?;
        std::thread::sleep(QUIET);
        let slept = sleeps(&rig)? - before;
        // A poller that naps for a millisecond sleeps some thousand times.
        ensure!(
            slept < 200,
            "it slept {slept} times in {QUIET:?} without a packet"
        );
        end(video(&rig)?)?;
    }
    Ok(())
}

#[test]
fn link_down_and_up_then_health_says_so_and_frames_flow_again() -> Result<()> {
    for pair in pairs()? {
        let rig = rig(&pair)?;
        let mut video = video(&rig)?;
        for (to, up) in [("off", false), ("on", true)] {
            monitor(&format!("set_link d{}0 {to}", pair.number))?;
            let status = until("the link to change", Deadline::seconds(PATIENCE), || {
                let health = video.control.health()?;
                let port = &health.dataplane.ports[0];
                Ok((port.link_up == up).then_some(health.status))
            })?;
            let expected = if up {
                HealthStatus::Ok
            } else {
                HealthStatus::Degraded
            };
            assert_eq!(status, expected);
        }
        let more = video.viewer.taken()? + 20;
        video.viewer.wait(more, Deadline::seconds(PATIENCE))?;
        drop(video);
    }
    Ok(())
}

#[test]
fn device_that_cannot_be_used_is_refused_with_what_to_do() -> Result<()> {
    let pairs = pairs()?;
    let [first, second] = &pairs[0].devices;
    let refused = |devices: [&str; 2]| -> Result<String> {
        let config = config(&devices.map(str::to_owned));
        let mut rig = onair_stage::Rig::new(Stage::open("test")?, config);
        let error = rig.start_daemon().err().context("it started")?;
        Ok(format!("{error:#}"))
    };
    let missing = refused([first, "0000:00:1e.0"])?;
    assert!(
        missing.contains("there is no PCI device 0000:00:1e.0"),
        "{missing}"
    );

    let driver = bind(second, None)?;
    let of_kernel = refused([first, second])?;
    let cure = format!("dpdk-devbind.py --bind=vfio-pci {second}");
    let named = of_kernel.contains(&format!("the kernel's driver {driver} has"));
    assert!(named && of_kernel.contains(&cure), "{of_kernel}");
    give_to_dpdk(second)?;

    let other = rig(&pairs[0])?;
    let in_use = refused([first, &pairs[1].devices[0]])?;
    assert!(
        in_use.contains("another process uses PCI device"),
        "{in_use}"
    );
    end(video(&other)?)?;
    Ok(())
}
