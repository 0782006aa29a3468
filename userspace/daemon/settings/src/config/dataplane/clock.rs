//! `[clock]`: what ptp4l is asked about the clock.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

/// Sockets of ptp4l that `auto` tries: for writing, which tells more, and read-only (linuxptp 4.0),
/// which every user may ask.
const SOCKETS: [&str; 2] = ["/var/run/ptp4l", "/var/run/ptp4lro"];
/// Longest path of a socket, bytes (unix(7)).
const LONGEST: usize = 107;

/// `[clock]`: what ptp4l says about the clock
///
/// See [clock.md](clock.md). ptp4l answers to a socket beside the control socket: it must see that path.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// Management socket of ptp4l: an absolute path, with which an absent ptp4l is a problem of
    /// `health`; `auto`: `/var/run/ptp4l`, else `/var/run/ptp4lro`; `off`.
    pub ptp_socket: String,
    /// PTP domain. Without it: the one in which ptp4l answers.
    pub ptp_domain: Option<u8>,
    /// Largest offset of a locked clock. Three measurements beyond it end the lock.
    pub max_offset_us: u64,
    /// The hardware clock that ptp4l steers, such as `/dev/ptp0`; `auto`: ptp4l or its interface
    /// names it; `none`: ptp4l steers the system's clock.
    pub phc: String,
}

/// The question to ptp4l, and how the answer is judged.
#[derive(Debug)]
pub struct PtpQuestion {
    /// Sockets of ptp4l, in the order in which they are tried.
    pub peers: Vec<PathBuf>,
    /// PTP domain; `None`: it is searched for.
    pub domain: Option<u8>,
    /// Largest offset of a locked clock, µs.
    pub max_offset_us: u64,
    /// Where the hardware clock is.
    pub phc: PhcSetting,
}

/// `clock.phc`: where the daemon looks for the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PhcSetting {
    /// ptp4l tells it.
    Auto,
    /// ptp4l steers the system's clock.
    None,
    /// The configured clock device, such as `/dev/ptp0`.
    Device(PathBuf),
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            ptp_socket: "auto".into(),
            ptp_domain: None,
            max_offset_us: 100,
            phc: "auto".into(),
        }
    }
}

impl Clock {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let socket = &self.ptp_socket;
        let is_path = socket.starts_with('/') && socket.len() <= LONGEST;
        if !is_path && !["auto", "off"].contains(&socket.as_str()) {
            let problem =
                "give \"auto\", \"off\", or the absolute path of ptp4l's socket, at most 107 bytes";
            return Err(ConfigError::value("clock.ptp_socket", socket, problem));
        }
        if !self.phc.starts_with('/') && !["auto", "none"].contains(&self.phc.as_str()) {
            let problem = "give \"auto\", \"none\", or a device such as /dev/ptp0";
            return Err(ConfigError::value("clock.phc", &self.phc, problem));
        }
        within("clock.max_offset_us", self.max_offset_us, 1..=1_000_000)?;
        // Others are reserved (IEEE 1588-2008, table 2).
        within("clock.ptp_domain", self.ptp_domain.unwrap_or(0), 0..=127)
    }

    /// Whether the file names a ptp4l, so that its absence is a problem.
    #[must_use]
    pub fn names_a_ptp4l(&self) -> bool {
        self.ptp_socket.starts_with('/')
    }

    /// The question to ptp4l; `None` if it is not asked.
    #[must_use]
    pub fn question(&self) -> Option<PtpQuestion> {
        let peers = match self.ptp_socket.as_str() {
            "off" => return None,
            "auto" => SOCKETS.map(PathBuf::from).to_vec(),
            path => vec![PathBuf::from(path)],
        };
        Some(PtpQuestion {
            peers,
            domain: self.ptp_domain,
            max_offset_us: self.max_offset_us,
            phc: match self.phc.as_str() {
                "auto" => PhcSetting::Auto,
                "none" => PhcSetting::None,
                path => PhcSetting::Device(path.into()),
            },
        })
    }
}
