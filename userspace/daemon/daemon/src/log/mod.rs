//! The log on standard error, and its filter, which can change while the daemon runs.
//!
//! Every line goes through a bounded [queue](queue) to one writer thread: a stalled reader blocks
//! no other thread. Lines that do not fit are dropped and counted, and a log line reports the
//! count. With `log.format = "json"` each line is one object, whatever its source. This module does
//! not decide what is logged.

mod panics;
mod queue;
mod writer;

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, OnceLock};

use onair_api::ShutdownSummary;
use onair_engine::machine::FilterError;
use onair_settings::config::{Log, LogFormat};
use queue::Queue;
use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

pub use writer::{dropped, flush};

/// Environment variable that overrides `log.filter`.
const VARIABLE: &str = "ONAIR_LOG";

/// One for the process, like the log itself.
static FILTER: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

/// Why the log did not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is invalid.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The kernel did not start a thread.
    #[error("cannot start the log's writer thread: {0}")]
    Thread(#[from] io::Error),
}

/// Starts the log and routes panics into it. Once in a process.
///
/// # Errors
/// [`LogError`]: bad filter, or no thread.
pub fn start(config: &Log) -> Result<(), LogError> {
    let log = writer::start(config.format)?;
    panics::install(log);
    let text = std::env::var(VARIABLE).unwrap_or_else(|_| config.filter.clone());
    let (filter, handle) = reload::Layer::new(parse(&text)?);
    let layer = fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        // It would write its own errors to standard error and block on the reader.
        .log_internal_errors(false)
        .with_writer(ToQueue(Arc::clone(&log.queue)));
    let registry = tracing_subscriber::registry().with(filter);
    match config.format {
        LogFormat::Text => registry.with(layer).init(),
        LogFormat::Json => registry.with(layer.json()).init(),
    }
    // A second call panics above.
    let _ = FILTER.set(handle);
    Ok(())
}

/// Puts each written line into the queue.
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

/// Reports a fatal error, with any filter and before the log starts.
pub fn fatal(error: &dyn std::fmt::Display) {
    let line = match writer::log() {
        Some(log) => writer::line(log.format, "ERROR", "onaird", &error.to_string(), &[]),
        None => format!("onaird: {error}\n").into_bytes(),
    };
    writer::say(line, true);
}

/// Reports how the daemon ended, with any filter: `text` for humans, or the summary as an object.
pub fn summary(summary: &ShutdownSummary, text: &str) {
    let value = serde_json::to_value(summary).expect("its maps have text keys");
    if is_json() {
        let fields = [("summary", value)];
        let line = writer::line(LogFormat::Json, "INFO", "onaird", "ended", &fields);
        writer::say(line, true);
    } else {
        writer::say(text.as_bytes().to_vec(), true);
        tracing::info!(target: "onaird", summary = %value, "ended");
    }
}

/// Writes the daemon's state: one line of JSON in either format.
pub fn state(state: &Value) {
    writer::say(format!("{state}\n").into_bytes(), false);
}

/// Writes a prepared line, with its newline.
pub(crate) fn words(line: &'static str) {
    writer::say(line.as_bytes(), true);
}

/// Whether the log is JSON.
pub(crate) fn is_json() -> bool {
    writer::log().is_some_and(|log| log.format == LogFormat::Json)
}

/// Changes the filter.
///
/// # Errors
/// [`FilterError`]: the old filter stays.
pub fn set_filter(text: &str) -> Result<(), FilterError> {
    let filter = parse(text)?;
    if std::env::var_os(VARIABLE).is_some() {
        return Err(FilterError::Overridden(VARIABLE));
    }
    if let Some(handle) = FILTER.get()
        && let Err(error) = handle.reload(filter)
    {
        tracing::error!(%error, "cannot change the log filter");
    }
    Ok(())
}

/// Whether this is a filter.
///
/// # Errors
/// [`FilterError`].
pub fn check_filter(text: &str) -> Result<(), FilterError> {
    parse(text).map(drop)
}

fn parse(text: &str) -> Result<EnvFilter, FilterError> {
    EnvFilter::try_new(text).map_err(|source| FilterError::Parse {
        filter: text.to_owned(),
        source: source.into(),
    })
}
