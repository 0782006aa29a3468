//! Why a configuration does not hold.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Why a configuration does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, or has a key or a type that it should not have.
    #[error("{path}: {source}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value does not hold.
    #[error("{key} = {value}: {problem}")]
    Value {
        /// Key, with its table.
        key: String,
        /// What was given.
        value: String,
        /// What is wrong and what to give instead.
        problem: String,
    },
}

impl ConfigError {
    /// The value of `key` (with its table) does not hold; `problem` says what to give instead.
    pub fn value(key: impl Into<String>, value: impl Display, problem: impl Into<String>) -> Self {
        Self::Value {
            key: key.into(),
            value: value.to_string(),
            problem: problem.into(),
        }
    }
}

/// Holds if `value` is within `range`.
///
/// # Errors
/// [`ConfigError::Value`], which names the range.
pub(super) fn within<T: PartialOrd + Display>(
    key: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(ConfigError::value(
        key,
        value,
        format!("give {least} to {most}"),
    ))
}
