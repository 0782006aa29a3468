//! `[log]`.

use serde::{Deserialize, Serialize};

/// Format of the log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// for people.
    #[default]
    Text,
    /// one JSON object a line.
    Json,
}

/// `[log]`: lines on standard error
///
/// Without a reader the daemon buffers 1 MiB of lines, and drops and counts further ones
/// (`onair_log_lines_dropped_total`).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Format of each line, except for errors of the configuration.
    pub format: LogFormat,
    /// For example `info,dpdk=debug`. It never drops the summary, panics and the error that ends a
    /// start.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".into(),
        }
    }
}
