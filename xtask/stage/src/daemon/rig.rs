//! A stage with a daemon on it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::daemon::Daemon;
use crate::daemon::config::{Backend, Config};
use crate::daemon::control::Control;
use crate::programs::program;
use crate::stage::Stage;
use crate::until::Deadline;

/// How long a daemon may take to be ready, and to end, in seconds.
const TIMEOUT_S: u64 = 30;

/// A stage, and the daemon that stands on it. When a test panics, the end of the daemon's log is
/// shown.
#[derive(Debug)]
pub struct Rig {
    // Before the stage: it must be gone when the namespace is taken down.
    daemon: Option<Daemon>,
    stage: Stage,
    /// For the next start of the daemon.
    pub config: Config,
    /// The daemon's program; the one that was built when absent.
    pub program: Option<PathBuf>,
}

impl Rig {
    /// A rig whose daemon is not started yet.
    #[must_use]
    pub fn new(stage: Stage, config: Config) -> Self {
        let daemon = None;
        Self {
            daemon,
            stage,
            config,
            program: None,
        }
    }

    /// A stage of this kind with a daemon that has two ports `a` and `b` at the ends of a wire
    /// inside it: no interface and no hugepage is needed. `change` and `prepare` may change the
    /// configuration and the daemon's command.
    ///
    /// # Errors
    /// When the stage cannot be put up, or the daemon is not ready in half a minute.
    pub fn rings(
        kind: &str,
        change: impl FnOnce(&mut Config),
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let mut config = Config::pair(Backend::Ring);
        change(&mut config);
        let mut rig = Self::new(Stage::open(kind)?, config);
        rig.start_daemon_with(prepare)?;
        Ok(rig)
    }

    /// Starts the daemon, also after it has been stopped or killed.
    ///
    /// # Errors
    /// When it is not ready in half a minute.
    pub fn start_daemon(&mut self) -> Result<()> {
        self.start_daemon_with(|_| {})
    }

    /// As [`Rig::start_daemon`], with additional settings of its command (environment, arguments).
    pub fn start_daemon_with(&mut self, prepare: impl FnOnce(&mut Command)) -> Result<()> {
        ensure!(self.daemon.is_none(), "the daemon still runs");
        let onaird = match &self.program {
            Some(onaird) => onaird.clone(),
            None => program("onaird")?,
        };
        let deadline = Deadline::seconds(TIMEOUT_S);
        let daemon = Daemon::start_with(&self.stage, &onaird, &self.config, deadline, prepare);
        self.daemon = Some(daemon?);
        Ok(())
    }

    /// The daemon.
    pub fn daemon(&mut self) -> Result<&mut Daemon> {
        self.daemon.as_mut().context("the daemon does not run")
    }

    /// Takes the daemon out of the rig.
    pub fn take_daemon(&mut self) -> Result<Daemon> {
        self.daemon.take().context("the daemon does not run")
    }

    /// Stops the daemon by SIGTERM.
    ///
    /// # Errors
    /// When it does not end within half a minute, or not with status 0.
    pub fn stop_daemon(&mut self) -> Result<()> {
        let status = self.take_daemon()?.stop(Deadline::seconds(TIMEOUT_S))?;
        ensure!(status.success(), "onaird ended with {status} after SIGTERM");
        Ok(())
    }

    /// Kills the daemon with SIGKILL.
    pub fn kill_daemon(&mut self) -> Result<()> {
        self.take_daemon()?.running().kill().map(drop)
    }

    /// The stage.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Where clients attach.
    #[must_use]
    pub fn attach_socket(&self) -> PathBuf {
        Config::attach_socket(&self.stage)
    }

    /// A new connection to the daemon's control socket.
    pub fn control(&self) -> Result<Control> {
        Control::connect(&Config::control_socket(&self.stage))
    }

    /// Stops the daemon and takes the stage down; gives `result`, with the end of the daemon's log
    /// if it is an error.
    ///
    /// # Errors
    /// As `result`, or when the daemon does not stop, or the stage cannot be taken down.
    pub fn end<T>(mut self, result: Result<T>) -> Result<T> {
        let log = self.daemon.as_ref().map(|daemon| daemon.log_tail(20));
        let stopped = self.stop();
        self.stage.take_down()?;
        let result = result.with_context(|| format!("its log:\n{}", log.unwrap_or_default()))?;
        stopped.map(|()| result)
    }

    fn stop(&mut self) -> Result<()> {
        let daemon = self.daemon.take();
        daemon.map_or(Ok(()), |it| it.stop(Deadline::seconds(TIMEOUT_S)).map(drop))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(daemon) = &self.daemon
        {
            eprintln!("the end of onaird's log:\n{}", daemon.log_tail(60));
        }
        if let Err(error) = self.stop() {
            eprintln!("stopping onaird: {error:#}");
        }
    }
}
