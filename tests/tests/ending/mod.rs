//! The end of the daemon.

mod missed;
pub(crate) mod pictures;
mod resources;
mod shutdown;
mod shutdown_clients;
mod shutdown_load;
mod shutdown_start;
pub(crate) mod takeover;
mod watchdog;
