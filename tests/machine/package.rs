//! The Debian package under the machine's own systemd: installed, started, reloaded, restarted under
//! a client, upgraded with a session on air and without, purged; and with ports on PCI devices, which the daemon opens without being root.
//! For the machine of `cargo xtask vm test`: it changes the system.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Actor, Deadline, until};
use onair_tests::pci::{self, TIMEOUT_S};
use onair_tests::{output, ports_on_a_cable, program};
use serde_json::Value;

const PACKAGE: &str = "../target/onair.deb";
/// That of the package: the machine has the one of this tree in PATH, too.
const ONAIRCTL: &str = "/usr/bin/onairctl";
const CONFIG: &str = "/etc/onair/onaird.toml";
const SPEC: &[&str] = &[
    "session",
    "create",
    "studio",
    "--direction",
    "receive",
    "--port",
    "b",
    "--size",
    "320x180",
    "--rate",
    "10",
    "--depth",
    "8",
    "--destination",
    "10.77.0.2:5004",
];

/// What a command that must succeed prints.
fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let text = output(program, arguments)?;
    Ok(text.trim().to_owned())
}

fn property(name: &str) -> Result<String> {
    run(
        "systemctl",
        &["show", "onaird", "--value", "--property", name],
    )
}

/// The pid of the daemon, which systemd says is running and which says that it is ready.
fn running() -> Result<String> {
    ensure!(
        property("ActiveState")? == "active",
        "{}",
        property("ActiveState")?
    );
    ensure!(run(ONAIRCTL, &["health", "--ready"])?.starts_with("ready"));
    property("MainPID")
}

#[test]
fn package_from_installation_to_purge_then_each_step_is_right() -> Result<()> {
    run("dpkg", &["--install", PACKAGE])?;
    run("getent", &["group", "onair"])?;
    ensure!(
        property("UnitFileState")? == "disabled",
        "it must be configured first"
    );
    fs::write(CONFIG, ports_on_a_cable(&fs::read_to_string(CONFIG)?)?)?;

    // Type=notify: it returns when the daemon is ready.
    run("systemctl", &["start", "onaird"])?;
    let first = running()?;
    ensure!(
        property("WatchdogUSec")? == "30s",
        "{}",
        property("WatchdogUSec")?
    );
    run("systemctl", &["reload", "onaird"])?;
    ensure!(running()? == first);
    for line in run(
        "journalctl",
        &[
            "--unit",
            "onaird",
            "--output",
            "cat",
            &format!("_PID={first}"),
        ],
    )?
    .lines()
    {
        serde_json::from_str::<Value>(line).with_context(|| line.to_owned())?;
    }

    // A client that is attached when the service restarts.
    run(ONAIRCTL, SPEC)?;
    // The unit hides /home, and the probe must see a program there.
    let verify = "/home/onair-verify";
    fs::copy(program("onair-verify")?, verify)?;
    let mut client = Command::new(verify);
    let mut client = Actor::start(
        "onair-verify",
        client.args(["/run/onair/attach.sock", "studio", "2"]),
    )?;
    client.wait_line("ready", Deadline::seconds(20), |line| {
        line["event"] == "ready"
    })?;
    run("systemctl", &["restart", "onaird"])?;
    let second = running()?;
    ensure!(second != first);
    client.wait_line("the end", Deadline::seconds(20), |line| {
        line["event"] == "returned"
    })?;

    // A new version of the package leaves a session on air, and keeps what the operator wrote.
    let written = fs::read_to_string(CONFIG)?;
    run(ONAIRCTL, SPEC)?;
    let said = run("dpkg", &["--install", PACKAGE])?;
    ensure!(said.contains("onairctl upgrade"), "{said}");
    ensure!(running()? == second);
    ensure!(output(ONAIRCTL, &["upgrade"]).is_err());
    ensure!(output("dpkg", &["--remove", "onair"]).is_err());
    ensure!(running()? == second);
    run(ONAIRCTL, &["upgrade", "--stop-sessions"])?;
    let third = running()?;
    ensure!(third != second);
    // Without one it restarts the daemon.
    run("dpkg", &["--install", PACKAGE])?;
    ensure!(running()? != third);
    ensure!(fs::read_to_string(CONFIG)? == written);

    run("dpkg", &["--purge", "onair"])?;
    let certificates = fs::read_dir("/var/lib/onair/certificates")?;
    ensure!(certificates.count() > 0, "a purge keeps them");
    for path in ["/usr/bin/onaird", CONFIG, "/run/onair/control.sock"] {
        ensure!(!Path::new(path).exists(), "{path} is still there");
    }
    ensure!(property("LoadState")? == "not-found");
    Ok(())
}

