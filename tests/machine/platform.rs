//! What this machine's kernel and devices give OnAir: the lines of docs/platforms.md, which
//! `cargo xtask vm test --page` writes. It needs the pairs of devices of `cargo xtask vm test`.
#![forbid(unsafe_code)]

use std::fs;
use std::io::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_tests::pci::{self, bind, end, folder, give_to, video};
use onair_tests::{Deadline, output, until};
use serde_json::Value;

/// The checks of the doctor that depend on the kernel alone.
const OF_THE_KERNEL: [&str; 9] = [
    "membarrier",
    "btf",
    "futex_waitv",
    "peer pidfd",
    "refused descriptors",
    "memory leases",
    "probe",
    "uprobes",
    "af_xdp",
];

/// Reports a line for the page. Not with `println`, which the harness keeps to itself.
fn report(of: &str, what: &str, found: &str) -> Result<()> {
    let found = found.replace(['|', '\n'], " ");
    Ok(writeln!(
        std::io::stdout(),
        "\n@platform|{of}|{what}|{found}"
    )?)
}

#[test]
fn kernel_has_everything_that_the_daemon_needs() -> Result<()> {
    let done = Command::new("onaird")
        .args(["--doctor", "--json"])
        .output()?;
    let findings: Vec<Value> = serde_json::from_slice(&done.stdout)?;
    for check in OF_THE_KERNEL {
        let finding = findings.iter().find(|it| it["check"] == check);
        let finding = finding.with_context(|| format!("no check {check}"))?;
        report(
            "kernel",
            check,
            finding["found"].as_str().unwrap_or_default(),
        )?;
        ensure!(finding["level"] != "fail", "{finding:#}");
    }
    Ok(())
}

#[test]
fn each_device_carries_frames_in_each_way_that_its_driver_has() -> Result<()> {
    for pair in pci::pairs("vfio-pci")? {
        let model = bind(&pair[0], None)?;
        bind(&pair[1], None)?;
        let interfaces = [interface(&pair[0])?, interface(&pair[1])?];
        for (way, driver) in [("AF_XDP", "net_af_xdp"), ("AF_PACKET", "net_af_packet")] {
            let names = interfaces.each_ref();
            let ports = names.map(|name| format!("{driver}_{name},iface={name}"));
            report(&model, way, &carried(&ports))?;
        }
        for device in &pair {
            give_to("vfio-pci", device)?;
        }
        let found = carried(&pair);
        report(&model, "vfio-pci behind an IOMMU", &found)?;
        ensure!(found.starts_with("yes"), "{model}: {found}");
    }
    Ok(())
}

/// The interface of a device that the kernel has, up.
fn interface(device: &str) -> Result<String> {
    let name = until("its interface", Deadline::seconds(30), || {
        let folders = [folder(device)].into_iter().chain(
            fs::read_dir(folder(device))?
                .flatten()
                .map(|entry| entry.path()),
        );
        let nets = folders.filter_map(|folder| fs::read_dir(folder.join("net")).ok());
        let mut names = nets.flatten().flatten().map(|entry| entry.file_name());
        Ok(names.next())
    })?;
    let name = name.to_string_lossy().into_owned();
    output("ip", &["link", "set", &name, "up"])?;
    Ok(name)
}

/// Whether frames go from one port to the other: `yes`, with how, or the reason.
fn carried(devices: &[String; 2]) -> String {
    let tried = || -> Result<String> {
        let rig = pci::rig(devices, false)?;
        let port = rig.control()?.health()?.dataplane.ports.remove(0);
        end(video(&rig)?)?;
        let wake = format!("wakes by {:?}", port.wake).to_lowercase();
        Ok(match port.xdp {
            None => format!("yes, {wake}"),
            Some(xdp) => {
                let mode = if xdp.native { "native" } else { "generic" };
                let copy = if xdp.zero_copy { "zero-copy" } else { "copy" };
                format!("yes, {mode}, {copy}, {wake}")
            }
        })
    };
    tried().unwrap_or_else(|error| {
        let text = format!("{error:#}");
        // Of a daemon that did not start, what it said last.
        let (_, reason) = text.rsplit_once("ERROR onaird: ").unwrap_or(("", &text));
        format!("no: {reason}")
    })
}
