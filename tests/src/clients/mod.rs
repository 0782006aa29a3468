//! Client processes: well-behaved ones that say what they saw, and the files and users that they have.

pub(crate) mod breakpoints;
pub(crate) mod client_files;
pub(crate) mod follower;
pub(crate) mod other_protocol;
pub(crate) mod own_text;
pub(crate) mod relayed_video;
pub(crate) mod seen;
pub(crate) mod user;
pub(crate) mod viewer;
pub(crate) mod watched_session;
