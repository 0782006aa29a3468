//! Why a configuration is invalid.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::wording::plain;

/// Why a configuration is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// The kernel's error.
        source: std::io::Error,
    },
    /// The file is not TOML, or has an unknown key or a wrong type.
    #[error("{path}: {}{advice}", plain(source))]
    Parse {
        /// Path of the file.
        path: PathBuf,
        /// Position and reason.
        source: Box<toml::de::Error>,
        /// Remedy, as lines; may be empty.
        advice: String,
    },
    /// A value is invalid.
    #[error("{key} = {value}: {problem}")]
    Value {
        /// The key, with its table.
        key: String,
        /// The value in the file.
        value: String,
        /// The fault, and the valid values.
        problem: String,
    },
    /// The machine does not have what a valid value names, or not yet.
    #[error("{key} = {value}: {problem}")]
    Machine {
        /// The key, with its table.
        key: String,
        /// The value in the file.
        value: String,
        /// The missing part, and the remedy.
        problem: String,
    },
}

impl ConfigError {
    /// The same of the machine: another start may succeed with this configuration.
    pub(super) fn of_machine(self) -> Self {
        match self {
            Self::Value {
                key,
                value,
                problem,
            } => Self::Machine {
                key,
                value,
                problem,
            },
            other => other,
        }
    }

    /// Whether the machine lacks something that may still come: a later start can succeed.
    #[must_use]
    pub const fn is_of_the_machine(&self) -> bool {
        matches!(self, Self::Machine { .. })
    }

    /// Invalid value of `key` (with its table). `problem` says which values are valid.
    pub fn value(key: impl Into<String>, value: impl Display, problem: impl Into<String>) -> Self {
        Self::Value {
            key: key.into(),
            value: value.to_string(),
            problem: problem.into(),
        }
    }
}

/// Checks that `value` is within `range`.
///
/// # Errors
/// [`ConfigError::Value`] with the valid range.
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
