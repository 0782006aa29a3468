//! Sections about packets: ports, pollers, the clock, and the signal of a session.

mod addresses;
pub(super) mod clock;
pub(super) mod poller;
pub(super) mod port;
pub(super) mod signal;
