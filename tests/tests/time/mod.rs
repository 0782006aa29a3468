//! Clocks: PTP, and the time stamps of senders.

mod ptp;
