//! A stage with a daemon on it, and the clients of the tests.

use std::ops::{Deref, DerefMut};
use std::process::Command;

use anyhow::{Context as _, Result};
use onair_api::ShutdownSummary;
use onair_stage::{
    Backend, Config, Control, Daemon, Deadline, MEMORY_MB, Stage, Veth, output, until,
};
use rustix::process::Signal;

use crate::raw_client::RawClient;
use onair_stage::TestClient;

/// A daemon that is ready, and the stage that it stands on.
#[derive(Debug)]
pub struct Rig {
    rig: onair_stage::Rig,
    last_log: String,
}

impl Deref for Rig {
    type Target = onair_stage::Rig;

    fn deref(&self) -> &Self::Target {
        &self.rig
    }
}

impl DerefMut for Rig {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.rig
    }
}

impl From<onair_stage::Rig> for Rig {
    fn from(rig: onair_stage::Rig) -> Self {
        let last_log = String::new();
        Self { rig, last_log }
    }
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
        Self::beside_the_kernel_and("")
    }

    /// As [`Rig::beside_the_kernel`], with `more` at the end of the configuration, as TOML.
    pub fn beside_the_kernel_and(more: &str) -> Result<Self> {
        let mut config = Config::pair(Backend::AfXdp);
        config.ports.retain(|port| port.name == "b");
        more.clone_into(&mut config.more);
        Self::put_up(config, (Some("10.77.0.9/24"), 1500), |_| {})
    }

    /// As [`Rig::pair`], with a configuration of one's own and additional settings of the daemon's
    /// command (environment, arguments).
    pub fn with(config: Config, prepare: impl FnOnce(&mut Command)) -> Result<Self> {
        Self::put_up(config, (None, 1500), prepare)
    }

    /// As [`Rig::with`], on a cable for IP packets of `mtu` bytes.
    pub fn with_mtu(config: Config, mtu: u16) -> Result<Self> {
        Self::put_up(config, (None, mtu), |_| {})
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
        control.receiver("cam", 5000)?;
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
        Ok(onair_stage::Rig::rings("test", change, prepare)?.into())
    }

    fn put_up(
        mut config: Config,
        (kernel, mtu): (Option<&'static str>, u16),
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let stage = Stage::open("test")?;
        let mut cable = Veth::bare("va", "vb");
        cable.a.address = kernel;
        cable.mtu = mtu;
        stage.veth(&cable)?;
        config.hugepages = stage.hugepages(MEMORY_MB)?;
        let mut rig = onair_stage::Rig::new(stage, config);
        rig.start_daemon_with(prepare)?;
        Ok(rig.into())
    }

    /// Waits for the end of the daemon: its exit status, and its summary.
    ///
    /// # Errors
    /// When it does not end within a minute, or has not said how it ended.
    pub fn daemon_ends(&mut self) -> Result<(i32, ShutdownSummary)> {
        let mut daemon = self.take_daemon()?;
        let ended = daemon.running().wait(Deadline::seconds(60));
        let status = ended.with_context(|| daemon.log_tail(60))?;
        let summary = std::fs::read(Daemon::summary(self.stage()))
            .with_context(|| format!("its summary; it said:\n{}", daemon.log_tail(60)))?;
        self.last_log = daemon.log();
        let code = status.code().context("it was killed")?;
        Ok((code, serde_json::from_slice(&summary)?))
    }

    /// SIGTERM, and waits for the end of the daemon, as [`Rig::daemon_ends`].
    pub fn terminated(&mut self) -> Result<(i32, ShutdownSummary)> {
        self.daemon()?.running().signal(Signal::TERM)?;
        self.daemon_ends()
    }

    /// All that the daemon of [`Rig::daemon_ends`] logged.
    #[must_use]
    pub fn last_log(&self) -> &str {
        &self.last_log
    }

    /// A new connection to the attach socket that says hello and nothing else.
    pub fn raw_client(&self) -> Result<RawClient> {
        RawClient::welcomed(&self.attach_socket())
    }

    /// A new client process that does as it is told, connected to the attach socket.
    pub fn test_client(&self) -> Result<TestClient> {
        TestClient::start(self.stage())
    }

    /// A new client process that is attached to `session`.
    pub fn user(&self, session: &str) -> Result<TestClient> {
        let mut user = self.test_client()?;
        user.say(format_args!("attach {session}"))?;
        Ok(user)
    }

    /// A new client process with `count` callers that are blocked in `session`, stopped by SIGSTOP.
    pub fn frozen(&self, session: &str, count: usize) -> Result<TestClient> {
        let mut user = self.user(session)?;
        user.block(count)?;
        user.freeze()?;
        Ok(user)
    }

    /// The metrics, as curl reads them, made after this call: the daemon makes the text once a second. It differs
    /// each time, by the turns of the pollers.
    pub fn scrape(&self) -> Result<String> {
        let before = self.last_metrics()?;
        until("new metrics", Deadline::seconds(20), || {
            let text = self.last_metrics()?;
            Ok((text != before).then_some(text))
        })
    }

    fn last_metrics(&self) -> Result<String> {
        let socket = Config::control_socket(self.stage());
        let socket = socket.to_str().context("a path in UTF-8")?;
        let url = "http://localhost/metrics";
        output("curl", &["-sf", "--unix-socket", socket, url])
    }
}
