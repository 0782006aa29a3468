//! The pages that follow from the daemon's code. `cargo xtask pages` writes them.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "clippy does not take helpers for tests")]

mod configuration;
mod docs;
mod range;
mod reference;
