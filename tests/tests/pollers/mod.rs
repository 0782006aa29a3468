//! Pollers that share a port, that are late, that sleep, that have an engine.

mod confined;
mod engine;
mod late_poller;
mod media_pollers;
mod packet_port;
