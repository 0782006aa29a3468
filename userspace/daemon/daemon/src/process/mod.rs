//! The daemon as a process of Linux: its service manager, its cores, and its timer.
//!
//! Not here: signals and the shutdown ([`crate::shutdown`]).

pub mod grace_periods;
pub mod notify;
pub mod priority;
pub mod timer;
