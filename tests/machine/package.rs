//! The Debian package under the machine's own systemd: installed, started, reloaded, restarted under
//! a client, upgraded, purged. For the machine of `cargo xtask vm test`: it changes the system.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Actor, Deadline};
use onair_tests::{output, ports_on_a_cable, program};
use serde_json::Value;

const PACKAGE: &str = "../target/onair.deb";
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
    ensure!(run("onairctl", &["health", "--ready"])?.starts_with("ready"));
    property("MainPID")
}

#[test]
fn package_installed_started_reloaded_upgraded_and_purged_then_each_as_an_operator_expects()
-> Result<()> {
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
    run("onairctl", SPEC)?;
    // The unit hides /home, and the probe must see a program there.
    let verify = "/home/onair-verify";
    fs::copy(program("onair-verify")?, verify)?;
    let mut client = Command::new(verify);
    let mut client = Actor::start(
        "onair-verify",
        client.args(["/run/onair/attach.sock", "studio", "2"]),
    )?;
    client.hear("ready", Deadline::seconds(20), |line| {
        line["event"] == "ready"
    })?;
    run("systemctl", &["restart", "onaird"])?;
    let second = running()?;
    ensure!(second != first);
    client.hear("the end", Deadline::seconds(20), |line| {
        line["event"] == "returned"
    })?;

    // A new version of the package restarts a daemon that runs, and keeps what the operator wrote.
    let written = fs::read_to_string(CONFIG)?;
    run("dpkg", &["--install", PACKAGE])?;
    ensure!(running()? != second);
    ensure!(fs::read_to_string(CONFIG)? == written);
    ensure!(Path::new("/var/lib/onair").exists());

    run("dpkg", &["--purge", "onair"])?;
    for path in [
        "/usr/bin/onaird",
        "/var/lib/onair",
        CONFIG,
        "/run/onair/control.sock",
    ] {
        ensure!(!Path::new(path).exists(), "{path} is still there");
    }
    ensure!(property("LoadState")? == "not-found");
    Ok(())
}
