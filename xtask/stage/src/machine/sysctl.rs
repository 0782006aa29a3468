//! Settings of the kernel under `/proc/sys`.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// A number that was raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sysctl {
    /// In dots, as sysctl(8) writes it.
    name: String,
    before: u64,
    raised_to: u64,
}

impl Sysctl {
    /// What has to be done so that `name` is at least `least`; `None` when it is already.
    pub(crate) fn plan(name: &str, least: u64) -> Result<Option<Self>> {
        let before = read(name)?;
        Ok((before < least).then(|| Self {
            name: name.to_owned(),
            before,
            raised_to: least,
        }))
    }

    pub(crate) fn apply(&self) -> Result<()> {
        write(&self.name, self.raised_to)
    }

    /// Puts the old number back, unless another process has set another one since.
    pub(crate) fn restore(&self) -> Result<()> {
        if read(&self.name)? == self.raised_to {
            write(&self.name, self.before)?;
        }
        Ok(())
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} = {} (was {})",
            self.name, self.raised_to, self.before
        )
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name.replace('.', "/"))
}

/// The number in `name`.
pub(crate) fn read(name: &str) -> Result<u64> {
    let text = fs::read_to_string(path(name)).with_context(|| format!("reading {name}"))?;
    text.trim()
        .parse()
        .with_context(|| format!("{name} is {text:?}, not a number"))
}

pub(crate) fn write(name: &str, value: u64) -> Result<()> {
    fs::write(path(name), value.to_string()).with_context(|| format!("setting {name} to {value}"))
}
