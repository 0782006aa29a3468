//! `[state]`: state on disk.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;
use crate::archive::Retention;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[state]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// State directory, which holds the certificates.
    pub dir: PathBuf,
    /// Most certificates kept; the oldest are removed first.
    pub certificates: usize,
    /// Days to keep a certificate; 0: no limit.
    pub certificate_days: u32,
}

impl Default for State {
    fn default() -> Self {
        Self {
            dir: "/var/lib/onair".into(),
            certificates: 1000,
            certificate_days: 0,
        }
    }
}

impl State {
    /// Retention of certificates.
    pub fn retention(&self) -> Retention {
        let days = self.certificate_days;
        Retention {
            count: self.certificates,
            age: (days > 0).then(|| DAY * days),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("state.certificates", self.certificates, 1..=100_000)?;
        within("state.certificate_days", self.certificate_days, 0..=36_500)
    }
}