/// What an operator writes for `devices`, as docs/nic.md says, with frames from one to the other.
fn on_pci(config: &str, devices: &[String; 2]) -> Result<String> {
    let ports = config.find("[[port]]").context("its port")?;
    let mut ours = config[..ports].to_owned();
    ours += "[dpdk]\nhugepages = \"require\"\nmemory_mb = 256\npci = true\n";
    for (name, device, address) in [
        ("a", &devices[0], "10.77.0.1/24"),
        ("b", &devices[1], "10.77.0.2/24"),
    ] {
        ours += &format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\naddress = \"{address}\"\npoller = \"p0\"\n"
        );
    }
    for (name, rest) in [
        ("wall", "direction = \"receive\"\nport = \"b\""),
        (
            "studio",
            "direction = \"send\"\nport = \"a\"\nsource = \"pattern\"",
        ),
    ] {
        ours += &format!(
            "[[session]]\nname = \"{name}\"\n{rest}\n\
             video = {{ width = 320, height = 180, frame_rate = \"10/1\", depth = 8 }}\n\
             flow = {{ destination = \"10.77.0.2:5004\" }}\n"
        );
    }
    Ok(ours)
}

/// Frames arrive at a client, each whole and right.
fn frames_arrive() -> Result<()> {
    let mut client = Command::new(program("onair-verify")?);
    let mut client = Actor::start(
        "onair-verify",
        client.args(["/run/onair/attach.sock", "wall", "2"]),
    )?;
    let enough = client.wait_line("20 frames", Deadline::seconds(TIMEOUT_S), |line| {
        line["verified"].as_u64() >= Some(20)
    })?;
    ensure!(enough["wrong"] == 0, "{enough}");
    Ok(())
}

#[test]
fn ports_on_pci_under_the_unit_then_frames_come_after_each_end() -> Result<()> {
    fs::write("/proc/sys/vm/nr_hugepages", "256")?;
    run("dpkg", &["--install", PACKAGE])?;
    let example = fs::read_to_string(CONFIG)?;
    for devices in pci::pairs("vfio-pci")? {
        fs::write(CONFIG, on_pci(&example, &devices)?)?;
        run("systemctl", &["restart", "onaird"])?;
        let first = running()?;
        let user = run("ps", &["--no-headers", "-o", "user", "--pid", &first])?;
        ensure!(user == "onaird", "the daemon runs as {user}");
        frames_arrive()?;

        run("systemctl", &["kill", "--signal", "SIGKILL", "onaird"])?;
        until(
            "systemd to start another",
            Deadline::seconds(TIMEOUT_S),
            || Ok(running().is_ok_and(|pid| pid != first).then_some(())),
        )?;
        frames_arrive()?;

        run(ONAIRCTL, &["session", "stop", "wall"])?;
        run(ONAIRCTL, &["session", "destroy", "wall", "--wait", "20s"])?;
        run(ONAIRCTL, &["certificate", "verify", "wall"])?;
        run("systemctl", &["stop", "onaird"])?;
        ensure!(property("Result")? == "success", "{}", property("Result")?);
    }
    run("dpkg", &["--purge", "onair"])?;
    Ok(())
}
