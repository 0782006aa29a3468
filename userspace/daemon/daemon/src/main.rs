//! `onaird`: arguments, log, signals, exit status.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use onair_api::{ShutdownPhase, ShutdownStatus, ShutdownSummary};
use onair_mutant::mutant;
use onair_settings::config::Config;
use onaird::doctor::{self, Level};
use onaird::log::{self, LogError};
use onaird::process::notify;
use onaird::process::timer::DurationTimer;
use onaird::run::summary;
use onaird::run::{RunError, RunOutcome, Started, Succession, remove_demo_folder, run};
use onaird::shutdown::{Cause, Exit, ShutdownCoordinator, SignalError, Signals};
use onaird::takeover::{Predecessor, StdinError, Takeover};
use signal_hook::low_level;

/// The OnAir daemon: moves ST 2110 media through DPDK and hands frames to other processes.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
        onaird --demo\n  \
        onaird --config /etc/onair/onaird.toml\n  \
        onaird --config onaird.toml --check-config\n  \
        onaird --doctor\n  \
        onaird --doctor --json --config onaird.toml\n  \
        onaird --config onaird.toml --duration 90s --summary-json summary.json\n\n\
        Signals:\n  \
        SIGTERM, SIGINT  shut down; a second one forces it, even during a start that hangs\n  \
        SIGHUP           read the configuration file again\n  \
        SIGUSR1          print the state on standard error, as one line of JSON\n  \
        SIGCHLD          reap orphans, as PID 1 or as a subreaper\n\n\
        Exit status:\n  \
        0  ended in order\n  \
        1  failed: it could not be started, or a part failed\n  \
        2  wrong arguments\n  \
        4  sessions were still in use when timeouts.graceful_ms had passed\n  \
        5  forced by a second signal\n  \
        6  the configuration is invalid\n  \
        7  a part did not end in its time and was left behind\n  \
        8  a second signal ended a start that did not finish"
)]
struct Arguments {
    /// Configuration file (TOML), a regular file.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["doctor", "demo"])]
    config: Option<PathBuf>,
    /// Run without a file and without a NIC: the session `camera` sends a pattern, `studio` receives it.
    #[arg(long, conflicts_with = "config")]
    demo: bool,
    /// Check whether this machine can run the daemon, print what to change, and exit: 0 if nothing
    /// failed, else 1. It also checks the machine against the configuration of --config, or of
    /// /etc/onair/onaird.toml.
    #[arg(long)]
    doctor: bool,
    /// With --doctor: print JSON.
    #[arg(long, requires = "doctor")]
    json: bool,
    /// Check the configuration, and that the machine has its devices, and exit: 0, 6 for an invalid
    /// configuration, or 1 for a missing device.
    #[arg(long)]
    check_config: bool,
    /// Shut down in order after this time, such as 90s or 2h.
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    duration: Option<Duration>,
    /// A running daemon starts the one that takes its place with this.
    #[arg(long, hide = true)]
    take_over: bool,
    /// Write the result to this file at exit, as JSON. The daemon does not wait for the reader of a
    /// FIFO.
    #[arg(long, value_name = "FILE")]
    summary_json: Option<PathBuf>,
}

/// The file that the unit of the package gives the daemon.
const USUAL_FILE: &str = "/etc/onair/onaird.toml";

impl Arguments {
    /// The configuration file: without one the doctor takes that of the unit, if it is there.
    fn file(&self, usual: &Path) -> Option<PathBuf> {
        let usual = || (self.doctor && usual.exists()).then(|| usual.to_owned());
        self.config.clone().or_else(usual)
    }
}

/// Why the value of `--duration` is invalid.
#[derive(Debug, thiserror::Error)]
enum InvalidDuration {
    #[error("a duration cannot be negative: write it as 90s or 2h")]
    Negative,
    #[error("{0}: write it as 90s or 2h")]
    Form(humantime::DurationError),
}

