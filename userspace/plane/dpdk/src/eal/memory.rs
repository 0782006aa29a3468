//! Source of DPDK's memory: hugepages, or plain pages.
//!
//! EAL can be initialised only once, and a failed attempt cannot be repeated, so this module
//! chooses before EAL starts.

use std::time::{Duration, Instant};
use std::{fs, path::Path, thread};

use serde::{Deserialize, Serialize};

use crate::Error;

/// The kernel returns pages that a process gave to AF_XDP some time after its end: a daemon that
/// starts right after another waits this long for them.
const SETTLE: Duration = Duration::from_secs(1);
/// Pause between two checks. The kernel does not notify when a page comes back.
const GLANCE: Duration = Duration::from_millis(5);

/// Which pages DPDK may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hugepages {
    /// hugepages if `memory_mb` of them are free at the start, else plain pages.
    #[default]
    Auto,
    /// hugepages, or the daemon does not start.
    Require,
    /// plain pages. Pure mbuf work is about four times slower; AF_XDP works.
    Never,
}

/// The pages in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Hugepages, allocated when needed.
    Huge {
        /// MiB that were free at the start.
        free_mb: u64,
    },
    /// Plain pages, all reserved at the start.
    Plain {
        /// MiB reserved.
        memory_mb: u32,
    },
}

impl Memory {
    pub(crate) fn choose(hugepages: Hugepages, memory_mb: u32) -> Result<Self, Error> {
        if memory_mb == 0 {
            return Err(Error::Invalid {
                what: "memory_mb",
                value: memory_mb.to_string(),
                expected: "at least 1, in general some 32 for each port",
            });
        }
        let free_mb = match hugepages {
            Hugepages::Never => 0,
            Hugepages::Auto | Hugepages::Require => {
                let look = || Pages::count(Path::new("/sys/kernel/mm/hugepages"));
                settled(memory_mb, SETTLE, look).free_mb
            }
        };
        Self::decide(hugepages, memory_mb, free_mb)
    }

    /// Whether hugepages are chosen if enough are free.
    pub(crate) fn may_be_huge(hugepages: Hugepages, memory_mb: u32) -> bool {
        let all = || Pages::count(Path::new("/sys/kernel/mm/hugepages")).all_mb;
        hugepages != Hugepages::Never && all() >= memory_mb.into()
    }

    /// Whether so many hugepages are free now.
    pub(crate) fn is_free(memory_mb: u32) -> bool {
        Pages::count(Path::new("/sys/kernel/mm/hugepages")).free_mb >= memory_mb.into()
    }

    fn decide(hugepages: Hugepages, memory_mb: u32, free_mb: u64) -> Result<Self, Error> {
        match hugepages {
            Hugepages::Never => Ok(Self::Plain { memory_mb }),
            _ if free_mb >= u64::from(memory_mb) => Ok(Self::Huge { free_mb }),
            Hugepages::Auto => Ok(Self::Plain { memory_mb }),
            Hugepages::Require => Err(Error::Hugepages {
                needed_mb: memory_mb,
                free_mb,
            }),
        }
    }
}

/// Hugepages of every size, in MiB. `/proc/meminfo` shows one size only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Pages {
    /// Total.
    all_mb: u64,
    /// Free, without reserved ones.
    free_mb: u64,
}

impl Pages {
    fn count(folder: &Path) -> Self {
        let number =
            |path: &Path| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
        let sizes = fs::read_dir(folder).into_iter().flatten().flatten();
        let counted = sizes.filter_map(|size| {
            let name = size.file_name();
            let kb: u64 = name
                .to_str()?
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse()
                .ok()?;
            let of = |name: &str| number(&size.path().join(name));
            let promised = of("resv_hugepages").unwrap_or(0);
            Some(Self {
                all_mb: of("nr_hugepages")? * kb / 1024,
                free_mb: of("free_hugepages")?.saturating_sub(promised) * kb / 1024,
            })
        });
        counted.fold(Self::default(), |sum, more| Self {
            all_mb: sum.all_mb + more.all_mb,
            free_mb: sum.free_mb + more.free_mb,
        })
    }
}

/// The pages once enough are free, or at the end of `timeout`. If the total is too small, waiting
/// cannot help, and it does not wait.
fn settled(memory_mb: u32, timeout: Duration, look: impl Fn() -> Pages) -> Pages {
    let end = Instant::now() + timeout;
    let needed = u64::from(memory_mb);
    loop {
        let pages = look();
        let could_come = pages.free_mb < needed && needed <= pages.all_mb;
        if !could_come || Instant::now() >= end {
            return pages;
        }
        thread::sleep(GLANCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decide_goes_through_every_combination() {
        use Hugepages::{Auto, Never, Require};
        let plain = Memory::Plain { memory_mb: 512 };
        let huge = Memory::Huge { free_mb: 512 };
        assert_eq!(Memory::decide(Never, 512, 512).unwrap(), plain);
        assert_eq!(Memory::decide(Auto, 512, 511).unwrap(), plain);
        assert_eq!(Memory::decide(Auto, 512, 512).unwrap(), huge);
        assert_eq!(Memory::decide(Require, 512, 512).unwrap(), huge);
        let refused = Memory::decide(Require, 512, 0).unwrap_err().to_string();
        assert!(refused.contains("512") && refused.contains("nr_hugepages"));
    }

    fn pages(all_mb: u64, free_mb: u64) -> Pages {
        Pages { all_mb, free_mb }
    }

    #[test]
    fn settled_pages_come_back_then_waited_for_and_not_for_ever() {
        let looks = std::cell::Cell::new(0);
        let coming = || {
            looks.set(looks.get() + 1);
            pages(256, if looks.get() < 4 { 236 } else { 256 })
        };
        assert_eq!(settled(256, SETTLE, coming), pages(256, 256));
        assert_eq!(looks.get(), 4);
        let held = || pages(256, 236);
        assert_eq!(settled(256, GLANCE, held), held());
    }

    #[test]
    fn settled_fewer_pages_than_needed_at_all_then_looked_at_once() {
        let looks = std::cell::Cell::new(0);
        let few = || {
            looks.set(looks.get() + 1);
            pages(128, 118)
        };
        assert_eq!(settled(256, SETTLE, few), pages(128, 118));
        assert_eq!(looks.get(), 1);
    }

    #[test]
    fn choose_no_memory_is_refused() {
        assert!(matches!(
            Memory::choose(Hugepages::Never, 0),
            Err(Error::Invalid { .. })
        ));
    }
}
