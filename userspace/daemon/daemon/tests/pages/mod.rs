//! The pages that follow from the daemon's code. `cargo xtask pages` writes them.

mod configuration;
mod docs;
mod range;
mod reference;
