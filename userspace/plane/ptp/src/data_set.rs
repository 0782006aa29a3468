//! Contents of data sets, as far as they are used. Offsets are those of the management TLV's data field.

use std::fmt;

use onair_api::{PtpPortState, PtpTimestamping};

use super::{ClockIdentity, PortIdentity};
use onair_net::bytes::{array, u16_at};

/// The clock itself (IEEE 1588-2008 §15.5.3.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultData {
    /// Number of its ports.
    pub ports: u16,
    /// Its identity.
    pub identity: ClockIdentity,
    /// Its domain.
    pub domain: u8,
}

impl DefaultData {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        Some(Self {
            ports: u16_at(data, 2)?,
            identity: ClockIdentity(array(data, 10)?),
            domain: *data.get(18)?,
        })
    }
}

/// Where the clock stands beside its master (§15.5.3.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentData {
    /// Clocks between this one and the grandmaster.
    pub steps_removed: u16,
    /// The clock's time minus its master's, ns.
    pub offset_ns: i64,
    /// Delay of a message from the master, ns.
    pub path_delay_ns: i64,
}

impl CurrentData {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        // A time interval counts in 2^-16 ns (§5.3.2).
        let nanoseconds = |at| Some(i64::from_be_bytes(array(data, at)?) >> 16);
        Some(Self {
            steps_removed: u16_at(data, 0)?,
            offset_ns: nanoseconds(2)?,
            path_delay_ns: nanoseconds(10)?,
        })
    }
}

/// The grandmaster (§15.5.3.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParentData {
    /// Its identity.
    pub grandmaster: ClockIdentity,
    /// Its class: 6 is locked to a primary reference, 7 holds over (table 5).
    pub clock_class: u8,
}

impl ParentData {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        Some(Self {
            clock_class: *data.get(19)?,
            grandmaster: ClockIdentity(array(data, 24)?),
        })
    }
}

/// Time scale (§15.5.3.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeProperties {
    /// TAI minus UTC in seconds, as the grandmaster has it.
    pub utc_offset_s: i16,
    /// The grandmaster knows that offset to be right.
    pub is_utc_offset_valid: bool,
    /// Times are TAI; otherwise the time scale is arbitrary.
    pub is_ptp_timescale: bool,
}

impl TimeProperties {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let flags = data.get(2)?;
        Some(Self {
            utc_offset_s: u16_at(data, 0)?.cast_signed(),
            is_utc_offset_valid: flags & 0x04 != 0,
            is_ptp_timescale: flags & 0x08 != 0,
        })
    }
}

/// A name of a network interface, or none: at most 15 printable bytes without `/`, as the kernel has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceName(String);

impl InterfaceName {
    const MOST: usize = 15;

    fn read(bytes: &[u8]) -> Option<Self> {
        let is_name = bytes.len() <= Self::MOST
            && bytes.iter().all(|it| it.is_ascii_graphic() && *it != b'/')
            && ![&b"."[..], b".."].contains(&bytes);
        is_name.then(|| Self(String::from_utf8_lossy(bytes).into_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A port, as linuxptp has it (`struct port_properties_np`), or only its identity and state (§15.5.3.7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortProperties {
    /// Its identity.
    pub port: PortIdentity,
    /// Its state.
    pub state: PtpPortState,
    /// The layer that stamps its packets, and its interface; absent in the standard's data set.
    pub link: Option<(PtpTimestamping, InterfaceName)>,
}

impl PortProperties {
    pub(super) fn read_standard(data: &[u8]) -> Option<Self> {
        Some(Self {
            port: PortIdentity::read(data, 0)?,
            state: port_state(*data.get(10)?)?,
            link: None,
        })
    }

    pub(super) fn read(data: &[u8]) -> Option<Self> {
        // `enum timestamp_type` of linuxptp: all but the first are of the hardware.
        let timestamping = match *data.get(11)? {
            0 => PtpTimestamping::Software,
            1..=4 => PtpTimestamping::Hardware,
            _ => return None,
        };
        let length = usize::from(*data.get(12)?);
        let name = InterfaceName::read(data.get(13..13 + length)?)?;
        Some(Self {
            link: Some((timestamping, name)),
            ..Self::read_standard(data)?
        })
    }
}

/// The hardware clock of a port (`struct port_hwclock_np`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardwareClock {
    /// Its port.
    pub port: PortIdentity,
    /// N of `/dev/ptpN`; `None` if the port has none.
    pub index: Option<u32>,
}

impl HardwareClock {
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let index = i32::from_be_bytes(array(data, 10)?);
        Some(Self {
            port: PortIdentity::read(data, 0)?,
            index: u32::try_from(index).ok(),
        })
    }
}

/// Table 8; 10 is linuxptp's grandmaster.
fn port_state(value: u8) -> Option<PtpPortState> {
    Some(match value {
        1 => PtpPortState::Initializing,
        2 => PtpPortState::Faulty,
        3 => PtpPortState::Disabled,
        4 => PtpPortState::Listening,
        5 => PtpPortState::PreMaster,
        6 | 10 => PtpPortState::Master,
        7 => PtpPortState::Passive,
        8 => PtpPortState::Uncalibrated,
        9 => PtpPortState::Slave,
        _ => return None,
    })
}
