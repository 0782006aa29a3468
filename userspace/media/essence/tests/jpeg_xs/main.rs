//! Codestreams out of the packetiser and into the receiver.
#![expect(clippy::unwrap_used, reason = "clippy does not take helpers for tests")]

mod arriving;
mod constant;
mod contradicting;
mod rig;
mod roundtrip;
