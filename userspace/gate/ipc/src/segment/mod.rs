//! Memory files and their layout.
//!
//! Not here: what the words mean ([`crate::words`]).

#[cfg(not(feature = "loom"))]
pub(crate) mod copy;
#[cfg(not(feature = "loom"))]
pub mod layout;
#[cfg(not(feature = "loom"))]
pub mod mapping;
#[cfg(not(feature = "loom"))]
pub mod memfd;
#[cfg(not(feature = "loom"))]
pub mod meta;
#[cfg(not(feature = "loom"))]
pub mod pinned_pages;
