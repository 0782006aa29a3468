//! Packets and their memory.

pub(crate) mod burst;
pub(crate) mod mbuf;
pub(crate) mod mempool;
pub(crate) mod prefetch;
pub(crate) mod room;
