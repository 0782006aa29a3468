//! The clock by ptp4l (linuxptp), and whether `CLOCK_TAI` follows its grandmaster.
//!
//! A thread of its own asks once a second on ptp4l's management socket ([`PtpClient`]), compares the
//! clocks of this machine ([`SteeredClock`]) and publishes a [`Status`]. Its limits bound each
//! answer: ptp4l may be absent, restart, hang, or be another program. [`judge`] and [`Tracker`]
//! decide, without I/O. Nothing here sets a clock or changes ptp4l: every request reads.

mod client;
mod hardware;
mod judge;
mod status;
mod tracker;
mod watch;

use onair_api::{PtpPortState, PtpTimestamping};
use onair_ptp::{CurrentData, DefaultData, ParentData, PortProperties, TimeProperties};

pub use client::{PtpClient, Silence};
pub use hardware::SteeredClock;
#[cfg(test)]
pub(crate) use judge::tests::slave;
pub use judge::{Fault, judge};
pub use status::Status;
pub use tracker::Tracker;
pub use watch::PtpWatch;

/// The data sets of one clock, read within a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The clock.
    pub clock: DefaultData,
    /// Its offset.
    pub current: CurrentData,
    /// Its grandmaster.
    pub parent: ParentData,
    /// Its time scale.
    pub time: TimeProperties,
    /// Its port that is nearest to the grandmaster.
    pub port: PortProperties,
    /// N of the port's `/dev/ptpN`, if ptp4l tells.
    pub hardware_clock: Option<u32>,
}

impl Reading {
    /// The layer that stamps the port's packets, if ptp4l reports it.
    fn timestamping(&self) -> Option<PtpTimestamping> {
        self.port.link.as_ref().map(|(it, _)| *it)
    }

    /// Whether this machine's ptp4l is the grandmaster.
    #[must_use]
    pub fn is_grandmaster(&self) -> bool {
        self.parent.grandmaster == self.clock.identity
    }
}

/// The port that takes time from a master, or is nearest to that.
#[must_use]
pub fn nearest_port(ports: Vec<PortProperties>) -> Option<PortProperties> {
    ports.into_iter().min_by_key(|port| {
        let rank = match port.state {
            PtpPortState::Slave => 0,
            PtpPortState::Uncalibrated => 1,
            PtpPortState::Master => 2,
            PtpPortState::PreMaster => 3,
            PtpPortState::Passive => 4,
            PtpPortState::Listening => 5,
            PtpPortState::Initializing | PtpPortState::Faulty | PtpPortState::Disabled => 6,
        };
        (rank, port.port.number)
    })
}
