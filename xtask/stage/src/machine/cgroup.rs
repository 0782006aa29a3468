//! A limit on the memory of some processes: a memory cgroup, in either layout of the kernel's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Where the controller may be: the unified hierarchy by itself or beside the old one, and the old one.
const PLACES: [(&str, Layout); 3] = [
    ("/sys/fs/cgroup", Layout::Unified),
    ("/sys/fs/cgroup/unified", Layout::Unified),
    ("/sys/fs/cgroup/memory", Layout::Old),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).
    Unified,
    /// cgroup v1 (Documentation/admin-guide/cgroup-v1/memory.rst).
    Old,
}

/// A memory cgroup on a stage. It goes with the stage.
#[derive(Debug)]
pub struct MemoryLimit {
    folder: PathBuf,
    layout: Layout,
}

impl MemoryLimit {
    /// Where one called `name` is to be.
    pub(crate) fn plan(name: &str) -> Result<Self> {
        for (place, layout) in PLACES {
            let place = Path::new(place);
            let is_there = match layout {
                Layout::Unified => fs::read_to_string(place.join("cgroup.controllers"))
                    .is_ok_and(|all| all.split_ascii_whitespace().any(|it| it == "memory")),
                Layout::Old => place.join("memory.limit_in_bytes").exists(),
            };
            if is_there {
                let folder = place.join(name);
                return Ok(Self { folder, layout });
            }
        }
        bail!(
            "this kernel has no memory controller in /sys/fs/cgroup: neither v2 nor v1 is mounted"
        )
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn put_up(&self, bytes: u64) -> Result<()> {
        if self.layout == Layout::Unified
            && let Some(parent) = self.folder.parent()
        {
            write(&parent.join("cgroup.subtree_control"), "+memory")?;
        }
        fs::create_dir(&self.folder)
            .with_context(|| format!("making {}", self.folder.display()))?;
        let (limit, swap, with_swap) = match self.layout {
            Layout::Unified => ("memory.max", "memory.swap.max", 0),
            Layout::Old => (
                "memory.limit_in_bytes",
                "memory.memsw.limit_in_bytes",
                bytes,
            ),
        };
        write(&self.folder.join(limit), &bytes.to_string())?;
        let swap = self.folder.join(swap);
        // A kernel without swap accounting has no such file.
        if swap.exists() {
            write(&swap, &with_swap.to_string())?;
        }
        Ok(())
    }

    /// Puts process `pid` under the limit: what it takes from now on counts.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn hold(&self, pid: u32) -> Result<()> {
        write(&self.folder.join("cgroup.procs"), &pid.to_string())
    }

    /// Processes that the kernel has killed because of the limit.
    ///
    /// # Errors
    /// When the kernel does not count them.
    pub fn kills(&self) -> Result<u64> {
        let file = match self.layout {
            Layout::Unified => "memory.events",
            Layout::Old => "memory.oom_control",
        };
        let text = fs::read_to_string(self.folder.join(file)).with_context(|| file.to_owned())?;
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count
            .context("the kernel does not count oom_kill")?
            .trim()
            .parse()
            .context("oom_kill")
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("writing {text:?} to {}", file.display()))
}
