//! Sessions whose frames are those of another session: their sources, and the layouts that clients
//! ask for.

pub(super) mod layouts;
pub(super) mod sources;
