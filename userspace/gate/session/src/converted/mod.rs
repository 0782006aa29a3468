//! Sessions whose frames are those of another session: sessions made for clients, the source of each, and the actions
//! on those that follow their source. Looks in, steps out; no clock.

pub(crate) mod follower;
pub(crate) mod layouts;
pub(crate) mod sources;
