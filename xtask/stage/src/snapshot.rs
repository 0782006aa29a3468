//! What a run could leave on the machine, before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::bpf;
use crate::command::output;
use crate::hugepages::meminfo;
use crate::leftovers::processes;
use crate::process::ProcessId;
use crate::record::names_of_others;
use crate::sysctl;
use crate::until::{Deadline, until};

/// One line for each thing that is there and does not belong to somebody else who lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    lines: BTreeSet<String>,
}

impl Snapshot {
    /// Links, network namespaces, BPF programs, maps and links, hugepages, the kernel's settings
    /// that we change, our names in `/run`, `/dev/shm` and the temporary folder, and processes of
    /// runs.
    ///
    /// What another living run has put up, and BPF objects that strangers hold, are not in it.
    ///
    /// # Errors
    /// Without `ip` or `bpftool`, or without the right to see BPF objects.
    pub fn take() -> Result<Self> {
        let me = ProcessId::me()?;
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

        let (total, free) = (meminfo("HugePages_Total")?, meminfo("HugePages_Free")?);
        lines.insert(format!("hugepages {total}"));
        lines.insert(format!("hugepages in use {}", total.saturating_sub(free)));
        let rmem = "net.core.rmem_max";
        lines.insert(format!("{rmem} {}", sysctl::read(rmem)?));
        lines.extend(files()?);
        Ok(Self { lines })
    }

    /// What is there now and was not, with `+`, and what was there and is not, with `-`. The kernel
    /// frees BPF objects and namespaces a little later: it is given until `deadline`.
    ///
    /// # Errors
    /// As [`Snapshot::take`].
    pub fn difference(&self, deadline: Deadline) -> Result<Vec<String>> {
        let mut difference = Vec::new();
        let settled = until("what was put up to be gone", deadline, || {
            let now = Self::take()?;
            let more = now
                .lines
                .difference(&self.lines)
                .map(|line| format!("+ {line}"));
            let less = self
                .lines
                .difference(&now.lines)
                .map(|line| format!("- {line}"));
            difference = more.chain(less).collect();
            Ok(difference.is_empty().then_some(()))
        });
        match settled {
            Err(error) if difference.is_empty() => Err(error),
            _ => Ok(difference),
        }
    }
}

/// Files and folders with names that we, DPDK, libxdp or ip-netns(8) make.
fn files() -> Result<Vec<String>> {
    let others = names_of_others()?;
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
            if known && !others.contains(&name) {
                lines.push(format!("file {}", folder.join(name).display()));
            }
        }
    }
    Ok(lines)
}
