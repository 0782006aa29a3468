//! `[state]`: what is kept on disk.

use std::path::PathBuf;

use serde::Deserialize;

/// `[state]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Directory for certificates.
    pub dir: PathBuf,
    /// Certificates that are kept; the oldest go first.
    pub certificates: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            dir: "/var/lib/onair".into(),
            certificates: 1000,
        }
    }
}
