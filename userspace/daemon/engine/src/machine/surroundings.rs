//! The rest of the daemon's surroundings: ptp4l, its configuration file, its sockets, its log.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use onair_api::{EventKind, PtpHealth};
use onair_shares::Usage;

/// Why the filter of the log was not changed.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// The filter is invalid.
    #[error("log.filter = {filter:?}: {source}")]
    Parse {
        /// The given filter.
        filter: String,
        /// The parser's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The environment variable is set.
    #[error("the variable {0} overrides it")]
    Overridden(&'static str),
}

/// The grandmaster that a description names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its identity.
    pub grandmaster: [u8; 8],
    /// PTP domain.
    pub domain: u8,
}

/// The daemon's surroundings.
pub trait Surroundings {
    /// Takes over what ptp4l said last. Returns what has changed.
    fn follow_ptp(&mut self, now: Instant) -> Vec<EventKind>;
    /// Last report of ptp4l.
    fn ptp_health(&self) -> &PtpHealth;
    /// The clock that senders follow, and how often it has changed.
    fn ptp_reference(&self) -> (Option<Reference>, u64);
    /// Why the journal of resources is not written, or that the daemon before left a damaged one.
    fn journal_problem(&self) -> Option<String>;
    /// Why a restart would refuse the configuration file.
    fn file_problem(&self) -> Option<String>;
    /// A reload read the file, and this is why it is invalid.
    fn note_file(&self, invalid: Option<String>);
    /// Use of the connections of both sockets.
    fn connections(&self) -> Vec<Usage>;
    /// Sets the filter of the log.
    ///
    /// # Errors
    /// [`FilterError`]: the old one stays.
    fn set_log_filter(&self, filter: &str) -> Result<(), FilterError>;
    /// Log lines dropped since the start because standard error was not read.
    fn dropped_log_lines(&self) -> u64;
    /// Frames of these converted sessions are to be made, each of those of its source, by a process of its own. The
    /// same ones again change nothing.
    fn convert(&self, wanted: BTreeMap<u64, u64>);
    /// Whether the program of such a process is there.
    ///
    /// # Errors
    /// Why it is not, with its path.
    fn check_converter(&self) -> Result<(), String>;
    /// This one of them was evicted: it is to end, and another one takes its place.
    fn end_converter(&self, pid: u32);
    /// Why that process does not run, with what to do.
    fn conversion_fault(&self, session: u64) -> Option<String>;
    /// Bytes of the daemon's heap that are in use.
    fn heap_bytes(&self) -> u64;
}
