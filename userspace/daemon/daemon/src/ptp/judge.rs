//! Decides whether `CLOCK_TAI` follows the grandmaster.
//!
//! RTP timestamps are `CLOCK_TAI`'s. A description may name the grandmaster only if that clock is
//! its time, so each link of the chain must be seen: ptp4l says that its port is synchronised (or
//! that it is the grandmaster itself), the time scale is PTP's, the offset that ptp4l measures is
//! small, the kernel has the grandmaster's offset of UTC, and, with hardware timestamps, the
//! system's clock agrees with the hardware clock that ptp4l steers.

use onair_api::PtpPortState;

use super::{Reading, SteeredClock};

/// Why the clock does not follow a grandmaster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The port is not synchronised.
    #[error("{}", of_port(.0, *.1))]
    Port(u16, PtpPortState),
    /// The time scale is not PTP's.
    #[error(
        "the grandmaster's time scale is arbitrary, not TAI: set ptpTimescale on the grandmaster \
         (pmc GRANDMASTER_SETTINGS_NP)"
    )]
    Arbitrary,
    /// The kernel has another offset of UTC.
    #[error(
        "the kernel has TAI {kernel_s} s ahead of UTC, and the grandmaster {grandmaster_s} s: run \
         phc2sys -a -r, which sets the kernel's offset; with software timestamps ptp4l sets it"
    )]
    UtcOffset {
        /// The kernel's, in seconds.
        kernel_s: u64,
        /// The grandmaster's, in seconds.
        grandmaster_s: i16,
    },
    /// ptp4l measures a large offset to its master.
    #[error(
        "ptp4l measures an offset of {offset_ns} ns to its master, more than clock.max_offset_us = \
         {max_us}: look in ptp4l's log"
    )]
    Offset {
        /// Offset, ns.
        offset_ns: i64,
        /// Limit, µs.
        max_us: u64,
    },
    /// The system's clock is not that of the hardware.
    #[error(
        "CLOCK_TAI is {ahead_ns} ns ahead of {device}, which ptp4l steers, more than \
         clock.max_offset_us = {max_us}: run phc2sys -a -r, which steers the system's clock by it"
    )]
    System {
        /// Device of the hardware clock.
        device: String,
        /// Difference, ns.
        ahead_ns: i64,
        /// Limit, µs.
        max_us: u64,
    },
    /// The hardware clock cannot be read.
    #[error("cannot read {device}, the clock that ptp4l steers: {error}")]
    Unreadable {
        /// Device of the hardware clock.
        device: String,
        /// The kernel's error.
        error: nix::errno::Errno,
    },
    /// It is not known which clock ptp4l steers.
    #[error("it is not known which clock ptp4l steers ({0}): set clock.phc")]
    Unknown(String),
}

fn of_port(number: &u16, state: PtpPortState) -> String {
    let what = match state {
        PtpPortState::Uncalibrated => {
            "it is not synchronised to its master yet; a ptp4l with free_running never is"
        }
        PtpPortState::Faulty => "look in ptp4l's log, and at the link",
        _ => "it hears no master: check the network, the domain and the transport (UDP or L2)",
    };
    format!("port {number} of ptp4l is {state}: {what}")
}

impl Fault {
    /// Whether it is a measurement, of which a single one may be wrong.
    #[must_use]
    pub const fn is_a_measurement(&self) -> bool {
        matches!(self, Self::Offset { .. } | Self::System { .. })
    }
}

