//! The end of the daemon.

mod pictures;
mod resources;
mod shutdown;
mod shutdown_clients;
mod shutdown_load;
mod shutdown_signals;
mod shutdown_start;
mod takeover;
mod watchdog;
