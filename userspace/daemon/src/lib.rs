//! The OnAir daemon
#![forbid(unsafe_code)]

pub mod control;
