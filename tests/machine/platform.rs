//! What this machine's kernel and devices give OnAir: the lines of docs/results/platforms.json, which
//! `cargo xtask vm test --results` writes. It needs the pairs of devices of `cargo xtask vm test`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_api::{PortHealth, PortSteering, Source};
use onair_stage::Port;
use onair_tests::pci::{self, TIMEOUT_S, bind, end, folder, give_to, video};
use onair_tests::{Backend, Config, Deadline, Rig, output, send, until};
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

/// Reports a line for the file. Not with `println`, which the harness keeps to itself.
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
        channels(&interfaces, 1);
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

/// Leaves the NIC so many queues, if it has more and its driver can: a port on AF_XDP reads one for each poller.
fn channels(interfaces: &[String; 2], pollers: u8) {
    for name in interfaces {
        let count = pollers.to_string();
        // Refused where the driver has as many, or no choice.
        let _ = output("ethtool", &["--set-channels", name, "combined", &count]);
    }
}

/// Whether frames go from one port to the other: `yes`, with how, or the reason.
fn carried(devices: &[String; 2]) -> String {
    let tried = || -> Result<String> {
        let rig = pci::rig(devices)?;
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

const FLOWS: u16 = 4;

#[test]
fn two_pollers_on_each_device_then_each_session_gets_its_own() -> Result<()> {
    for pair in pci::pairs("vfio-pci")? {
        let found = shared(&pair);
        let model = bind(&pair[0], None)?;
        bind(&pair[1], None)?;
        report(&model, "two pollers, vfio-pci", &text(&found))?;
        let names = [interface(&pair[0])?, interface(&pair[1])?];
        channels(&names, 2);
        let ports = names.map(|name| format!("net_af_xdp_{name},iface={name}"));
        let over_xdp = shared(&ports);
        report(&model, "two pollers, AF_XDP", &text(&over_xdp))?;
        for device in &pair {
            give_to("vfio-pci", device)?;
        }
        found.and(over_xdp).with_context(|| model)?;
    }
    Ok(())
}

/// Frames of each session from one device to the other, with sessions on both pollers.
fn shared(devices: &[String; 2]) -> Result<String> {
    let rig = pci::rig_of_two_pollers(devices)?;
    let mut control = rig.control()?;
    let mut pollers = BTreeSet::new();
    for at in 0..FLOWS {
        let (into, udp) = (format!("in{at}"), 6000 + at);
        control.ample(&into, pci::RASTER, udp)?;
        control.start(&into)?;
        pollers.insert(control.show(&into)?.poller);
    }
    ensure!(pollers.len() == 2, "all on {pollers:?}");
    for at in 0..FLOWS {
        let (out, udp) = (format!("out{at}"), 6000 + at);
        control.create(&send(&out, pci::RASTER, udp, Source::Pattern))?;
        control.start(&out)?;
    }
    for at in 0..FLOWS {
        until("whole frames", Deadline::seconds(TIMEOUT_S), || {
            let counters = control.show(format!("in{at}"))?.counters;
            Ok((counters.frames_complete >= 20).then_some(()))
        })?;
    }
    let port = control.health()?.dataplane.ports.remove(1);
    for name in (0..FLOWS).flat_map(|at| [format!("out{at}"), format!("in{at}")]) {
        control.end(name)?;
    }
    Ok(format!(
        "yes, {} of {} queues, {}",
        port.queues,
        port.max_queues,
        way(&port)
    ))
}

fn way(port: &PortHealth) -> &'static str {
    match port.steering {
        PortSteering::None => "one poller",
        PortSteering::FlowRules => "flow rules",
        PortSteering::HandOver => "hand-over",
    }
}

/// The flow rules of a tap are those of the kernel's traffic control.
#[test]
fn device_with_flow_rules_then_nothing_is_handed_over() -> Result<()> {
    let config = Config {
        pollers: 2,
        ports: vec![Port {
            name: "b".into(),
            device: "net_tap0,iface=oatap".into(),
            inside: true,
            address: "10.77.0.2/24".into(),
            keys: String::new(),
        }],
        ..Config::pair(Backend::AfXdp)
    };
    let rig = Rig::with(config, |_| {})?;
    let mut control = rig.control()?;
    let namespace = rig.stage().namespace();
    let address = [
        "-n",
        namespace,
        "address",
        "add",
        "10.77.0.9/24",
        "dev",
        "oatap",
    ];
    output("ip", &address)?;
    let port = control.health()?.dataplane.ports.remove(0);
    report(
        "net_tap",
        "two pollers",
        &format!("yes, {} queues, {}", port.queues, way(&port)),
    )?;
    ensure!(
        (port.queues, port.steering) == (2, PortSteering::FlowRules),
        "{port:?}"
    );
    for at in 0..FLOWS {
        control.receiver(&format!("in{at}"), 6000 + at)?;
        control.start(format!("in{at}"))?;
    }
    // From another port each: a hash of the addresses would spread them.
    let net = format!("--net=/run/netns/{namespace}");
    let datagrams = "for i in $(seq 50); do for p in 6000 6001 6002 6003; do \
                     echo > /dev/udp/10.77.0.2/$p; done; done";
    output("nsenter", &[&net, "bash", "-c", datagrams])?;
    for at in 0..FLOWS {
        until("all datagrams", Deadline::seconds(TIMEOUT_S), || {
            let refused = control.show(format!("in{at}"))?.counters.packets_malformed;
            Ok((refused.values().sum::<u64>() >= 50).then_some(()))
        })?;
    }
    let port = control.health()?.dataplane.ports.remove(0);
    ensure!(port.rx_handed_over == 0, "{port:?}");
    Ok(())
}

fn text(found: &Result<String>) -> String {
    match found {
        Ok(found) => found.clone(),
        Err(error) => format!("no: {error:#}"),
    }
}
