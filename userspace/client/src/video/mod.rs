//! The view of buffers with video: their layout, fields, pixels and missing lines.

mod buffer;
mod frames;
mod layout;
mod pairing;
mod pixels;
mod status;

pub use frames::{Frame, Frames};
pub use layout::Layout;
pub use onair_essence::video::{Depth, Field, FrameRate, Pgroup, Sampling, Scan, VideoFormat};
pub use status::{Incomplete, Status};
