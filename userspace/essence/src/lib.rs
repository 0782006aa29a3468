//! What a session carries: each essence is a folder with its format and the rules of the format.
//!
//! Documents of the API, headers, sockets and clocks do not belong here, nor anything of the daemon.
#![forbid(unsafe_code)]

pub mod video;
