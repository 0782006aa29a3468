//! What the daemon tells about itself: metrics, health, and the use of shared limits.

pub(super) mod clock_metrics;
pub(super) mod health;
pub(super) mod metrics;
mod service_metrics;
pub(super) mod shares;
