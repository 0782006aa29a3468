//! Messages between the control thread and the pollers: commands to a poller, and its events.

pub(crate) mod command;
pub(crate) mod events;
pub(crate) mod inbox;