/// Parses the value of `--duration`.
fn duration(text: &str) -> Result<Duration, InvalidDuration> {
    if text.starts_with('-') {
        return Err(InvalidDuration::Negative);
    }
    humantime::parse_duration(text).map_err(InvalidDuration::Form)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match &arguments.file(Path::new(USUAL_FILE)) {
        Some(path) => Config::load(path),
        None if arguments.demo => Ok(Config::demo()),
        None => Ok(Config::default()),
    };
    let checked = config.and_then(|config| {
        // The doctor reports the cores itself.
        if !arguments.doctor {
            config.cores()?;
            config.check_has_port()?;
        }
        if arguments.check_config {
            config.check_devices()?;
        }
        Ok(config)
    });
    let config = match checked {
        Ok(config) => config,
        Err(error) => {
            log::fatal(&error);
            return code(Exit::from(&error));
        }
    };
    if arguments.doctor {
        return examine(&config, arguments.json);
    }
    if arguments.check_config {
        let file = arguments.config.unwrap_or_else(|| "--demo".into());
        println!("{}: ok", file.display());
        return code(Exit::Clean);
    }
    let status = match log::start(&config.log) {
        Ok(()) => serve(&arguments, config),
        Err(error) => {
            log::fatal(&error);
            match error {
                LogError::Filter(_) => Exit::NotConfigured.status(),
                LogError::Thread(_) => Exit::Failed.status(),
            }
        }
    };
    log::flush();
    if LEFT_BEHIND.map(Exit::status).contains(&status) {
        // Abandoned threads may still use what exit(3) would tear down.
        low_level::exit(status.into());
    }
    ExitCode::from(status)
}

/// Prints the report of the doctor.
fn examine(config: &Config, json: bool) -> ExitCode {
    let findings = doctor::examine(config);
    if json {
        let report = serde_json::to_string_pretty(&findings).expect("texts and words");
        println!("{report}");
    } else {
        print!("{}", doctor::text(&findings));
    }
    code(if doctor::worst(&findings) == Level::Fail {
        Exit::Failed
    } else {
        Exit::Clean
    })
}

/// Exit statuses of a shutdown that abandoned threads.
const LEFT_BEHIND: [Exit; 3] = [Exit::TimedOut, Exit::Forced, Exit::StartForced];

