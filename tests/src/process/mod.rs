//! A process as the kernel shows it: what it holds, what it calls, and how a test stops it.

pub(crate) mod errno;
pub(crate) mod footprint;
pub(crate) mod frozen;
pub(crate) mod traced;
