//! Sessions whose frames are those of another session, in another layout.

mod beside_packets;
pub(crate) mod converted;
mod converters;
mod deaths;
mod impostors;
