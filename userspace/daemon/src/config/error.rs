//! Why a configuration is invalid.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

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
    #[error("{path}: {}", plain(source))]
    Parse {
        /// Path of the file.
        path: PathBuf,
        /// Position and reason.
        source: Box<toml::de::Error>,
    },
    /// A value is invalid.
    #[error("{key} = {value}: {problem}")]
    Value {
        /// The key, with its table.
        key: String,
        /// The value in the file.
        value: String,
        /// What is wrong, and which values are valid.
        problem: String,
    },
}

/// The parser's text, with Rust's types in words.
fn plain(error: &toml::de::Error) -> String {
    let types = ["u64", "u32", "u16", "u8", "usize"];
    types.iter().fold(error.to_string(), |text, name| {
        let end = format!("expected {name}\n");
        text.replace(
            &end,
            "expected a whole number that is not negative and not so large\n",
        )
    })
}

impl ConfigError {
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
