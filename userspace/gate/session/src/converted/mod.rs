//! Sessions whose frames are those of another session: who makes them for clients, which source each has, and
//! what becomes of those that follow their source. Looks in, steps out; no clock.

pub(crate) mod follower;
pub(crate) mod layouts;
pub(crate) mod sources;
