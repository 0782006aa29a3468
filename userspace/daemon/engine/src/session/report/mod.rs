//! A session as others read it: metrics, packet timing, totals, session description.

pub(super) mod metrics;
pub(super) mod sdp;
mod view;

pub use self::view::{SessionTotals, Shown};
