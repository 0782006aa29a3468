//! What the control thread and the pollers tell each other: commands to a poller, and its events.

pub(crate) mod command;
pub(crate) mod events;
pub(crate) mod inbox;
