//! The clock, as reported by ptp4l, linuxptp's daemon.

use serde::{Deserialize, Serialize};

use crate::text::texts;

/// The clock as ptp4l sees it, and whether `CLOCK_TAI` follows its grandmaster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PtpHealth {
    /// Summary.
    pub state: PtpState,
    /// Why it is not locked, and what to do; absent if it is locked or off.
    pub reason: Option<String>,
    /// The socket that answered last.
    #[cfg_attr(feature = "openapi", schema(examples("/var/run/ptp4l")))]
    pub socket: Option<String>,
    /// The grandmaster; absent unless ptp4l answers.
    pub grandmaster: Option<PtpGrandmaster>,
    /// The port of ptp4l that is nearest to the grandmaster.
    pub port: Option<PtpPort>,
    /// ptp4l's clock minus its master's in nanoseconds, as ptp4l measured it last.
    pub offset_ns: Option<i64>,
    /// Delay of a message from the master in nanoseconds.
    pub path_delay_ns: Option<i64>,
    /// The hardware clock that ptp4l steers; absent if it steers the system's clock.
    pub hardware_clock: Option<PtpHardwareClock>,
}

impl PtpHealth {
    /// Nothing is known but this.
    #[must_use]
    pub const fn empty(state: PtpState, reason: Option<String>) -> Self {
        Self {
            state,
            reason,
            socket: None,
            grandmaster: None,
            port: None,
            offset_ns: None,
            path_delay_ns: None,
            hardware_clock: None,
        }
    }
}

/// A grandmaster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PtpGrandmaster {
    /// Its identity, as session descriptions write it (RFC 7273).
    #[cfg_attr(feature = "openapi", schema(examples("52-11-D0-FF-FE-37-BA-64")))]
    pub identity: String,
    /// PTP domain.
    pub domain: u8,
    /// Its clock class: 6 is locked to a primary reference, 7 holds over, 248 is the default.
    pub clock_class: u8,
    /// Clocks between this machine and the grandmaster; 0 if this machine is the grandmaster.
    pub steps_removed: u16,
    /// ptp4l on this machine is the grandmaster.
    pub is_this_machine: bool,
    /// TAI minus UTC in seconds, as the grandmaster announces it.
    pub tai_minus_utc_s: i16,
    /// The grandmaster announces that offset as valid.
    pub is_utc_offset_valid: bool,
    /// Its time is TAI; otherwise its time scale is arbitrary.
    pub is_ptp_timescale: bool,
}

/// A port of ptp4l.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PtpPort {
    /// Its number.
    pub number: u16,
    /// Its state.
    pub state: PtpPortState,
    /// Its network interface; absent if ptp4l does not tell: its read-only socket does not.
    pub interface: Option<String>,
    /// The layer that stamps its packets; absent if ptp4l does not report it.
    pub timestamping: Option<PtpTimestamping>,
}

/// A hardware clock of a network device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PtpHardwareClock {
    /// Its device.
    #[cfg_attr(feature = "openapi", schema(examples("/dev/ptp0")))]
    pub device: String,
    /// `CLOCK_TAI` minus this clock in nanoseconds; absent if it could not be read.
    pub tai_ahead_ns: Option<i64>,
}

/// Whether `CLOCK_TAI` follows a grandmaster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PtpState {
    /// The daemon does not ask ptp4l.
    Off,
    /// No ptp4l has answered since the daemon's start.
    #[default]
    Absent,
    /// It follows the grandmaster. Session descriptions name it.
    Locked,
    /// ptp4l answers, and the clock does not follow a grandmaster.
    Unlocked,
    /// ptp4l has answered before, and does not any more.
    Lost,
}

texts! { PtpState: Off "off", Absent "absent", Locked "locked", Unlocked "unlocked", Lost "lost" }

impl PtpState {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::Off,
        Self::Absent,
        Self::Locked,
        Self::Unlocked,
        Self::Lost,
    ];
}

/// State of a port of PTP (IEEE 1588-2008, table 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PtpPortState {
    /// Starts.
    Initializing,
    /// Has a fault.
    Faulty,
    /// Is disabled.
    Disabled,
    /// Waits for announcements of masters.
    Listening,
    /// Is about to become a master.
    PreMaster,
    /// Gives time to others.
    Master,
    /// Neither gives nor takes time.
    Passive,
    /// Has a master, and is not synchronised to it yet. A ptp4l with `free_running` stays here.
    Uncalibrated,
    /// Is synchronised to a master.
    Slave,
}

texts! { PtpPortState:
    Initializing "initializing", Faulty "faulty", Disabled "disabled", Listening "listening",
    PreMaster "pre_master", Master "master", Passive "passive", Uncalibrated "uncalibrated",
    Slave "slave"
}

impl PtpPortState {
    /// Each of them.
    pub const ALL: [Self; 9] = [
        Self::Initializing,
        Self::Faulty,
        Self::Disabled,
        Self::Listening,
        Self::PreMaster,
        Self::Master,
        Self::Passive,
        Self::Uncalibrated,
        Self::Slave,
    ];
}

/// Layer that stamps PTP packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PtpTimestamping {
    /// The kernel, by the system's clock: ptp4l steers that clock.
    Software,
    /// The network device, by its own clock: ptp4l steers that clock, and phc2sys the system's.
    Hardware,
}

texts! { PtpTimestamping: Software "software", Hardware "hardware" }
