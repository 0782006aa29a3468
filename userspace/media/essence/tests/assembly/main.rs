//! The assembler against the packetiser, and against all that a network does to packets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

mod cases;
mod closed;
mod followed;
mod formats;
mod properties;
mod runs;
