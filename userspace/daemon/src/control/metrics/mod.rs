//! Numbers for Prometheus: what everything counts anyway, put together when somebody asks.
//!
//! The actor fills an [`Exposition`](crate::exposition::Exposition) from the counters that pollers, probe, sessions and the event
//! hub keep; nothing is counted here. The control socket serves it, and a TCP socket of its own
//! where the configuration names one.

mod listener;

pub use listener::{bind, limits, serve};
