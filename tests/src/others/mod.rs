//! Programs of other makers at the ends of a flow, and at the places of those that the daemon asks.

pub(crate) mod hostile_clock;
pub(crate) mod linuxptp;
pub(crate) mod receiver;
pub(crate) mod sender;
pub(crate) mod service_manager;
