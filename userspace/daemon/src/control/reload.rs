//! A new reading of the configuration's file.

use std::path::Path;

use crate::config::{Config, ConfigError};
use crate::log::FilterError;

/// Why the configuration is not reloaded.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// No file is known.
    #[error("the daemon was started without a file")]
    NoFile,
    /// The file is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `log.filter` is invalid.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The thread that read the file panicked.
    #[error(transparent)]
    Panicked(#[from] tokio::task::JoinError),
    /// The daemon ends.
    #[error("the daemon is shutting down")]
    ShuttingDown,
}

/// Reads the file again.
///
/// # Errors
/// [`ReloadError`]: there is no file, or it is invalid.
pub fn load(file: Option<&Path>) -> Result<Box<Config>, ReloadError> {
    let file = file.ok_or(ReloadError::NoFile)?;
    Ok(Box::new(Config::load(file)?))
}
