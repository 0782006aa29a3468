//! `onaird`: arguments, log, signals, exit status.
#![forbid(unsafe_code)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use onair_api::{ShutdownPhase, ShutdownStatus};
use onaird::config::Config;
use onaird::run::{Started, run};
use onaird::shutdown::{self, Cause, Exit, ShutdownCoordinator, Signals};
use onaird::timer::DurationTimer;
use onaird::{log, notify};
use signal_hook::low_level;

/// The OnAir daemon: moves ST 2110 media through DPDK and hands frames to other processes.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
        onaird --config /etc/onair/onaird.toml\n  \
        onaird --config onaird.toml --check-config\n  \
        onaird --config onaird.toml --duration 90s --summary-json summary.json\n\n\
        Signals:\n  \
        SIGTERM, SIGINT  shut down; a second one forces\n  \
        SIGUSR1          say the state on standard error, as one line of JSON\n\n\
        Exit status:\n  \
        0  ended in order\n  \
        1  failed: it could not be started, or a part failed\n  \
        2  wrong arguments\n  \
        4  sessions were still in use when timeouts.graceful_ms had passed\n  \
        5  forced by a second signal\n  \
        6  the configuration does not hold\n  \
        7  a part did not end in its time and was left behind"
)]
struct Arguments {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and exit.
    #[arg(long)]
    check_config: bool,
    /// Shut down in order so long after the start, such as 90s or 2h.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Write how it ended to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    summary_json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("onaird: {error}");
            return code(Exit::NotConfigured);
        }
    };
    if arguments.check_config {
        println!("{}: ok", arguments.config.display());
        return code(Exit::Clean);
    }
    if let Err(error) = log::start(&config.log) {
        eprintln!("onaird: {error}");
        return code(Exit::NotConfigured);
    }
    serve(&arguments, config)
}

fn serve(arguments: &Arguments, config: Config) -> ExitCode {
    let coordinator = match ShutdownCoordinator::new(config.shutdown) {
        Ok(coordinator) => coordinator,
        Err(error) => {
            tracing::error!(%error, "cannot set the shutdown up");
            return code(Exit::Failed);
        }
    };
    // What stays on an interface then, the next start undoes.
    let last_resort = || low_level::exit(Exit::Forced.status().into());
    let signals = match Signals::install(&coordinator, last_resort) {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "cannot handle signals");
            return code(Exit::Failed);
        }
    };
    coordinator.on_progress(tell_systemd);
    if let Some(duration) = arguments.duration {
        let end = coordinator.clone();
        let expired = move || {
            // It may have begun already: then this is ignored.
            let _ = end.begin(Cause::Duration(duration));
        };
        match DurationTimer::start(duration, expired) {
            Ok(timer) => coordinator.register_shutdown_notification("duration timer", move || {
                timer.cancel();
            }),
            Err(error) => {
                tracing::error!(%error, "cannot start the timer of --duration");
                return code(Exit::Failed);
            }
        }
    }
    let ready = |_: &Started| {
        tracing::info!("ready");
        notify::tell("READY=1");
    };
    let outcome = match run(config, &coordinator, ready) {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!("{error}");
            return code(Exit::Failed);
        }
    };
    let summary = shutdown::summary(outcome);
    // One write, so that nothing comes between its lines.
    let _ = std::io::stderr().write_all(shutdown::text(&summary).as_bytes());
    let json = serde_json::to_string(&summary).expect("its maps have text keys");
    tracing::info!(summary = json, "ended");
    if let Some(path) = &arguments.summary_json
        && let Err(error) = write(path, &json)
    {
        tracing::error!(%error, path = %path.display(), "cannot write the summary");
    }
    // The process ends with its handlers in force: a signal in a storm that came after they had been
    // restored would kill it, and nobody would learn its status.
    std::mem::forget(signals);
    let left_behind = [Exit::TimedOut.status(), Exit::Forced.status()];
    if left_behind.contains(&summary.exit_status) {
        // Threads that were left behind may still use what exit(3) would take down under them.
        low_level::exit(summary.exit_status.into());
    }
    ExitCode::from(summary.exit_status)
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit.status())
}

fn write(path: &Path, json: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    writeln!(file, "{json}")?;
    file.sync_all()
}

/// An hour: longer than any TimeoutStopSec.
const NEVER_US: u64 = 3_600_000_000;

fn tell_systemd(status: &ShutdownStatus) {
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
    // From here on the manager's patience is its own (TimeoutStopSec): nobody feeds the watchdog once
    // the control thread has ended.
    notify::tell(&format!(
        "STOPPING=1\nSTATUS={text}\nWATCHDOG_USEC={NEVER_US}"
    ));
}
