//! A stage with a daemon on it.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Backend, Config, Daemon, Deadline, MEMORY_MB, Stage, Veth};
use onair_types::ShutdownSummary;

use crate::control::Control;
use crate::programs::program;
use crate::raw_client::RawClient;
use crate::spec::{Raster, receive};
use crate::test_client::TestClient;

/// How long a daemon may take to be ready, and to end.
const PATIENCE: u64 = 30;

/// A daemon that is ready, and the stage that it stands on. When a test fails, the end of the
/// daemon's log is shown.
#[derive(Debug)]
pub struct Rig {
    // Before the stage: it must be gone when the namespace is taken down.
    daemon: Option<Daemon>,
    stage: Stage,
    config: Config,
    last_log: String,
}

impl Rig {
    /// Two ports `a` and `b` at the ends of a veth pair, on AF_XDP: what is sent on one is received
    /// on the other.
    ///
    /// # Errors
    /// When the stage cannot be put up, or the daemon is not ready in half a minute.
    pub fn pair() -> Result<Self> {
        Self::with(Config::pair(Backend::AfXdp), |_| {})
    }

    /// One port `b` (10.77.0.2, AF_XDP), whose cable ends at the kernel's own stack (10.77.0.9):
    /// for senders that are not ours, inside the stage's namespace.
    pub fn beside_the_kernel() -> Result<Self> {
        let mut config = Config::pair(Backend::AfXdp);
        config.ports.retain(|port| port.name == "b");
        Self::put_up(config, Some("10.77.0.9/24"), |_| {})
    }

    /// As [`Rig::pair`], with a configuration of one's own and additional settings of the daemon's
    /// command (environment, arguments).
    pub fn with(config: Config, prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        Self::put_up(config, None, prepare)
    }

    /// Two ports `a` and `b` at the ends of a wire inside the daemon: no interface and no hugepage
    /// is needed, for tests that are not about packets.
    pub fn rings() -> Result<Self> {
        Self::rings_with(|_| {})
    }

    /// As [`Rig::rings`], with a connection to the control socket.
    pub fn with_control() -> Result<(Self, Control)> {
        let rig = Self::rings()?;
        let control = rig.control()?;
        Ok((rig, control))
    }

    /// As [`Rig::with_control`], with a session `cam` that receives small frames at UDP port 5000.
    pub fn with_cam() -> Result<(Self, Control)> {
        let (rig, mut control) = Self::with_control()?;
        control.create(&receive("cam", Raster::SMALL, 5000))?;
        Ok((rig, control))
    }

    /// As [`Rig::rings`], with changes to the configuration.
    pub fn rings_with(change: impl FnOnce(&mut Config)) -> Result<Self> {
        Self::rings_as(change, |_| {})
    }

    /// As [`Rig::rings`], with `more` at the end of the configuration, as TOML.
    pub fn rings_and(more: impl Into<String>) -> Result<Self> {
        Self::rings_with(|config| config.more = more.into())
    }

    /// As [`Rig::rings_with`], with additional settings of the daemon's command.
    pub fn rings_as(
        change: impl FnOnce(&mut Config),
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let mut config = Config::pair(Backend::Ring);
        change(&mut config);
        let mut rig = Self {
            daemon: None,
            stage: Stage::open("test")?,
            config,
            last_log: String::new(),
        };
        rig.start_daemon_with(prepare)?;
        Ok(rig)
    }

    /// A new connection to the attach socket that says hello and nothing else.
    pub fn raw_client(&self) -> Result<RawClient> {
        RawClient::welcomed(&Config::attach_socket(&self.stage))
    }

    fn put_up(
        mut config: Config,
        kernel: Option<&'static str>,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let stage = Stage::open("test")?;
        let mut cable = Veth::bare("va", "vb");
        cable.a.address = kernel;
        stage.veth(&cable)?;
        config.hugepages = stage.hugepages(MEMORY_MB)?;
        let mut rig = Self {
            daemon: None,
            stage,
            config,
            last_log: String::new(),
        };
        rig.start_daemon_with(prepare)?;
        Ok(rig)
    }

    /// Starts the daemon again, after it has been stopped or killed.
    ///
    /// # Errors
    /// When it is not ready in half a minute.
    pub fn start_daemon(&mut self) -> Result<()> {
        self.start_daemon_with(|_| {})
    }

    /// As [`Rig::start_daemon`], with another configuration from now on.
    pub fn start_daemon_as(&mut self, config: Config) -> Result<()> {
        self.config = config;
        self.start_daemon()
    }

    /// The configuration, to start another daemon with a changed one.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn start_daemon_with(&mut self, prepare: impl FnOnce(&mut Command)) -> Result<()> {
        ensure!(self.daemon.is_none(), "the daemon still runs");
        self.daemon = Some(Daemon::start_with(
            &self.stage,
            &program("onaird")?,
            &self.config,
            Deadline::seconds(PATIENCE),
            prepare,
        )?);
        Ok(())
    }

    /// Stops the daemon by SIGTERM.
    ///
    /// # Errors
    /// When it does not end within half a minute, or not with status 0.
    pub fn stop_daemon(&mut self) -> Result<()> {
        let daemon = self.daemon.take().context("the daemon does not run")?;
        let status = daemon.stop(Deadline::seconds(PATIENCE))?;
        ensure!(status.success(), "onaird ended with {status} after SIGTERM");
        Ok(())
    }

    /// Waits for the end of the daemon, whoever asked for it: its status, and its last words.
    ///
    /// # Errors
    /// When it does not end within a minute, or has not said how it ended.
    pub fn daemon_ends(&mut self) -> Result<(i32, ShutdownSummary)> {
        let mut daemon = self.daemon.take().context("the daemon does not run")?;
        let status = match daemon.running().wait(Deadline::seconds(2 * PATIENCE)) {
            Ok(status) => status,
            Err(error) => return Err(error.context(daemon.log_tail(60))),
        };
        let words = std::fs::read(Daemon::summary(&self.stage))
            .with_context(|| format!("its summary; it said:\n{}", daemon.log_tail(60)))?;
        let summary = serde_json::from_slice(&words)?;
        self.last_log = daemon.log();
        Ok((status.code().context("it was killed")?, summary))
    }

    /// All that the daemon of [`Rig::daemon_ends`] logged.
    #[must_use]
    pub fn last_log(&self) -> &str {
        &self.last_log
    }

    /// Kills the daemon with SIGKILL.
    pub fn kill_daemon(&mut self) -> Result<()> {
        let mut daemon = self.daemon.take().context("the daemon does not run")?;
        daemon.running().kill()?;
        Ok(())
    }

    /// The daemon.
    pub fn daemon(&mut self) -> Result<&mut Daemon> {
        self.daemon.as_mut().context("the daemon does not run")
    }

    /// The stage.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// A new connection to the daemon's control socket.
    pub fn control(&self) -> Result<Control> {
        Control::connect(&Config::control_socket(&self.stage))
    }

    /// A new client process that does as it is told, connected to the attach socket.
    pub fn test_client(&self) -> Result<TestClient> {
        TestClient::start(&self.stage)
    }

    /// A new client process that is attached to `session`.
    pub fn user(&self, session: &str) -> Result<TestClient> {
        let mut user = self.test_client()?;
        user.say(format_args!("attach {session}"))?;
        Ok(user)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(daemon) = &self.daemon
        {
            eprintln!("the end of onaird's log:\n{}", daemon.log_tail(60));
        }
        if let Some(daemon) = self.daemon.take()
            && let Err(error) = daemon.stop(Deadline::seconds(PATIENCE))
        {
            eprintln!("stopping onaird: {error:#}");
        }
    }
}
