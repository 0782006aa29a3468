//! What a run could leave on the machine, before and after.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::cleanup::leftovers::processes;
use crate::cleanup::record::Others;
use crate::machine::bpf;
use crate::machine::command::output;
use crate::machine::hugepages::meminfo;
use crate::machine::sysctl;
use crate::process::ProcessId;
use crate::until::{Deadline, until};

/// What is there and does not belong to another living process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// A line for each thing.
    lines: BTreeSet<String>,
    /// What is counted.
    numbers: BTreeMap<&'static str, u64>,
}

/// What has changed from one snapshot to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// There is more now: this was left behind.
    pub more: Vec<String>,
    /// There is less now: whoever owned it has gone.
    pub less: Vec<String>,
}

impl Snapshot {
    /// Links, network namespaces, BPF programs, maps and links, hugepages, the kernel's settings
    /// that we change, our names in `/run`, `/dev/shm` and the temporary folder, and processes of
    /// runs.
    ///
    /// What another living run has put up, and BPF objects that other programs hold, are not in it.
    ///
    /// # Errors
    /// Without `ip` or `bpftool`, or without the right to see BPF objects.
    pub fn take() -> Result<Self> {
        let me = ProcessId::me()?;
        let others = Others::look()?;
        let mut lines = BTreeSet::new();
        let links: Vec<Value> = serde_json::from_str(&output("ip", &["-json", "link"])?)?;
        for link in links {
            lines.insert(format!("link {} {}", link["ifname"], link["flags"]));
        }

        let ours: BTreeSet<u32> = processes()
            .into_iter()
            .filter(|process| process.run.owner == me || !process.run.owner.alive())
            .map(|process| {
                lines.insert(format!("process {} ({})", process.id.pid, process.command));
                process.id.pid
            })
            .collect();
        lines.extend(bpf::objects(|pid| pid != me.pid && !ours.contains(&pid))?);
        lines.extend(files(&others.names));

        let (total, free) = (meminfo("HugePages_Total")?, meminfo("HugePages_Free")?);
        let rmem = "net.core.rmem_max";
        let numbers = BTreeMap::from([
            ("hugepages", total.saturating_sub(others.hugepages)),
            (
                "hugepages in use",
                total.saturating_sub(free).saturating_sub(others.hugepages),
            ),
            (rmem, sysctl::read(rmem)?),
        ]);
        Ok(Self { lines, numbers })
    }

    /// What is there now and was not, and what was there and is not any more. The kernel frees BPF
    /// objects and namespaces a little later: it is given until `deadline`.
    pub fn difference(&self, deadline: Deadline) -> Result<Difference> {
        let mut difference = Difference::default();
        let settled = until("what was put up to be gone", deadline, || {
            difference = self.to(&Self::take()?);
            Ok(difference.more.is_empty().then_some(()))
        });
        match settled {
            Err(error) if difference.more.is_empty() => Err(error),
            _ => Ok(difference),
        }
    }

    fn to(&self, now: &Self) -> Difference {
        let mut difference = Difference {
            more: now.lines.difference(&self.lines).cloned().collect(),
            less: self.lines.difference(&now.lines).cloned().collect(),
        };
        for (name, after) in &now.numbers {
            let before = self.numbers.get(name).copied().unwrap_or_default();
            let line = format!("{name}: {before}, now {after}");
            match after.cmp(&before) {
                Ordering::Greater => difference.more.push(line),
                Ordering::Less => difference.less.push(line),
                Ordering::Equal => {}
            }
        }
        difference
    }
}

/// Files and folders with names that we, DPDK, libxdp or ip-netns(8) make.
fn files(others: &BTreeSet<String>) -> Vec<String> {
    let temporary = std::env::temp_dir();
    let mut lines = Vec::new();
    for (folder, prefixes) in [
        (Path::new("/run"), &["onair", "xdp", "dpdk", "netns"][..]),
        (Path::new("/run/netns"), &[""]),
        (Path::new("/dev/shm"), &["onair", "dpdk", "rte"]),
        (Path::new("/sys/fs/bpf"), &[""]),
        (temporary.as_path(), &["onair-"]),
    ] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let known = prefixes.iter().any(|prefix| name.starts_with(prefix));
            if known && !others.contains(&name) && !is_libxdp_folder(&entry.path()) {
                lines.push(format!("file {}", entry.path().display()));
            }
        }
    }
    lines
}

/// libxdp makes this folder for the programs that it pins, and leaves it, empty, to the next user.
fn is_libxdp_folder(path: &Path) -> bool {
    path == Path::new("/sys/fs/bpf/xdp")
        && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(lines: &[&str], hugepages: u64) -> Snapshot {
        Snapshot {
            lines: lines.iter().map(ToString::to_string).collect(),
            numbers: BTreeMap::from([("hugepages", hugepages)]),
        }
    }

    #[test]
    fn snapshot_things_and_numbers_change_then_more_and_less() {
        let difference = snapshot(&["a", "b"], 128).to(&snapshot(&["b", "c"], 0));
        assert_eq!(difference.more, ["c"]);
        assert_eq!(difference.less, ["a", "hugepages: 128, now 0"]);
        let difference = snapshot(&[], 0).to(&snapshot(&[], 1));
        assert_eq!(difference.more, ["hugepages: 0, now 1"]);
    }
}
