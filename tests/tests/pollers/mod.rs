//! Pollers that share a port, and such that are late.

mod late_poller;
mod media_pollers;
