//! Contents of a stream of ancillary data, counted packet by packet, and their delay after its timestamps.

mod captured;
mod document;
mod monitor;

pub use captured::{AncillaryContents, AncillaryCounter};
pub use document::{AncillaryTiming, SeenKind};
pub use monitor::AncillaryMonitor;
