//! The pages that follow from the daemon's code. `cargo xtask pages` writes them.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod configuration;
mod docs;
mod range;
mod reference;
