//! The log on standard error, and its filter, which can be changed while the daemon runs.
//!
//! Every line goes through a bounded [queue](queue) to the one thread that writes: a reader that stalls
//! stops nobody else. What finds no room is dropped and counted, and a line says so. With
//! `log.format = "json"` each line is one object, whatever it comes from. Nothing here decides what is
//! logged.

mod panics;
mod queue;
mod record;
mod writer;

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, OnceLock};

use onair_types::ShutdownSummary;
use serde_json::Value;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::{Log, LogFormat};
use queue::Queue;
pub use writer::{dropped, flush};

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

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is none.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The kernel gives no thread.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] io::Error),
}

/// Starts the log, and has panics go into it; once in a process.
///
/// # Errors
/// [`LogError`].
pub fn start(config: &Log) -> Result<(), LogError> {
    let log = writer::start(config.format)?;
    panics::install(log);
    let text = std::env::var(VARIABLE).unwrap_or_else(|_| config.filter.clone());
    let (filter, handle) = reload::Layer::new(parse(&text)?);
    let layer = fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        // It would write its own errors to standard error, and wait for its reader.
        .log_internal_errors(false)
        .with_writer(ToQueue(Arc::clone(&log.queue)));
    let registry = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Text => registry.with(layer).init(),
        LogFormat::Json => registry.with(layer.json()).init(),
    }
    // A second one is refused above, by a panic.
    let _ = FILTER.set(handle);
    Ok(())
}

/// Hands each line that is written to it to the queue.
#[derive(Clone, Debug)]
struct ToQueue(Arc<Queue>);

impl Write for ToQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for ToQueue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Says why the daemon cannot go on, whatever the filter is, and before there is one.
pub fn fatal(error: &dyn std::fmt::Display) {
    let line = match writer::log() {
        Some(log) => record::line(log.format, "ERROR", "onaird", &error.to_string(), &[]),
        None => format!("onaird: {error}\n").into_bytes(),
    };
    writer::say(line, true);
}

/// Says how the daemon ended, whatever the filter is: `text` for people, or the summary as an object.
pub fn summary(summary: &ShutdownSummary, text: &str) {
    let value = serde_json::to_value(summary).expect("its maps have text keys");
    if is_json() {
        let fields = [("summary", value)];
        let line = record::line(LogFormat::Json, "INFO", "onaird", "ended", &fields);
        writer::say(line, true);
    } else {
        writer::say(text.as_bytes().to_vec(), true);
        tracing::info!(target: "onaird", summary = %value, "ended");
    }
}

/// Says the daemon's state: one line of JSON in either format.
pub fn state(state: &Value) {
    writer::say(format!("{state}\n").into_bytes(), false);
}

/// Says a line that exists already, with its newline.
pub(crate) fn words(line: &'static str) {
    writer::say(line.as_bytes(), true);
}

/// Whether each line is to be JSON.
pub(crate) fn is_json() -> bool {
    writer::log().is_some_and(|log| log.format == LogFormat::Json)
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
