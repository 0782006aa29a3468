//! Where DPDK's memory comes from: hugepages, or plain pages.
//!
//! EAL can be initialised once, and a failed attempt cannot be repeated, so
//! the choice is made before it is asked.

use std::{fs, path::Path};

use crate::Error;

/// Which pages DPDK may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hugepages {
    /// Hugepages if enough are free, plain pages otherwise.
    #[default]
    Auto,
    /// Hugepages, or no start.
    Require,
    /// Plain pages. Pure mbuf work is about four times slower; AF_XDP works.
    Never,
}

/// The pages that DPDK uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Hugepages, taken as they are needed.
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
            Hugepages::Auto | Hugepages::Require => free_mb(Path::new("/sys/kernel/mm/hugepages")),
        };
        Self::decide(hugepages, memory_mb, free_mb)
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

/// MiB of hugepages of every size that are free and not promised to others.
/// `/proc/meminfo` would tell of one size only.
fn free_mb(folder: &Path) -> u64 {
    let number =
        |path: &Path| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let sizes = fs::read_dir(folder).into_iter().flatten().flatten();
    sizes
        .filter_map(|size| {
            let name = size.file_name();
            let kb: u64 = name
                .to_str()?
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse()
                .ok()?;
            let free = number(&size.path().join("free_hugepages"))?;
            let promised = number(&size.path().join("resv_hugepages")).unwrap_or(0);
            Some(free.saturating_sub(promised) * kb / 1024)
        })
        .sum()
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;

    #[test]
    fn decide__goes_through_every_combination() {
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

    #[test]
    fn choose__no_memory__is_refused() {
        assert!(matches!(
            Memory::choose(Hugepages::Never, 0),
            Err(Error::Invalid { .. })
        ));
    }
}
