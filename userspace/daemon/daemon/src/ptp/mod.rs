//! The clock by ptp4l (linuxptp), and whether `CLOCK_TAI` follows its grandmaster.
//!
//! A thread of its own asks once a second on ptp4l's management socket ([`PtpClient`]), compares the
//! clocks of this machine ([`SteeredClock`]) and publishes a [`Status`]. Its limits bound each
//! answer: ptp4l may be absent, restart, hang, or be another program. [`judge`] and [`Tracker`]
//! decide, without I/O. Nothing here sets a clock or changes ptp4l: every request reads.

mod client;
mod hardware;
mod judge;
mod reading;
mod status;
mod tracker;
mod watch;

pub use client::{PtpClient, Silence};
pub use hardware::SteeredClock;
#[cfg(test)]
pub(crate) use judge::tests::slave;
pub use judge::{Fault, judge};
pub use reading::{Reading, nearest_port};
pub use status::Status;
pub use tracker::Tracker;
pub use watch::PtpWatch;