/// Whether `CLOCK_TAI` follows the grandmaster of `reading`, within `max_us` microseconds.
///
/// # Errors
/// The first [`Fault`] on the way from the grandmaster to `CLOCK_TAI`.
pub fn judge(
    reading: &Reading,
    kernel_s: u64,
    clock: &SteeredClock,
    max_us: u64,
) -> Result<(), Fault> {
    let port = &reading.port;
    let wanted = if reading.is_grandmaster() {
        PtpPortState::Master
    } else {
        PtpPortState::Slave
    };
    if port.state != wanted {
        return Err(Fault::Port(port.port.number, port.state));
    }
    let time = &reading.time;
    if !time.is_ptp_timescale {
        return Err(Fault::Arbitrary);
    }
    // With a hardware clock, the comparison of both clocks includes the offset.
    let is_known = time.is_utc_offset_valid || *clock == SteeredClock::System;
    let grandmaster_s = time.utc_offset_s;
    if is_known && i128::from(kernel_s) != i128::from(grandmaster_s) {
        return Err(Fault::UtcOffset {
            kernel_s,
            grandmaster_s,
        });
    }
    let is_too_far = |ns: i64| ns.unsigned_abs() > max_us * 1000;
    let offset_ns = reading.current.offset_ns;
    if !reading.is_grandmaster() && is_too_far(offset_ns) {
        return Err(Fault::Offset { offset_ns, max_us });
    }
    match clock {
        SteeredClock::System => Ok(()),
        SteeredClock::Unknown(why) => Err(Fault::Unknown(why.clone())),
        SteeredClock::Hardware {
            device,
            tai_ahead_ns,
        } => match tai_ahead_ns {
            Err(error) => Err(Fault::Unreadable {
                device: device.clone(),
                error: *error,
            }),
            Ok(ahead_ns) if is_too_far(*ahead_ns) => Err(Fault::System {
                device: device.clone(),
                ahead_ns: *ahead_ns,
                max_us,
            }),
            Ok(_) => Ok(()),
        },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use onair_ptp::{
        ClockIdentity, CurrentData, DefaultData, ParentData, PortIdentity, PortProperties,
        TimeProperties,
    };

    use super::*;

    const OWN: ClockIdentity = ClockIdentity([1, 2, 3, 0xff, 0xfe, 4, 5, 6]);

    /// A slave that is 30 ns off a grandmaster whose TAI is 37 s ahead of UTC.
    pub(crate) fn slave() -> Reading {
        Reading {
            clock: DefaultData {
                ports: 1,
                identity: OWN,
                domain: 127,
            },
            current: CurrentData {
                steps_removed: 1,
                offset_ns: 30,
                path_delay_ns: 2000,
            },
            parent: ParentData {
                grandmaster: ClockIdentity([9; 8]),
                clock_class: 6,
            },
            time: TimeProperties {
                utc_offset_s: 37,
                is_utc_offset_valid: true,
                is_ptp_timescale: true,
            },
            port: PortProperties {
                port: PortIdentity {
                    clock: OWN,
                    number: 1,
                },
                state: PtpPortState::Slave,
                link: None,
            },
            hardware_clock: None,
        }
    }

    fn judged(change: impl FnOnce(&mut Reading), kernel_s: u64) -> Result<(), Fault> {
        let mut reading = slave();
        change(&mut reading);
        judge(&reading, kernel_s, &SteeredClock::System, 100)
    }

    #[test]
    fn each_link_from_the_grandmaster_to_clock_tai_must_be_there() {
        assert_eq!(judged(|_| {}, 37), Ok(()));
        let offset = |offset_ns| judged(|it| it.current.offset_ns = offset_ns, 37);
        assert_eq!(offset(-100_000), Ok(()));
        for offset_ns in [100_001, -100_001, i64::MIN] {
            let max_us = 100;
            assert_eq!(offset(offset_ns), Err(Fault::Offset { offset_ns, max_us }));
        }
        let arbitrary = judged(|it| it.time.is_ptp_timescale = false, 37);
        assert_eq!(arbitrary, Err(Fault::Arbitrary));
        let utc = Fault::UtcOffset {
            kernel_s: 0,
            grandmaster_s: 37,
        };
        assert_eq!(judged(|_| {}, 0), Err(utc.clone()));
        // ptp4l uses the offset, valid or not, to steer the system's clock.
        assert_eq!(
            judged(|it| it.time.is_utc_offset_valid = false, 0),
            Err(utc)
        );
    }

    #[test]
    fn port_not_synchronised_is_not_locked_whatever_it_measures() {
        for state in PtpPortState::ALL {
            let of_slave = judged(|it| it.port.state = state, 37);
            assert_eq!(of_slave.is_ok(), state == PtpPortState::Slave, "{state}");
            let of_grandmaster = judged(
                |it| {
                    it.port.state = state;
                    it.parent.grandmaster = OWN;
                    it.current.offset_ns = i64::MAX;
                },
                37,
            );
            assert_eq!(of_grandmaster.is_ok(), state == PtpPortState::Master);
        }
    }

    #[test]
    fn hardware_clock_must_agree_with_the_systems() {
        let hardware = |tai_ahead_ns| SteeredClock::Hardware {
            device: "/dev/ptp0".into(),
            tai_ahead_ns,
        };
        let with = |clock, kernel_s| judge(&slave(), kernel_s, &clock, 100);
        assert_eq!(with(hardware(Ok(-99_000)), 37), Ok(()));
        let away = with(hardware(Ok(-37_000_000_000)), 37).unwrap_err();
        assert!(away.is_a_measurement(), "{away}");
        assert!(away.to_string().contains("phc2sys -a -r"), "{away}");
        let unreadable = with(hardware(Err(nix::errno::Errno::EPERM)), 37);
        assert!(matches!(unreadable, Err(Fault::Unreadable { .. })));
        let unknown = with(SteeredClock::Unknown("no port".into()), 37);
        assert!(matches!(unknown, Err(Fault::Unknown(_))));
        // The grandmaster does not know the offset of UTC; the comparison of the clocks shows it.
        let mut reading = slave();
        reading.time.is_utc_offset_valid = false;
        reading.time.utc_offset_s = 0;
        assert_eq!(judge(&reading, 37, &hardware(Ok(0)), 100), Ok(()));
    }
}
