//! What a session carries: each essence is a folder with its format and the rules of the format, its
//! packets, its timing and its test pattern.
//!
//! Everything here is a function of values, bytes and times that the caller passes: only constructors
//! allocate, and no input causes a panic. Documents of the API, sockets, ports and clocks do not belong
//! here, nor anything of the daemon.
#![forbid(unsafe_code)]

mod bits;
pub mod media_time;
pub mod rtp;
pub mod video;

pub use video::survey;
