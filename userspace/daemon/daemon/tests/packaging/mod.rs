//! The files of the package, against the daemon's defaults and metrics.

mod defaults;
mod monitoring;
