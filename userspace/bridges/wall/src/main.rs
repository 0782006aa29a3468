//! `onair-wall`: the program.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use clap::Parser;
use onair_wall::settings::Settings;
use onair_wall::{RunError, run};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Show the sessions of onaird in a browser: pictures, meters, lamps, and what is wrong
///
/// Needs the right to use onaird's sockets, and no other privilege.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  onair-wall                                    for browsers on this machine: http://127.0.0.1:8180/
  onair-wall --users /etc/onair/wall.users      whose users may stop and start sessions
  onair-wall --listen 10.0.0.5:8180 --name wall.example.org \\
    --tls-certificate /etc/onair/wall.crt --tls-key /etc/onair/wall.key

Environment:
  ONAIR_LOG  filter of the log, such as debug or onair_wall=debug

Exit codes:
  0  ended by SIGTERM or SIGINT
  1  a file cannot be used, or the address is in use
  2  wrong usage"
)]
struct Options {
    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_env("ONAIR_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    match start(options.settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("onair-wall: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(settings: Settings) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().map_err(Failure::Runtime)?;
    runtime.block_on(async {
        let ending = signals().map_err(Failure::Runtime)?;
        let ready = || {
            if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
                tracing::warn!(%error, "cannot notify the service manager");
            }
        };
        Ok(run(settings, ending, ready).await?)
    })
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
}

/// True after SIGTERM or SIGINT.
fn signals() -> io::Result<watch::Receiver<bool>> {
    let (reader, writer) = UnixStream::pair()?;
    pipe::register(SIGTERM, writer.try_clone()?)?;
    pipe::register(SIGINT, writer)?;
    reader.set_nonblocking(true)?;
    let mut reader = tokio::net::UnixStream::from_std(reader)?;
    let (ending, reader_of) = watch::channel(false);
    tokio::spawn(async move {
        if reader.read_u8().await.is_ok() {
            tracing::info!("ends");
        }
        ending.send_replace(true);
    });
    Ok(reader_of)
}
