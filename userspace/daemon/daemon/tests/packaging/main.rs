//! The files of the package, against the daemon's defaults and metrics.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "clippy does not take helpers for tests")]

mod defaults;
mod monitoring;
