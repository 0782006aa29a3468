//! The daemon's side: the memory of attachments and frames, loans, and how clients learn of its death.
//!
//! Each word that a client can write is hostile here.

#[cfg(not(loom))]
pub mod described;
#[cfg(not(loom))]
pub mod frames;
#[cfg(not(any(loom, shuttle, simulated)))]
pub mod guardian;
#[cfg(not(loom))]
pub mod lender;
#[cfg(not(loom))]
pub mod life;
#[cfg(not(loom))]
pub mod memory;
