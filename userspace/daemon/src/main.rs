//! `onaird`: arguments, log, signals.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use onaird::config::{Config, LogFormat};
use onaird::run::{RunError, run};
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// The OnAir daemon: moves ST 2110 media through DPDK and hands frames to other processes.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
        onaird --config /etc/onair/onaird.toml\n  \
        onaird --config onaird.toml --check-config\n\n\
        Exit status:\n  \
        0  ended in order (SIGTERM, SIGINT)\n  \
        1  failed\n  \
        2  wrong arguments\n  \
        4  ended with sessions still in use: timeouts.graceful_ms passed, or a second signal came\n  \
        6  the configuration does not hold"
)]
struct Arguments {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and exit.
    #[arg(long)]
    check_config: bool,
}

/// Exit status for a configuration that does not hold (LSB: not configured).
const NOT_CONFIGURED: u8 = 6;
/// Exit status when sessions were abandoned.
const ABANDONED: u8 = 4;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("onaird: {error}");
            return ExitCode::from(NOT_CONFIGURED);
        }
    };
    if arguments.check_config {
        println!("{}: ok", arguments.config.display());
        return ExitCode::SUCCESS;
    }
    if let Err(error) = start_log(&config) {
        eprintln!("onaird: log.filter = {:?}: {error}", config.log.filter);
        return ExitCode::from(NOT_CONFIGURED);
    }
    let shutdown = match signals() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            tracing::error!(%error, "cannot handle signals");
            return ExitCode::FAILURE;
        }
    };
    let ready = || {
        tracing::info!("ready");
        // Not started by systemd: nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    };
    match run(config, shutdown, ready) {
        Ok(()) => {
            tracing::info!("ended");
            ExitCode::SUCCESS
        }
        Err(RunError::Abandoned(names)) => {
            tracing::error!(sessions = names, "ended with sessions in use");
            ExitCode::from(ABANDONED)
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(config: &Config) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = std::env::var("ONAIR_LOG").unwrap_or_else(|_| config.log.filter.clone());
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// SIGTERM and SIGINT begin the shutdown; a second one ends the process at once.
fn signals() -> std::io::Result<watch::Receiver<bool>> {
    let (begin, shutdown) = watch::channel(false);
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut signals = signals.forever();
            if let Some(signal) = signals.next() {
                tracing::info!(signal, "shutting down");
                // The daemon may be at its end already.
                let _ = begin.send(true);
            }
            if signals.next().is_some() {
                eprintln!("onaird: a second signal: ending at once");
                std::process::exit(ABANDONED.into());
            }
        })?;
    Ok(shutdown)
}
