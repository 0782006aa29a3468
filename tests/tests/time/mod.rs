//! Clocks: PTP, and the time stamps of senders.

mod clock;
mod ptp;
