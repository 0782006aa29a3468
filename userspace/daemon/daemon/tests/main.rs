//! The daemon from outside: as a program, behind its sockets, and whole in the process of a test.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod command_line;
mod http_api;
mod in_process;
mod log_panics;
mod packaging;
mod pages;
mod signals;
