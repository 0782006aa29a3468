//! Hugepages of the default size: added only as far as they are missing, and given back.

use std::fmt;
use std::fs;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::machine::sysctl;
use crate::until::{Deadline, until};

const COUNT: &str = "vm.nr_hugepages";

/// Pages that were added, or were about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hugepages {
    before: u64,
    added: u64,
    /// Whether the kernel has given them; until then it is not known how far it came.
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
            shrink_to(self.before)?;
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
        shrink_to(target)
    }

    fn count_after(&self, now: u64) -> u64 {
        if self.given {
            now.saturating_sub(self.added)
        } else {
            // Killed between the record and the kernel's answer: whatever is above the old number
            // is ours, since no other process changes it without the lock that the killed one held.
            now.min(self.before)
        }
    }
}

impl fmt::Display for Hugepages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hugepages on top of {}", self.added, self.before)
    }
}

/// Leaves `target` pages, and those that a process still has until it gives them back.
///
/// A page that comes back just while the kernel shrinks the pool stays in it, free, and is counted
/// as surplus (`set_max_huge_pages` in Linux's `mm/hugetlb.c` has counted the pages in use before
/// it lets go of the lock, and calls as many surplus after it). Nothing takes such a page away but
/// to count it in again and to shrink once more.
fn shrink_to(target: u64) -> Result<()> {
    sysctl::write(COUNT, target)?;
    until(
        "hugepages that came back to be gone",
        Deadline::seconds(10),
        || {
            let idle =
                meminfo("HugePages_Surp")?.min(meminfo("HugePages_Free")?.saturating_sub(target));
            if idle == 0 {
                return Ok(Some(()));
            }
            sysctl::write(COUNT, target + idle)?;
            sysctl::write(COUNT, target)?;
            Ok(None)
        },
    )
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
    use std::thread;
    use std::time::Duration;

    use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

    use super::*;
    use crate::machine::folder::Folder;

    fn added(given: bool) -> Hugepages {
        Hugepages {
            before: 128,
            added: 64,
            given,
        }
    }

    #[test]
    fn hugepages_others_came_and_went_then_only_ours_are_taken() {
        assert_eq!(added(true).count_after(192), 128);
        assert_eq!(added(true).count_after(256), 192);
        assert_eq!(added(true).count_after(64), 0);
        assert_eq!(added(true).count_after(10), 0);
    }

    #[test]
    fn hugepages_killed_while_adding_then_the_old_number() {
        assert_eq!(added(false).count_after(192), 128);
        assert_eq!(added(false).count_after(150), 128);
        assert_eq!(added(false).count_after(128), 128);
    }

    /// About one round in five finds the kernel where it keeps a page that came back.
    #[test]
    fn hugepages_come_back_while_given_back_then_all_are_gone() {
        const MEGABYTES: u64 = 128;
        // No other process may change the number meanwhile, as in a run.
        let _folder = Folder::open().unwrap();
        let before = sysctl::read(COUNT).unwrap();
        for round in 0..100 {
            let free = meminfo("HugePages_Free").unwrap() * meminfo("Hugepagesize").unwrap();
            let mut pages = Hugepages::plan(free / 1024 + MEGABYTES).unwrap().unwrap();
            assert!(pages.add().unwrap(), "no {MEGABYTES} MB of hugepages");
            let user =
                memfd_create("onair-test", MemfdFlags::HUGETLB | MemfdFlags::CLOEXEC).unwrap();
            fallocate(&user, FallocateFlags::empty(), 0, MEGABYTES << 19).unwrap();
            let leaves = thread::spawn(move || {
                thread::sleep(Duration::from_micros(20 * round));
                drop(user);
            });
            pages.give_back().unwrap();
            leaves.join().unwrap();
            // A child that another test forks meanwhile has the file until it executes its program.
            let what = format!("the pages of round {round} to be gone");
            until(&what, Deadline::seconds(10), || {
                Ok((meminfo("HugePages_Total")? == before).then_some(()))
            })
            .unwrap();
        }
    }
}
