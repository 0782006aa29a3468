//! A real daemon to measure, on a stage of its own.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::Client;
use onair_stage::{Backend, Config, Daemon, Deadline, Http, MEMORY_MB, Stage, Veth};
use rustix::process::Signal;

const PATIENCE: u64 = 30;

/// A daemon that is ready, and the stage that it stands on.
#[derive(Debug)]
pub(crate) struct Stand {
    // Before the stage: it must be gone when the namespace is taken down.
    daemon: Option<Daemon>,
    pub(crate) stage: Stage,
    pub(crate) config: Config,
}

impl Stand {
    /// Two ports `a` and `b` at the ends of a wire inside the daemon.
    pub(crate) fn rings(change: impl FnOnce(&mut Config)) -> Result<Self> {
        let mut config = Config::pair(Backend::Ring);
        change(&mut config);
        let mut stand = Self {
            daemon: None,
            stage: Stage::open("bench")?,
            config,
        };
        stand.start()?;
        Ok(stand)
    }

    /// Two ports `a` and `b` on AF_XDP at the ends of a veth pair, with hugepages where the kernel
    /// has them, and a second pair `ta`–`tb` for another user. The daemon is not started yet.
    pub(crate) fn cables(change: impl FnOnce(&mut Config)) -> Result<Self> {
        let stage = Stage::open("bench")?;
        for (a, b) in [("va", "vb"), ("ta", "tb")] {
            stage.veth(&Veth::bare(a, b))?;
        }
        let mut config = Config::pair(Backend::AfXdp);
        // As much again for the program beside it.
        config.hugepages = stage.hugepages(2 * MEMORY_MB)?;
        change(&mut config);
        Ok(Self {
            daemon: None,
            stage,
            config,
        })
    }

    /// Starts the daemon.
    pub(crate) fn start(&mut self) -> Result<()> {
        let deadline = Deadline::seconds(PATIENCE);
        let daemon = Daemon::start(&self.stage, &onaird()?, &self.config, deadline)?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Takes the daemon out of the stand.
    pub(crate) fn take_daemon(&mut self) -> Result<Daemon> {
        self.daemon.take().context("the daemon does not run")
    }

    /// Has the daemon stand still, or go on.
    pub(crate) fn pause(&mut self, pause: bool) -> Result<()> {
        let signal = if pause { Signal::STOP } else { Signal::CONT };
        let daemon = self.daemon.as_mut().context("the daemon does not run")?;
        daemon.running().signal(signal)
    }

    pub(crate) fn control(&self) -> Result<Http> {
        Http::connect(
            &Config::control_socket(&self.stage),
            Duration::from_secs(120),
        )
    }

    pub(crate) fn client(&self) -> Client {
        Client::at(Config::attach_socket(&self.stage))
    }

    /// Where clients attach.
    pub(crate) fn attach(&self) -> PathBuf {
        Config::attach_socket(&self.stage)
    }

    /// Ends the daemon and takes the stage down; gives `result`, with the daemon's last words if it
    /// is an error.
    pub(crate) fn end<T>(mut self, result: Result<T>) -> Result<T> {
        let log = self.daemon.as_ref().map(|daemon| daemon.log_tail(20));
        let stopped = self.daemon.take().map_or(Ok(()), |daemon| {
            daemon.stop(Deadline::seconds(PATIENCE)).map(drop)
        });
        self.stage.take_down()?;
        let result = result.with_context(|| format!("its log:\n{}", log.unwrap_or_default()))?;
        stopped?;
        Ok(result)
    }
}

/// The daemon that was built beside this program.
pub(crate) fn onaird() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("onaird");
    anyhow::ensure!(
        path.exists(),
        "there is no {}: build it, as `cargo xtask bench` does",
        path.display()
    );
    Ok(path)
}
