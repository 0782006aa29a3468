//! Which clock ptp4l steers, and how far `CLOCK_TAI` is from it.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use onair_api::PtpTimestamping;
use onair_ptp::ClockIdentity;
use onair_settings::config::PhcSetting;

use super::Reading;

/// Of so many comparisons the shortest counts.
const COMPARISONS: usize = 5;

/// The clock that ptp4l steers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SteeredClock {
    /// The system's: packets have software timestamps.
    System,
    /// The hardware clock of a network device.
    Hardware {
        /// Its device.
        device: String,
        /// `CLOCK_TAI` minus it, ns, or why it cannot be read.
        tai_ahead_ns: nix::Result<i64>,
    },
    /// Not known, for this reason.
    Unknown(String),
}

impl SteeredClock {
    /// Finds the clock that ptp4l steers, and compares it with `CLOCK_TAI`.
    #[must_use]
    pub fn of(reading: &Reading, setting: &PhcSetting) -> Self {
        match setting {
            PhcSetting::None => Self::System,
            PhcSetting::Device(device) => Self::compared(device),
            PhcSetting::Auto => Self::found(reading, Path::new("/sys/class/net")),
        }
    }

    fn found(reading: &Reading, interfaces: &Path) -> Self {
        let device = |index: u32| PathBuf::from(format!("/dev/ptp{index}"));
        match (reading.timestamping(), reading.hardware_clock) {
            (Some(PtpTimestamping::Software), _) => Self::System,
            (Some(PtpTimestamping::Hardware), Some(index)) => Self::compared(&device(index)),
            (Some(PtpTimestamping::Hardware), None) => {
                let interface = reading.port.link.as_ref().map(|(_, name)| name.as_str());
                let interface = interface.unwrap_or_default();
                match clock_of(&interfaces.join(interface)) {
                    Some(index) => Self::compared(&device(index)),
                    None => Self::Unknown(format!("interface {interface} names no hardware clock")),
                }
            }
            // The read-only socket tells neither.
            (None, _) => match interface_of(reading.clock.identity, interfaces) {
                Some(interface) => {
                    clock_of(&interface).map_or(Self::System, |it| Self::compared(&device(it)))
                }
                None => Self::Unknown(format!(
                    "its socket does not tell, and no interface here has the address of clock {}",
                    reading.clock.identity
                )),
            },
        }
    }

    fn compared(device: &Path) -> Self {
        Self::Hardware {
            device: device.display().to_string(),
            tai_ahead_ns: tai_ahead_of(device),
        }
    }
}

/// The hardware clock of an interface (its folder in `/sys/class/net`).
fn clock_of(interface: &Path) -> Option<u32> {
    let clocks = fs::read_dir(interface.join("device/ptp")).ok()?.flatten();
    let mut indices =
        clocks.filter_map(|it| it.file_name().to_str()?.strip_prefix("ptp")?.parse().ok());
    indices.next()
}

/// The interface whose Ethernet address the clock's identity was made from.
fn interface_of(clock: ClockIdentity, interfaces: &Path) -> Option<PathBuf> {
    let [a, b, c, d, e, f] = clock.ethernet_address()?;
    let wanted = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
    let paths = fs::read_dir(interfaces).ok()?.flatten().map(|it| it.path());
    let address = |path: &PathBuf| fs::read_to_string(path.join("address")).ok();
    paths
        .into_iter()
        .find(|path| address(path).is_some_and(|it| it.trim() == wanted))
}

/// `CLOCK_TAI` minus the hardware clock of `device`, in nanoseconds.
fn tai_ahead_of(device: &Path) -> nix::Result<i64> {
    let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let device = File::open(device).map_err(errno)?;
    // A clock by its descriptor: FD_TO_CLOCKID of clock_gettime(2).
    let id = ClockId::from_raw((!device.as_raw_fd() << 3) | 3);
    ahead(ClockId::CLOCK_TAI, id)
}

/// How far `one` is ahead of `other`, in nanoseconds.
fn ahead(one: ClockId, other: ClockId) -> nix::Result<i64> {
    let read = |clock| -> nix::Result<i128> {
        let now = clock_gettime(clock)?;
        Ok(i128::from(now.tv_sec()) * 1_000_000_000 + i128::from(now.tv_nsec()))
    };
    let mut best = None;
    for _ in 0..COMPARISONS {
        let (before, between, after) = (read(one)?, read(other)?, read(one)?);
        let took = after - before;
        if best.is_none_or(|(least, _)| took < least) {
            best = Some((took, before + took / 2 - between));
        }
    }
    let (_, ahead) = best.expect("there are some");
    Ok(i64::try_from(ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use onair_ptp::Reply;

    use super::*;
    use crate::ptp::slave;

    #[test]
    fn clocks_are_compared() {
        let same = ahead(ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_MONOTONIC).unwrap();
        let apart = ahead(ClockId::CLOCK_REALTIME, ClockId::CLOCK_MONOTONIC).unwrap();
        assert!(same.abs() < apart.abs(), "{same} {apart}");
        let back = ahead(ClockId::CLOCK_MONOTONIC, ClockId::CLOCK_REALTIME).unwrap();
        assert!(back < 0 && apart > 0);
        assert!(tai_ahead_of(Path::new("/dev/null")).is_err(), "not a clock");
    }

    #[test]
    fn clock_is_of_the_interface_that_ptp4l_names_or_is_named_after() {
        let folder = tempfile::tempdir().unwrap();
        let interfaces = folder.path();
        fs::create_dir_all(interfaces.join("veth0/device/ptp/ptp7")).unwrap();
        fs::create_dir_all(interfaces.join("lo")).unwrap();
        let found = |reading: &Reading| SteeredClock::found(reading, interfaces);
        let is_ptp7 = |clock: SteeredClock| matches!(clock, SteeredClock::Hardware { device, .. } if device == "/dev/ptp7");

        // linuxptp 3.1.1 on veth0, with software timestamps, and the same with hardware's.
        let software = "0d0200480700000000000000000000000000000066ae33fffe7cbda600010004047f000000000000000042\
            560000020000010014c00466ae33fffe7cbda600010900057665746830";
        let answered = |hex: &str| {
            let bytes: Vec<u8> = (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            let mut reading = slave();
            let onair_ptp::Content::PortProperties(port) = Reply::parse(&bytes).unwrap().content
            else {
                panic!("another data set");
            };
            reading.port = port;
            reading
        };
        assert_eq!(found(&answered(software)), SteeredClock::System);
        let mut hardware = answered(&software.replace("010900057665", "010901057665"));
        assert!(is_ptp7(found(&hardware)));
        hardware.hardware_clock = Some(9);
        assert!(!is_ptp7(found(&hardware)), "ptp4l's own word comes first");
        let elsewhere = answered(&software.replace("01090005766574", "01090105766575"));
        assert!(matches!(found(&elsewhere), SteeredClock::Unknown(_)));

        // The read-only socket tells neither: the identity of the clock has the interface's address.
        assert!(matches!(found(&slave()), SteeredClock::Unknown(_)));
        let address = interfaces.join("veth0/address");
        fs::write(&address, "01:02:03:04:05:06\n").unwrap();
        assert!(is_ptp7(found(&slave())));
        fs::remove_file(&address).unwrap();
        fs::write(interfaces.join("lo/address"), "01:02:03:04:05:06\n").unwrap();
        assert_eq!(found(&slave()), SteeredClock::System);
    }
}
