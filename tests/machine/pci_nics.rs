//! Ports on PCI devices: frames from one device to the other, each kind of die_and_go_on, end, links that go down,
//! and devices that cannot be used. It needs the pairs of devices of `cargo xtask vm test`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{HealthStatus, PortWake};
use onair_tests::pci::{self, TIMEOUT_S, bind, die_and_go_on, end, folder, give_to, video};
use onair_tests::{Deadline, Rig, until};

/// How long a poller is looked at that has nothing to do.
const QUIET: Duration = Duration::from_secs(3);

/// Two devices with a cable between them.
struct Pair {
    /// QEMU's names of them begin with this.
    number: usize,
    devices: [String; 2],
}

/// All pairs of the machine, for DPDK.
fn pairs() -> Result<Vec<Pair>> {
    let pairs = pci::pairs("vfio-pci")?;
    ensure!(pairs.len() >= 2, "give the machine two pairs of devices");
    let numbered = pairs.into_iter().enumerate();
    Ok(numbered
        .map(|(number, devices)| Pair { number, devices })
        .collect())
}

fn rig(pair: &Pair) -> Result<Rig> {
    pci::rig(&pair.devices)
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

#[test]
fn frames_cross_and_each_end_of_the_daemon_keeps_devices_usable() -> Result<()> {
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
        die_and_go_on(&mut rig)?;
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
fn idle_poller_sleeps_until_an_interrupt_and_misses_no_frame() -> Result<()> {
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
            let status = until("the link to change", Deadline::seconds(TIMEOUT_S), || {
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
        video.viewer.wait(more, Deadline::seconds(TIMEOUT_S))?;
        drop(video);
    }
    Ok(())
}

#[test]
fn device_that_cannot_be_used_is_refused_with_what_to_do() -> Result<()> {
    let pairs = pairs()?;
    let [first, second] = &pairs[0].devices;
    let refused = |devices: [&str; 2]| pci::refusal(&devices.map(str::to_owned));
    let missing = refused([first, "0000:00:0f.0"])?;
    assert!(
        missing.contains("there is no PCI device 0000:00:0f.0"),
        "{missing}"
    );

    let driver = bind(second, None)?;
    let of_kernel = refused([first, second])?;
    let cure = format!("dpdk-devbind.py --bind=vfio-pci {second}");
    let named = of_kernel.contains(&format!("the kernel's driver {driver} has"));
    assert!(named && of_kernel.contains(&cure), "{of_kernel}");
    give_to("vfio-pci", second)?;

    let other = rig(&pairs[0])?;
    let in_use = refused([first, &pairs[1].devices[0]])?;
    assert!(
        in_use.contains("another process uses PCI device"),
        "{in_use}"
    );
    end(video(&other)?)?;
    Ok(())
}

#[test]
fn device_removed_and_added_then_sessions_go_on_without_restart() -> Result<()> {
    let models = [
        "virtio-net-pci,disable-legacy=on,iommu_platform=on",
        "e1000e",
    ];
    for (pair, model) in pairs()?.into_iter().zip(models) {
        let rig = rig(&pair)?;
        let mut video = video(&rig)?;
        let (number, gone) = (pair.number, &pair.devices[0]);
        monitor(&format!("device_del d{number}0"))?;
        until(
            "the device to be given back",
            Deadline::seconds(TIMEOUT_S),
            || Ok((!folder(gone).exists()).then_some(())),
        )?;
        until("health to say so", Deadline::seconds(TIMEOUT_S), || {
            let problems = video.control.health()?.problems;
            let named = format!("there is no PCI device {gone}");
            Ok(problems.iter().any(|it| it.contains(&named)).then_some(()))
        })?;
        monitor(&format!(
            "device_add {model},id=d{number}0,netdev=n{number}0,bus=r{number}0,mac=52:54:00:00:{number:02x}:00"
        ))?;
        until(
            "the device to be back",
            Deadline::seconds(TIMEOUT_S),
            || Ok(folder(gone).join("driver").exists().then_some(())),
        )?;
        // The kernel's own driver has it first, as on a host without a rule of udev's.
        give_to("vfio-pci", gone)?;
        until("the port to be back", Deadline::seconds(TIMEOUT_S), || {
            let health = video.control.health()?;
            Ok((health.status == HealthStatus::Ok).then_some(()))
        })?;
        let more = video.viewer.taken()? + 20;
        video.viewer.wait(more, Deadline::seconds(TIMEOUT_S))?;
        drop(video);
    }
    Ok(())
}
