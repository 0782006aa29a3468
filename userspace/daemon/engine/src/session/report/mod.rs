//! A session as others read it: metrics, packet timing, totals, session description.

mod legs;
pub(super) mod metrics;
pub(super) mod sdp;
pub(super) mod timing;
pub(super) mod totals;
mod view;

pub use self::view::Shown;
