//! Memory files and what lies where in them.
//!
//! Not here: what the words mean ([`crate::words`]).

#[cfg(not(loom))]
pub(crate) mod copy;
#[cfg(not(loom))]
pub mod layout;
#[cfg(not(loom))]
pub mod mapping;
#[cfg(not(loom))]
pub mod memfd;
#[cfg(not(loom))]
pub mod meta;
#[cfg(not(loom))]
pub mod pinned_pages;
