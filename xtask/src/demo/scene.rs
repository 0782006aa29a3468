//! The daemon on the stage, with the best backend of this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use onair_stage::{Backend, Config, Daemon, Deadline, Stage, TestClient};

use super::ctl::Ctl;
use super::report::Report;
use super::{Arguments, Lack, Need};
use crate::cargo::program;
use crate::say;

/// How long the daemon may take to be ready, and to end.
const TIMEOUT_S: u64 = 30;

/// Everything that the acts share.
pub(crate) struct Scene<'a> {
    pub(crate) ctl: Ctl,
    pub(crate) report: &'a mut Report,
    pub(super) stage: &'a Stage,
    programs: &'a [PathBuf],
    daemon: Daemon,
    has_second_network: bool,
}

impl<'a> Scene<'a> {
    /// Starts the daemon; on less than what was hoped for, unless that is required.
    pub(crate) fn open(
        stage: &'a Stage,
        programs: &'a [PathBuf],
        hugepages: bool,
        arguments: &Arguments,
        report: &'a mut Report,
    ) -> Result<Self> {
        let onaird = program(programs, "onaird")?;
        let ctl = Ctl::new(
            program(programs, "onairctl")?,
            &Config::control_socket(stage),
        );
        let (mut daemon, mut config) = start(stage, onaird, hugepages, arguments, report)?;
        let mut health = ctl.quiet("health")?;
        if config.probe != "off" && health["probe"]["state"] != "watching" {
            let why = health["probe"]["reason"]
                .as_str()
                .unwrap_or("no reason given");
            if arguments.require.contains(&Need::Probe) {
                bail!("the kernel's probe does not watch ({why}), and --require probe was given");
            }
            say::warning(format_args!("the probe cannot see: {why}"));
            config.probe = "off";
            daemon.stop(Deadline::seconds(TIMEOUT_S))?;
            daemon = Daemon::start(stage, onaird, &config, Deadline::seconds(TIMEOUT_S))?;
            health = ctl.quiet("health")?;
        }
        let probe = health["probe"]["state"].as_str();
        probe
            .context("health does not say how the probe is")?
            .clone_into(&mut report.probe);
        if report.probe == "watching" {
            say::good("the kernel's probe is watching");
        } else {
            say::warning(
                "THE PROBE IS OFF: the counters in shared memory are the only word about callers,",
            );
            say::warning("and every certificate says so");
        }
        Ok(Self {
            ctl,
            report,
            stage,
            programs,
            daemon,
            has_second_network: config.ports.len() > 2,
        })
    }

    /// A client process: the program `name` with `arguments`, connected to the daemon.
    pub(crate) fn client(&self, name: &str, arguments: &str) -> Result<TestClient> {
        let mut command = self.stage.command(program(self.programs, name)?);
        command.arg(Config::attach_socket(self.stage));
        TestClient::of(command.args(arguments.split_whitespace()))
    }

    /// Whether there is `what`: the probe, or a second network.
    pub(crate) fn has(&self, what: &str) -> bool {
        match what {
            "probe" => self.report.probe == "watching",
            _ => self.has_second_network,
        }
    }

    /// The last lines of the daemon's log.
    pub(crate) fn log_tail(&self) -> String {
        self.daemon.log_tail(25)
    }

    /// Stops the daemon.
    pub(crate) fn close(self) -> Result<()> {
        let status = self.daemon.stop(Deadline::seconds(TIMEOUT_S))?;
        if !status.success() {
            bail!("onaird ended with {status} after SIGTERM");
        }
        Ok(())
    }
}

/// The best backend with which the daemon starts.
fn start(
    stage: &Stage,
    onaird: &Path,
    hugepages: bool,
    arguments: &Arguments,
    report: &mut Report,
) -> Result<(Daemon, Config)> {
    let without = |lack| arguments.without.contains(&lack);
    let mut reasons = String::new();
    for backend in Backend::ALL {
        // Rings have no cable that could be cut.
        let mut config = match without(Lack::SecondNetwork) || backend == Backend::Ring {
            true => Config::pair(backend),
            false => Config::two_networks(backend),
        };
        config.hugepages = hugepages;
        if without(Lack::Probe) {
            config.probe = "off";
        }
        let started = if (backend == Backend::AfXdp && without(Lack::AfXdp))
            || (backend == Backend::AfPacket && without(Lack::AfPacket))
        {
            Err(anyhow!("left out by --without"))
        } else {
            say::wait(format_args!("starting onaird on {backend}"), |_| {
                Daemon::start(stage, onaird, &config, Deadline::seconds(TIMEOUT_S))
            })
        };
        match started {
            Ok(daemon) => {
                backend.name().clone_into(&mut report.backend);
                let runs = format!(
                    "onaird runs (pid {}), packets go over {backend}",
                    daemon.pid()
                );
                if backend == Backend::AfXdp {
                    say::good(runs);
                } else {
                    say::warning(format_args!("{runs}: less than it could be"));
                }
                return Ok((daemon, config));
            }
            Err(error) if arguments.require.contains(&Need::AfXdp) => {
                return Err(
                    error.context("AF_XDP does not work here, and --require af_xdp was given")
                );
            }
            Err(error) => {
                say::warning(format_args!("no {backend}: {error:#}"));
                reasons += &format!("\n{backend}: {error:#}");
            }
        }
    }
    bail!("onaird does not start on any backend:{reasons}")
}
