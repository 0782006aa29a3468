//! The result of one inquiry.

use onair_api::{PtpPortState, PtpTimestamping};
use onair_ptp::{CurrentData, DefaultData, ParentData, PortProperties, TimeProperties};

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
    pub(super) fn timestamping(&self) -> Option<PtpTimestamping> {
        self.port.link.as_ref().map(|(it, _)| *it)
    }
}

impl Reading {
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
