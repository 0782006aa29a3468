//! Commands about the daemon as a whole: its health, ports, pollers, configuration, machine and end. Sessions,
//! recordings and certificates do not belong here.

pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod health;
pub(crate) mod poller;
pub(crate) mod port;
pub(crate) mod shutdown;
pub(crate) mod upgrade;
