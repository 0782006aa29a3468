//! The log on standard error, and its filter, which can be changed while the daemon runs.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// The variable that overrides `log.filter`.
const VARIABLE: &str = "ONAIR_LOG";

/// Like the log itself, one for the process.
static FILTER: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

/// Why the filter stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It is none.
    #[error("log.filter = {filter:?}: {source}")]
    Parse {
        /// As it was given.
        filter: String,
        /// Why not.
        source: ParseError,
    },
    /// The environment has the last word.
    #[error("the variable {VARIABLE} overrides it")]
    Overridden,
}

/// Starts the log; once in a process.
///
/// # Errors
/// [`FilterError::Parse`].
pub fn start(config: &Log) -> Result<(), FilterError> {
    let text = std::env::var(VARIABLE).unwrap_or_else(|_| config.filter.clone());
    let (filter, handle) = reload::Layer::new(parse(&text)?);
    let layer = fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let log = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Text => log.with(layer).init(),
        LogFormat::Json => log.with(layer.json()).init(),
    }
    // A second one is refused above, by a panic.
    let _ = FILTER.set(handle);
    Ok(())
}

/// Changes the filter from now on.
///
/// # Errors
/// [`FilterError`]; the filter stays as it was.
pub fn set_filter(text: &str) -> Result<(), FilterError> {
    let filter = parse(text)?;
    if std::env::var_os(VARIABLE).is_some() {
        return Err(FilterError::Overridden);
    }
    if let Some(handle) = FILTER.get()
        && let Err(error) = handle.reload(filter)
    {
        tracing::error!(%error, "the log's filter cannot be changed");
    }
    Ok(())
}

fn parse(text: &str) -> Result<EnvFilter, FilterError> {
    EnvFilter::try_new(text).map_err(|source| FilterError::Parse {
        filter: text.to_owned(),
        source,
    })
}
