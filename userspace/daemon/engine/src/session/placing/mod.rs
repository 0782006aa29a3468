//! Where a session is: the poller that has its room, and what it claims of its ports.

pub(super) mod flows;
pub(super) mod home;
