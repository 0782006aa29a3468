//! A start that hangs, and a second signal.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{PartOutcome, ShutdownSummary};
use onair_stage::{Backend, Config, Stage};
use onair_tests::{Daemon, Deadline, Running, output, program, wait_for};
use rustix::process::Signal;

/// A namespace's name that is a FIFO: whoever opens it waits for a writer. It goes when dropped.
struct Deaf(PathBuf);

impl Deaf {
    fn make(name: &str) -> Result<Self> {
        std::fs::create_dir_all("/run/netns")?;
        let path = PathBuf::from("/run/netns").join(name);
        output("mkfifo", &[path.to_str().context("a path in UTF-8")?])?;
        Ok(Self(path))
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn start_hangs_in_a_device_then_a_second_signal_ends_it_cleanly() -> Result<()> {
    let stage = Stage::open("test")?;
    let name = format!("onair-deaf-{}", std::process::id());
    let deaf = Deaf::make(&name)?;
    let mut config = Config::pair(Backend::Ring);
    config.more = "[shutdown]\ndebounce_ms = 10\n".into();
    let port = format!("address = \"{}\"\n", config.ports[0].address);
    let text = config.toml(&stage);
    let text = text.replacen(&port, &format!("{port}netns = \"{name}\"\n"), 1);
    ensure!(text.contains(&name), "{text}");
    let folder = stage.directory();
    let file = folder.join("onaird.toml");
    std::fs::write(&file, text)?;
    let log = std::fs::File::create(folder.join("onaird.log"))?;
    let mut command = stage.command(program("onaird")?);
    command.arg("--config").arg(&file);
    command.arg("--summary-json").arg(Daemon::summary(&stage));
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut daemon = Running::new("onaird", command.spawn()?)?;
    // The sockets are made before the ports are opened.
    let sockets = [
        Config::control_socket(&stage),
        Config::attach_socket(&stage),
    ];
    wait_for("the sockets", 30, || {
        Ok(sockets.iter().all(|socket| socket.exists()))
    })?;
    let said = || std::fs::read_to_string(folder.join("onaird.log")).unwrap_or_default();
    daemon.signal(Signal::TERM)?;
    wait_for("the first signal to be taken", 30, || {
        Ok(said().contains("a second signal ends it"))
    })?;
    ensure!(daemon.ended()?.is_none(), "one signal waits for the start");
    // Ten times the debounce.
    std::thread::sleep(Duration::from_millis(100));
    daemon.signal(Signal::TERM)?;
    let status = daemon.wait(Deadline::seconds(60)).with_context(said)?;
    let code = status.code().context("it was killed")?;
    ensure!(code == 8, "{status}: {}", said());
    let summary: ShutdownSummary =
        serde_json::from_slice(&std::fs::read(Daemon::summary(&stage))?)?;
    ensure!(summary.exit_status == 8 && summary.forced, "{summary:#?}");
    let released = summary
        .parts
        .iter()
        .find(|it| it.name == "kernel-visible resources");
    let released = released.context("what was registered")?;
    ensure!(released.outcome == PartOutcome::Done, "{summary:#?}");
    for socket in &sockets {
        ensure!(!socket.exists(), "{} is left", socket.display());
    }
    ensure!(said().contains("exit status 8"), "{}", said());
    drop(deaf);
    Ok(())
}
