//! Runs the program against a scripted daemon.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

mod analyses;
mod certificates;
mod ends;
mod events;
mod exit_codes;
mod exports;
mod hosts;
mod names;
mod recordings;
mod requests;
mod sounds;
mod tables;
mod upgrades;
