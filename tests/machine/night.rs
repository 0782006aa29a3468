//! Nothing that is kept is lost at night, by the packaged unit under the machine's own systemd: the disk is full, the
//! configuration has a typo, a stored session is damaged.
//! For the machine of `cargo xtask vm test`: it changes the system.
#![forbid(unsafe_code)]

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use onair_stage::{Deadline, until};
use onair_tests::{output, ports_on_a_cable, program};
use serde_json::Value;

const ONAIRCTL: &str = "/usr/bin/onairctl";
const CONFIG: &str = "/etc/onair/onaird.toml";
const STATE: &str = "/var/lib/onair";
const UNIT: &str = "/etc/systemd/system/onaird.service";
const USERS: &str = "/etc/onair.sysusers";
/// What fills the disk.
const BALLAST: &str = "/var/lib/onair/ballast";
/// Time for what systemd or the daemon does by itself, in seconds.
const TIMEOUT_S: u64 = 30;

/// Runs a command line that must succeed.
fn run(line: &str) -> Result<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let (program, arguments) = words.split_first().context("a command")?;
    Ok(output(program, arguments)?.trim().to_owned())
}

/// Runs onairctl, which must succeed. An emulated machine is slow.
fn ctl(arguments: &str) -> Result<String> {
    run(&format!("{ONAIRCTL} --timeout 60s {arguments}"))
}

