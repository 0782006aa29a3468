//! Pollers that share a port, that are late, that sleep.

mod late_poller;
mod media_pollers;
mod packet_port;
