//! What a stream of ancillary data carries, counted packet by packet, and how long after its timestamps it arrives.

mod captured;
mod document;
mod monitor;

pub use captured::{AncillaryContents, AncillaryCounter};
pub use document::{AncillaryTiming, SeenKind};
pub use monitor::AncillaryMonitor;
