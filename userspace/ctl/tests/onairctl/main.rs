//! Runs the program against a scripted daemon.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod played;
mod recordings;

mod analyses;
mod certificates;
mod documents;
mod ends;
mod events;
mod exit_codes;
mod exports;
mod names;
mod requests;
mod tables;
mod upgrades;
