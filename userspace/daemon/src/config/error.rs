//! Why a configuration is invalid.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use onair_types::nearest;

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
    #[error("{path}: {}{}", plain(source), meant(source.message()))]
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

/// What the parser expected that is most like the unknown key or value.
fn meant(message: &str) -> String {
    // unknown field `a`, expected one of `b`, `c`
    let mut quoted = message.split('`').skip(1).step_by(2);
    let meant = quoted
        .next()
        .filter(|_| message.starts_with("unknown "))
        .and_then(|unknown| nearest(unknown, quoted));
    meant.map_or_else(String::new, |name| format!("Did you mean `{name}`?\n"))
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

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn unknown_key_or_value_then_the_nearest_that_is_known() {
        for (message, expected) in [
            (
                "unknown field `socked`, expected one of `mode`, `socket`, `group`",
                "Did you mean `socket`?\n",
            ),
            (
                "unknown variant `requird`, expected `required` or `off`",
                "Did you mean `required`?\n",
            ),
            ("unknown field `nix`, expected one of `mode`, `socket`", ""),
            ("missing field `name`", ""),
        ] {
            assert_eq!(meant(message), expected);
        }
    }
}
