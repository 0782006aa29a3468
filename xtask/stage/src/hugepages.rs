//! Hugepages of the default size: added only as far as they are missing, and given back.

use std::fmt;
use std::fs;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::sysctl;

const COUNT: &str = "vm.nr_hugepages";

/// Pages that were added, or were about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hugepages {
    before: u64,
    added: u64,
    /// Whether the kernel has given them; until then nobody knows how far it came.
    given: bool,
}

impl Hugepages {
    /// How many pages must be added for `megabytes` to be free; `None` when they are.
    pub(crate) fn plan(megabytes: u64) -> Result<Option<Self>> {
        let need = (megabytes * 1024).div_ceil(meminfo("Hugepagesize")?);
        let free = meminfo("HugePages_Free")?.saturating_sub(meminfo("HugePages_Rsvd")?);
        Ok((free < need).then_some(Self {
            before: sysctl::read(COUNT)?,
            added: need - free.min(need),
            given: false,
        }))
    }

    /// Adds them. `false` when the kernel has not got so many: then those it gave are returned.
    pub(crate) fn add(&mut self) -> Result<bool> {
        sysctl::write(COUNT, self.before + self.added)?;
        let now = sysctl::read(COUNT)?;
        if now < self.before + self.added {
            sysctl::write(COUNT, self.before)?;
            return Ok(false);
        }
        self.given = true;
        Ok(true)
    }

    /// How many pages the kernel has given for it.
    pub(crate) fn given(&self) -> u64 {
        if self.given { self.added } else { 0 }
    }

    /// Takes away as many as were added. Others may have added or removed some meanwhile.
    pub(crate) fn give_back(&self) -> Result<()> {
        let now = sysctl::read(COUNT)?;
        let target = self.count_after(now);
        if target == now {
            return Ok(());
        }
        sysctl::write(COUNT, target)
    }

    fn count_after(&self, now: u64) -> u64 {
        if self.given {
            now.saturating_sub(self.added)
        } else {
            // Killed between the record and the kernel's answer: whatever is above the old number
            // is ours, since nobody else changes it without the lock that the killed one held.
            now.min(self.before)
        }
    }
}

impl fmt::Display for Hugepages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hugepages on top of {}", self.added, self.before)
    }
}

/// A number of `/proc/meminfo`.
pub(crate) fn meminfo(key: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    text.lines()
        .find_map(|line| {
            line.strip_prefix(key)?
                .strip_prefix(':')?
                .split_ascii_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .with_context(|| format!("no {key} in /proc/meminfo: this kernel has no hugepages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(given: bool) -> Hugepages {
        Hugepages {
            before: 128,
            added: 64,
            given,
        }
    }

    #[test]
    fn hugepages__others_came_and_went__then_only_ours_are_taken() {
        assert_eq!(added(true).count_after(192), 128);
        assert_eq!(added(true).count_after(256), 192);
        assert_eq!(added(true).count_after(64), 0);
        assert_eq!(added(true).count_after(10), 0);
    }

    #[test]
    fn hugepages__killed_while_adding__then_the_old_number() {
        assert_eq!(added(false).count_after(192), 128);
        assert_eq!(added(false).count_after(150), 128);
        assert_eq!(added(false).count_after(128), 128);
    }
}
