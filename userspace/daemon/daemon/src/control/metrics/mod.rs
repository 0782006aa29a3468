//! Metrics for Prometheus: collects existing counters on request.
//!
//! The actor fills an [`Exposition`](onair_settings::diagnostics::exposition::Exposition) from the counters that pollers,
//! probe, sessions and the event hub keep; nothing is counted here. The control socket serves it,
//! and a separate TCP socket if the configuration names one.

mod listener;

pub use listener::{bind, limits, serve};