/// Runs the daemon until it exits. Returns the exit status.
fn serve(arguments: &Arguments, config: Config) -> u8 {
    let demo = arguments.demo.then(|| config.clone());
    match ended(arguments, config) {
        Ok(outcome) => {
            let status = say(arguments, &summary::summary(outcome));
            // Abandoned threads may still write.
            if let Some(demo) = demo.filter(|_| !LEFT_BEHIND.map(Exit::status).contains(&status)) {
                end_of(&demo);
            }
            status
        }
        Err(error) => {
            log::fatal(&error);
            error.exit().status()
        }
    }
}

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot set up the shutdown: {0}")]
    Shutdown(#[source] std::io::Error),
    #[error(transparent)]
    Signals(#[from] SignalError),
    #[error(transparent)]
    Predecessor(#[from] StdinError),
    #[error("cannot start the timer of --duration: {0}")]
    Timer(#[source] std::io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl StartError {
    fn exit(&self) -> Exit {
        match self {
            Self::Run(RunError::Config(error)) => error.into(),
            _ => Exit::Failed,
        }
    }
}

fn ended(arguments: &Arguments, config: Config) -> Result<RunOutcome, StartError> {
    let coordinator = ShutdownCoordinator::new(config.shutdown).map_err(StartError::Shutdown)?;
    // The next start cleans up what then remains on an interface.
    let last_resort = || low_level::exit(Exit::Forced.status().into());
    let signals = Signals::install(&coordinator, last_resort)?;
    // The process exits with its signal handlers installed: if they were removed first, a late
    // signal could kill it and its exit status would be lost.
    std::mem::forget(signals);
    let own = coordinator.clone();
    coordinator.on_progress(move |status| notify_systemd(status, own.is_takeover()));
    let succession = Succession {
        predecessor: (arguments.take_over)
            .then(Predecessor::of_stdin)
            .transpose()?,
        takeover: match arguments.demo {
            true => Takeover::of_demo(&coordinator),
            false => Takeover::of_this_program(&coordinator),
        },
    };
    if let Some(duration) = arguments.duration
        && !mutant!("onaird: --duration is ignored")
    {
        let end = coordinator.clone();
        let expired = move || {
            // The shutdown may have begun already: then this has no effect.
            let _ = end.begin(Cause::Duration(duration));
        };
        let timer = DurationTimer::start(duration, expired).map_err(StartError::Timer)?;
        coordinator.register_shutdown_notification("duration timer", move || {
            timer.cancel();
        });
    }
    let what_to_try = what_to_try(&config);
    let ready = |_: &Started| {
        tracing::info!("ready");
        if arguments.demo {
            print!("{what_to_try}");
        }
        notify::send("READY=1");
    };
    Ok(run(config, &coordinator, succession, ready)?)
}

/// Prints the result on standard error, and writes the summary if requested. Returns the exit
/// status.
fn say(arguments: &Arguments, summary: &ShutdownSummary) -> u8 {
    log::summary(summary, &summary::text(summary));
    if let Some(path) = &arguments.summary_json
        && let Err(error) = summary::write_json(path, summary)
    {
        tracing::error!(%error, path = %path.display(), "cannot write the summary");
    }
    summary.exit_status
}

/// Removes what a demo wrote.
fn end_of(demo: &Config) {
    let dir = demo.state.dir.display();
    match remove_demo_folder(demo) {
        Ok(false) => {}
        Ok(true) => {
            tracing::warn!("recordings stay in {dir}: remove the folder when they are not needed")
        }
        Err(error) => tracing::error!(%error, "cannot remove {dir}"),
    }
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit.status())
}

/// Advice on what to do with the sessions of `--demo`.
fn what_to_try(config: &Config) -> String {
    format!(
        "Try these in another terminal, and end the demo with Ctrl-C:\n  \
         export ONAIR_SOCKET={} ONAIR_ATTACH={}\n  \
         onairctl top\n  \
         onairctl session show studio --watch\n  \
         onairctl session snapshot studio -o studio.png\n",
        config.control.socket.display(),
        config.attach.socket.display()
    )
}

/// One hour: longer than any usual TimeoutStopSec.
const NEVER_US: u64 = 3_600_000_000;

fn notify_systemd(status: &ShutdownStatus, is_takeover: bool) {
    let ShutdownStatus {
        phase,
        sessions,
        users,
        ..
    } = status;
    let text = match phase {
        ShutdownPhase::Draining => {
            format!("draining: {sessions} sessions, {users} users left")
        }
        phase => format!("shutting down: {phase}"),
    };
    if is_takeover {
        // The service does not stop: it gets another process.
        notify::send(&format!("STATUS={text}"));
        return;
    }
    // From here on the service manager's TimeoutStopSec applies: the watchdog is not fed once the
    // control thread has ended.
    notify::send(&format!(
        "STOPPING=1\nSTATUS={text}\nWATCHDOG_USEC={NEVER_US}"
    ));
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};
    use onair_pages::{command, read, root};

    use super::Arguments;

    #[test]
    fn doctor_without_a_file_then_that_of_the_unit_if_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let usual = folder.path().join("onaird.toml");
        let file = |arguments: &[&str]| Arguments::parse_from(arguments).file(&usual);
        assert_eq!(file(&["onaird", "--doctor"]), None);
        std::fs::write(&usual, "").unwrap();
        assert_eq!(file(&["onaird", "--doctor"]), Some(usual.clone()));
        assert_eq!(file(&["onaird", "--demo"]), None);
        let given = file(&["onaird", "--doctor", "--config", "a.toml"]);
        assert_eq!(given, Some("a.toml".into()));
    }

    #[test]
    fn pages_then_no_command_line_that_onaird_does_not_take() {
        let pages = read(&root()).unwrap();
        let found = command::faults(&pages, "onaird", Arguments::command());
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "\n{}", said.join("\n"));
    }
}
