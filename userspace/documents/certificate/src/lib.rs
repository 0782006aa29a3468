//! Seals a certificate, and verifies one: checks its claims against each other, without trust in its
//! issuer's conclusion.
//!
//! Each check is a function over the document. A document cannot prove its claims (was the kernel
//! really asked?). The digest detects accidents and careless edits only: a process that can write the
//! file can compute a new digest.
//!
//! The document itself is [`onair_api::Certificate`]. Nothing here reads files or asks the daemon.
#![forbid(unsafe_code)]

mod canonical;
mod check;
mod counts;
mod digest;
mod memory;
mod steps;
#[cfg(test)]
mod tests;
mod verify;
mod witnesses;

pub use check::{Check, CheckOutcome};
pub use digest::seal;
pub use verify::{Unverifiable, Verification, verify};
