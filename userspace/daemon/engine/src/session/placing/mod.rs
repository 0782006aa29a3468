//! The place of a session: the poller that has its room, and its claims on ports.

pub(super) mod flows;
pub(super) mod home;
