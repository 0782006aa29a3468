//! Lists callers blocked in `buffer_get`, even when the daemon is wedged.
//!
//! It uses neither the daemon nor its sockets. Its data come from its own probe (the same BPF
//! object, loaded with libbpf), from the map of any daemon's probe that is still in the kernel, and
//! from `/proc`; each row names its source.

#![forbid(unsafe_code)]

mod clock;
mod daemon;
mod kernel;
mod options;
mod proc;
mod report;
mod row;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

fn main() -> ExitCode {
    match watch::run(&Options::parse()) {
        Ok(watch::WatchEnd::Complete) => ExitCode::SUCCESS,
        Ok(watch::WatchEnd::Incomplete) => ExitCode::from(3),
        Err(error) => {
            eprintln!("onair-waiters: {error:#}");
            ExitCode::FAILURE
        }
    }
}
