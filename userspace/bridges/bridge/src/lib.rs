//! What the programs beside the daemon share: their log, their settings file, their end by a signal, their exit.
#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::{self, IsTerminal as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sd_notify::NotifyState;
use serde::de::DeserializeOwned;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Builder;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Where the seed of the identities is, unless the settings have one.
pub const MACHINE_ID: &str = "/etc/machine-id";

/// Does the work of the program with this name; its log goes to standard error, filtered by `ONAIR_LOG`. Without success
/// it says why, and exits with 1.
pub fn exit<E: Display>(name: &str, work: impl FnOnce() -> Result<(), E>) -> ExitCode {
    let filter = EnvFilter::try_from_env("ONAIR_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the service manager that the program is ready.
pub fn ready() {
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

/// Runs what `work` makes, on this thread. It gets true after SIGTERM or SIGINT.
///
/// # Errors
/// The kernel's: it has not begun.
pub fn run<W: Future>(
    runtime: &mut Builder,
    work: impl FnOnce(watch::Receiver<bool>) -> W,
) -> io::Result<W::Output> {
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(async { Ok(work(signals()?).await) })
}

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

/// Why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// It is not TOML, or has an unknown key or a wrong type.
    #[error("{path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Position and reason.
        source: Box<toml::de::Error>,
    },
}

/// Reads a settings file. An absent one has nothing but defaults, if it `may_be_absent`.
///
/// # Errors
/// [`FileError`].
pub fn settings<T: DeserializeOwned>(path: &Path, may_be_absent: bool) -> Result<T, FileError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_absent => String::new(),
        text => text.map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })?,
    };
    toml::from_str(&text).map_err(|source| FileError::Parse {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// The seed of the identities: this one, or this machine's.
///
/// # Errors
/// The kernel's; `InvalidData` if it is empty.
pub fn seed(given: Option<&str>) -> io::Result<String> {
    let seed = match given {
        Some(seed) => seed.to_owned(),
        None => std::fs::read_to_string(MACHINE_ID)?,
    };
    match seed.trim() {
        "" => Err(io::ErrorKind::InvalidData.into()),
        seed => Ok(seed.to_owned()),
    }
}
