//! The daemon as a whole: its health, its ports, its configuration and its end.

pub(crate) mod config;
pub(crate) mod health;
pub(crate) mod poller;
pub(crate) mod port;
pub(crate) mod shutdown;
