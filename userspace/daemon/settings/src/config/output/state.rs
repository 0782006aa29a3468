//! `[state]`: what is kept on disk.

use std::path::PathBuf;
use std::time::Duration;

use onair_archive::Retention;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[state]`: what is kept on disk
///
/// The daemon reads only files of root or its own user that others cannot write. It renames an
/// invalid session or journal to `NAME.corrupt`, and starts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateConfig {
    /// Folder of certificates, sessions to restore, and the journal `resources.json`. One daemon
    /// each.
    pub dir: PathBuf,
    /// Certificates to keep of sessions that clients used, the newest; and as many of those that no client
    /// used, or that the daemon made for clients. With too many, the user with the most loses the oldest.
    pub certificates: usize,
    /// Days to keep a certificate; 0: forever.
    pub certificate_days: u32,
    /// A start switches `/sys/kernel/rcu_expedited` on until it is ready, if the daemon may write it. The picture is back
    /// sooner (over AF_XDP: 142 ms after a kill, else 262); meanwhile the kernel interrupts all of the machine's cores more
    /// often, those of other programs, too.
    pub expedite_rcu: bool,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            dir: "/var/lib/onair".into(),
            certificates: 1000,
            certificate_days: 0,
            expedite_rcu: true,
        }
    }
}

impl StateConfig {
    /// Retention rules for certificates.
    pub fn retention(&self) -> Retention {
        let days = self.certificate_days;
        Retention {
            count: self.certificates,
            age: (days > 0).then(|| DAY * days),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        within("state.certificates", self.certificates, 1..=100_000)?;
        within("state.certificate_days", self.certificate_days, 0..=36_500)
    }
}
