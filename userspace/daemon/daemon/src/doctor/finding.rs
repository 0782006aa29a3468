//! The result of a check.

use std::fmt;

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// The daemon works, with less speed, safety or truth.
    Warning,
    /// The daemon does not start, or not with this configuration.
    Fail,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fail => "fail",
        })
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check: a stable word, with the name of its object behind a colon.
    pub check: String,
    /// How it ended.
    pub level: Level,
    /// The observation.
    pub found: String,
    /// Why it matters; empty if all is well.
    pub why: &'static str,
    /// The command or change that mends it; empty if all is well.
    pub mend: String,
}

impl Finding {
    pub(super) fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            level: Level::Ok,
            found: found.into(),
            why: "",
            mend: String::new(),
        }
    }

    pub(super) fn warning(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::ok(check, found)
        }
    }

    pub(super) fn fail(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            level: Level::Fail,
            ..Self::ok(check, found)
        }
    }

    /// Says why it matters, and how to mend it.
    pub(super) fn because(self, why: &'static str, mend: impl Into<String>) -> Self {
        Self {
            why,
            mend: mend.into(),
            ..self
        }
    }
}
