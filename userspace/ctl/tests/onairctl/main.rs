//! The program itself, run against a daemon that is only played.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod played;
mod recordings;

mod certificates;
mod documents;
mod ends;
mod events;
mod exit_codes;
mod requests;
mod tables;
