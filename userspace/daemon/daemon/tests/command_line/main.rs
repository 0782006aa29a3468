//! `onaird` as a program: what it prints, and its exit status.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod check_config;
mod fifo;
mod help;
mod start_fails;
