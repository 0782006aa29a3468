//! What a stream of ancillary data carries, counted packet by packet, and how long after its timestamps it arrives.

mod document;
mod monitor;

pub use document::{AncillaryTiming, SeenKind};
pub use monitor::AncillaryMonitor;
