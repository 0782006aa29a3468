//! The packets of JPEG XS: evenness by the network compatibility model of ST 2110-21, and what ST 2110-22 wants to be constant.

mod document;
mod monitor;

pub use document::JpegXsTiming;
pub use monitor::JpegXsMonitor;
