//! The two models of ST 2110-21, which each packet passes.

pub(super) mod network;
pub(super) mod receive_buffer;
