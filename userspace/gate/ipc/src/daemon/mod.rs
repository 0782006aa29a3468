//! The daemon's side: the memory of attachments and frames, loans, and how clients learn of its death.
//!
//! Each word that a client can write is hostile here.

#[cfg(not(feature = "loom"))]
pub mod described;
#[cfg(not(feature = "loom"))]
pub mod frames;
#[cfg(not(feature = "loom"))]
pub mod freshness;
#[cfg(not(any(feature = "loom", simulated)))]
pub mod guardian;
#[cfg(not(feature = "loom"))]
pub mod lender;
#[cfg(not(feature = "loom"))]
pub mod life;
#[cfg(not(feature = "loom"))]
pub mod memory;
#[cfg(not(feature = "loom"))]
mod open;
#[cfg(not(feature = "loom"))]
mod words;
