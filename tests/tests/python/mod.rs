//! The Python package: its own tests, its examples and its types, on a daemon that runs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Result, ensure};
use onair_api::Source;
use onair_tests::{Config, Raster, Rig, program, send};

pub(crate) const PACKAGE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../userspace/clients/python");

/// The interpreter that has the package: `cargo xtask test` installs it there.
fn interpreter() -> Result<PathBuf> {
    program("../tools/python/bin/python")
}

fn said(command: &mut Command) -> Result<String> {
    output_of(command.env("PYTHONDONTWRITEBYTECODE", "1").output()?)
}

fn output_of(output: Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}{errors}", output.status);
    Ok(said)
}

/// The interpreter with these arguments, in the folder of the package's tests: there the package's sources are not
/// found in place of what is installed.
pub(crate) fn command(rig: &Rig, arguments: &[&str]) -> Result<Command> {
    Ok(command_of(rig, &interpreter()?, arguments))
}

/// The same, of another interpreter.
fn command_of(rig: &Rig, interpreter: &Path, arguments: &[&str]) -> Command {
    let mut command = rig.stage().command(interpreter);
    command
        .args(arguments)
        .current_dir(format!("{PACKAGE}/tests"))
        .env("ONAIR_ATTACH", rig.attach_socket())
        .env("ONAIR_SOCKET", Config::control_socket(rig.stage()))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What it says.
pub(crate) fn python(rig: &Rig, arguments: &[&str]) -> Result<String> {
    said(&mut command(rig, arguments)?)
}

#[test]
fn python_waits_and_the_daemon_is_killed_then_it_raises() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut daemon = rig.take_daemon()?;
    let pid = daemon.pid().to_string();
    let mut pytest = command(&rig, &["-m", "pytest", "daemon_dies.py"])?;
    let said = said(pytest.env("ONAIR_DAEMON_PID", pid))?;
    assert!(said.contains("1 passed"), "{said}");
    daemon.running().kill().map(drop)
}

#[test]
fn python_reattaches_and_the_daemon_restarts_then_it_goes_on() -> Result<()> {
    let mut rig = Rig::rings()?;
    let (mut ours, theirs) = UnixStream::pair()?;
    // Without pytest's capture, which takes standard input away.
    let mut pytest = command(&rig, &["-m", "pytest", "-s", "daemon_restarts.py"])?;
    pytest.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped());
    let child = pytest.stderr(Stdio::piped()).spawn()?;
    drop(pytest);
    for asked in BufReader::new(ours.try_clone()?).lines() {
        match asked?.as_str() {
            "kill" => rig.kill_daemon()?,
            "stop" => rig.stop_daemon()?,
            _ => rig.start_daemon()?,
        }
        ours.write_all(b"done\n")?;
    }
    let said = output_of(child.wait_with_output()?)?;
    assert!(said.contains("2 passed"), "{said}");
    Ok(())
}

#[test]
fn python_examples_then_typed_and_each_does_what_it_says() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    for (name, udp) in [("one", 5000), ("two", 5001)] {
        control.receiver(name, udp)?;
        control.pattern(&format!("to-{name}"), udp)?;
    }
    let example = |name: &str, arguments: &[&str]| {
        let path = format!("{PACKAGE}/examples/{name}");
        python(&rig, &[&[path.as_str()], arguments].concat())
    };
    let received = example("receive.py", &["one", "5"])?;
    assert_eq!(received.lines().count(), 5, "{received}");
    let spec = send("sender", Raster::SMALL, 5010, Source::Client);
    let sent = example("send.py", &[&serde_json::to_string(&spec)?, "10"])?;
    assert!(sent.starts_with("destroyed at 2"), "{sent}");
    let several = example("several.py", &["3", "one", "two"])?;
    for name in ["one", "two"] {
        let own = several.lines().filter(|it| it.starts_with(name));
        assert_eq!(own.count(), 3, "{several}");
    }
    types_checked()
}

/// The stubs are as the module, and the examples use them rightly.
fn types_checked() -> Result<()> {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(interpreter()?);
        command.args(arguments).current_dir(PACKAGE);
        said(&mut command)
    };
    let cache = "--cache-dir=/dev/null";
    run(&["-m", "mypy", cache, "tests", "examples"])?;
    // In a folder without the package's sources, which have no module.
    let mut stubtest = Command::new(interpreter()?);
    stubtest
        .args(["-m", "mypy.stubtest", "onair"])
        .args(["--ignore-unused-allowlist", "--allowlist"])
        .arg(format!("{PACKAGE}/tests/stubtest.txt"))
        .current_dir(format!("{PACKAGE}/tests"));
    said(&mut stubtest)?;
    Ok(())
}

#[test]
fn python_tests_on_each_interpreter_then_all_pass() -> Result<()> {
    let rig = Rig::rings()?;
    // `cargo xtask test` says which is absent.
    let later = ["3.12", "3.13"].map(|it| program(&format!("../tools/python{it}/bin/python")));
    for interpreter in [interpreter()?]
        .into_iter()
        .chain(later.into_iter().flatten())
    {
        let said = said(&mut command_of(&rig, &interpreter, &["-m", "pytest"]))?;
        ensure!(
            said.contains(" passed") && !said.contains("skipped"),
            "{}: {said}",
            interpreter.display()
        );
        rig.control()?.health()?;
    }
    Ok(())
}
