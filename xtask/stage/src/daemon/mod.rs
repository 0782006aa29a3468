//! `onaird` on a stage.

pub(crate) mod config;
pub(crate) mod control;
pub(crate) mod http;
pub(crate) mod prometheus;
pub(crate) mod rig;
pub(crate) mod spec;

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags};
use rustix::process::Signal;

use self::config::Config;
use crate::process::{Running, wait_any};
use crate::stage::Stage;
use crate::until::Deadline;

/// A running `onaird`, started with a configuration of its own in the stage's folder.
#[derive(Debug)]
pub struct Daemon {
    running: Running,
    log: PathBuf,
    /// Where in the log this daemon's part begins: another may have run on this stage before.
    log_begin: usize,
}

impl Daemon {
    /// Starts `program` with the configuration `config` and waits until it says that it is
    /// ready (sd_notify(3), `READY=1`). Never inside the namespace: the configuration names it.
    ///
    /// # Errors
    /// When it ends or `deadline` passes before it is ready: the message has the end of its log.
    pub fn start(
        stage: &Stage,
        program: &Path,
        config: &Config,
        deadline: Deadline,
    ) -> Result<Self> {
        Self::start_with(stage, program, config, deadline, |_| {})
    }

    /// Like [`Daemon::start`], with additional settings of its command.
    pub fn start_with(
        stage: &Stage,
        program: &Path,
        config: &Config,
        deadline: Deadline,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let file = stage.directory().join("onaird.toml");
        fs::write(&file, config.toml(stage))
            .with_context(|| format!("writing {}", file.display()))?;
        let log = stage.directory().join("onaird.log");
        let out = File::options().create(true).append(true).open(&log)?;
        let log_begin = usize::try_from(out.metadata()?.len()).context("the log's length")?;
        let notify = stage.directory().join("notify.sock");
        // The socket of a daemon that was started before on this stage may still lie there.
        let _ = fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify)?;
        socket.set_nonblocking(true)?;
        let mut command = stage.command(program);
        command
            .arg("--config")
            .arg(&file)
            .arg("--summary-json")
            .arg(Self::summary(stage))
            .env("NOTIFY_SOCKET", &notify)
            .stdout(out.try_clone()?)
            .stderr(out);
        prepare(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut daemon = Self {
            running: Running::new("onaird", child)?,
            log,
            log_begin,
        };
        daemon.wait_ready(&socket, deadline)?;
        Ok(daemon)
    }

    fn wait_ready(&mut self, socket: &UnixDatagram, deadline: Deadline) -> Result<()> {
        let process = self.running.pidfd()?;
        let mut message = [0; 4096];
        loop {
            let ready = wait_any(
                &mut [
                    PollFd::new(&socket, PollFlags::IN),
                    PollFd::new(&process, PollFlags::IN),
                ],
                deadline,
            )?;
            while let Ok(length) = socket.recv(&mut message) {
                if message[..length]
                    .split(|&byte| byte == b'\n')
                    .any(|line| line == b"READY=1")
                {
                    return Ok(());
                }
            }
            if let Some(status) = self.running.ended()? {
                bail!(
                    "onaird ended ({status}) before it was ready:\n{}",
                    self.log_tail(20)
                );
            }
            if !ready {
                bail!(
                    "onaird was not ready after {:?}:\n{}",
                    deadline.span(),
                    self.log_tail(40)
                );
            }
        }
    }

    /// Where a daemon on `stage` writes how it ended.
    #[must_use]
    pub fn summary(stage: &Stage) -> PathBuf {
        stage.directory().join("summary.json")
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// The process, to signal it and to wait for its end.
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// When `deadline` passes first: the message has the end of its log.
    pub fn stop(mut self, deadline: Deadline) -> Result<ExitStatus> {
        self.running.signal(Signal::TERM)?;
        match self.running.wait(deadline) {
            Ok(status) => Ok(status),
            Err(error) => Err(error.context(self.log_tail(40))),
        }
    }

    /// All that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        let all = fs::read(&self.log).unwrap_or_default();
        let own = all.get(self.log_begin..).unwrap_or_default();
        String::from_utf8_lossy(own).into_owned()
    }

    /// The last `lines` lines of [`Daemon::log`].
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<_> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}