/// What a command line says that must fail.
fn refused(line: &str) -> Result<String> {
    match run(line) {
        Ok(text) => bail!("`{line}` succeeded: {text}"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

fn property(name: &str) -> Result<String> {
    run(&format!("systemctl show onaird --value --property {name}"))
}

/// The unit with this tree's programs, and an empty state directory on a small disk of its own. It is removed at the
/// end: the next tests have the package.
struct Installed;

impl Installed {
    /// Installs the unit, starts it, and creates three sessions.
    fn new() -> Result<Self> {
        let installed = Self;
        for name in ["onaird", "onairctl"] {
            fs::copy(program(name)?, Path::new("/usr/bin").join(name))?;
        }
        for (name, to) in [
            ("systemd/onaird.service", UNIT),
            ("debian/onair.sysusers", USERS),
        ] {
            let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
            fs::copy(packaging.join(name), to)?;
        }
        run(&format!("systemd-sysusers {USERS}"))?;
        fs::create_dir_all("/etc/onair")?;
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/onaird.toml");
        let config = ports_on_a_cable(&fs::read_to_string(example)?)?;
        fs::write(
            CONFIG,
            config + "[dpdk]\nhugepages = \"never\"\nmemory_mb = 128\n",
        )?;
        fs::create_dir_all(STATE)?;
        run(&format!(
            "mount -t tmpfs -o size=8m,mode=0700,uid=onaird none {STATE}"
        ))?;
        run("systemctl daemon-reload")?;
        run("systemctl start onaird")?;
        for (session, udp) in [("one", 5004), ("two", 5006), ("three", 5008)] {
            ctl(&format!(
                "session create {session} --direction receive --port b --destination 10.77.0.2:{udp} --persistent \
                 --size 320x180 --rate 10 --depth 8"
            ))?;
        }
        Ok(installed)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        for line in [
            "systemctl stop onaird",
            "umount /var/lib/onair",
            "rm -f /etc/systemd/system/onaird.service /etc/onair/onaird.toml /usr/bin/onaird /usr/bin/onairctl",
            "systemctl daemon-reload",
            "systemctl reset-failed onaird",
            "ip link delete va",
        ] {
            // After a failure some are not there.
            run(line).ok();
        }
    }
}

/// The pid of the daemon, once it is another one than `before` and ready.
fn restarted(before: &str) -> Result<String> {
    until(
        "systemd to start another",
        Deadline::seconds(TIMEOUT_S),
        || {
            let pid = property("MainPID")?;
            let is_other = pid != before && pid != "0" && property("ActiveState")? == "active";
            Ok((is_other && ctl("health --ready").is_ok()).then_some(pid))
        },
    )
}

fn kill() -> Result<()> {
    run("systemctl kill --signal SIGKILL onaird").map(drop)
}

fn health() -> Result<Value> {
    Ok(serde_json::from_str(&ctl("--json health")?)?)
}

/// Waits until a problem of the health contains `part`, or none does.
fn until_health(part: &str, names_it: bool) -> Result<()> {
    let what = format!("the health to name {part:?}: {names_it}");
    until(what, Deadline::seconds(TIMEOUT_S), || {
        let problems = health()?["problems"].to_string();
        Ok((problems.contains(part) == names_it).then_some(()))
    })
}

/// The names of the certificates, or of the sessions.
fn names(of: &str) -> Result<Vec<String>> {
    let list: Value = serde_json::from_str(&ctl(&format!("--json {of} list"))?)?;
    let all = list[format!("{of}s")].as_array().context("a list")?;
    let mut names: Vec<String> = all
        .iter()
        .filter_map(|it| Some(it["name"].as_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Fills the disk.
fn fill() -> Result<()> {
    let mut ballast = fs::File::create(BALLAST)?;
    while ballast.write_all(&[1; 4096]).is_ok() {}
    Ok(())
}

#[test]
fn disk_full_over_stop_start_and_kill_then_nothing_is_lost() -> Result<()> {
    let _installed = Installed::new()?;
    fill()?;
    let doctor = ctl(&format!("doctor --config {CONFIG}"))?;
    for says in ["the daemon starts; it keeps certificates", "would start"] {
        ensure!(doctor.contains(says), "no {says:?} in: {doctor}");
    }
    ctl("session destroy one --stop --wait 60s")?;
    until_health("certificates have no file of their own", true)?;

    // An orderly end that cannot write all says so, and what it left starts.
    run("systemctl stop onaird")?;
    ensure!(property("Result")? == "exit-code", "it hides a full disk");
    run("systemctl start onaird")?;
    ensure!(property("NRestarts")? == "0", "it needed several starts");
    until_health("certificates have no file of their own", true)?;
    ensure!(names("session")? == ["three", "two"]);
    ensure!(names("certificate")? == ["one", "three", "two"]);
    ctl("session destroy two --stop --wait 60s")?;
    let pid = property("MainPID")?;
    kill()?;
    restarted(&pid)?;
    ensure!(names("session")? == ["three"]);
    ensure!(names("certificate")? == ["one", "three", "two", "two"]);
    until_health("certificates have no file of their own", true)?;

    fs::remove_file(BALLAST)?;
    until_health("not on disk", false)?;
    run("systemctl stop onaird")?;
    ensure!(property("Result")? == "success", "{}", property("Result")?);
    let folder = fs::read_dir(Path::new(STATE).join("certificates"))?;
    let files: Vec<String> = folder
        .map(|it| Ok(it?.path().display().to_string()))
        .collect::<Result<_>>()?;
    // Of `two` and `three` two each.
    ensure!(files.len() == 5, "{files:?}");
    ctl(&format!("certificate verify {}", files.join(" ")))?;
    Ok(())
}

#[test]
fn typo_reloaded_and_met_by_a_restart_then_mended_it_is_back() -> Result<()> {
    let _installed = Installed::new()?;
    let good = fs::read_to_string(CONFIG)?;
    let bad = good.replace("memory_mb", "memory_md");
    let line = bad.lines().position(|line| line.starts_with("memory_md"));
    let line = format!("line {}", line.context("the typo")? + 1);
    let pid = property("MainPID")?;
    fs::write(CONFIG, &bad)?;
    // The watch notices it without a reload.
    until_health("a restart would fail", true)?;
    refused("systemctl reload onaird")?;
    for part in [CONFIG, &line, "memory_md", "Did you mean `memory_mb`?"] {
        let what = format!("the journal to say {part:?}");
        until(what, Deadline::seconds(TIMEOUT_S), || {
            let journal = run("journalctl --unit onaird --output cat --lines 40")?;
            Ok(journal.contains(part).then_some(()))
        })?;
    }
    ensure!(property("MainPID")? == pid && names("session")?.len() == 3);

    // It is tried again, and comes back by itself.
    kill()?;
    until("several starts", Deadline::seconds(TIMEOUT_S), || {
        let restarts: u32 = property("NRestarts")?.parse()?;
        Ok((restarts >= 3).then_some(()))
    })?;
    fs::write(CONFIG, &good)?;
    restarted(&pid)?;
    ensure!(names("session")?.len() == 3);
    until_health("a restart would fail", false)?;
    run("systemctl reload onaird")?;
    Ok(())
}

#[test]
fn stored_session_damaged_then_named_and_the_others_are_there() -> Result<()> {
    let _installed = Installed::new()?;
    let pid = property("MainPID")?;
    run("systemctl stop onaird")?;
    let file = Path::new(STATE).join("sessions/two.json");
    fs::File::options().write(true).open(&file)?.set_len(100)?;
    run("systemctl start onaird")?;
    restarted(&pid)?;
    ensure!(names("session")? == ["one", "three"]);
    until_health("sessions/two.json.corrupt", true)?;
    Ok(())
}
