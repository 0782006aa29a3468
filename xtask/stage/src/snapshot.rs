//! What a run could leave on the machine, before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::command::output;
use crate::hugepages::meminfo;
use crate::leftovers::processes;
use crate::sysctl;
use crate::until::{Deadline, until};

/// One line for each thing that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    lines: BTreeSet<String>,
}

impl Snapshot {
    /// Links, network namespaces, BPF programs, maps and links, hugepages, the kernel's settings
    /// that we change, our names in `/run`, `/dev/shm` and the temporary folder, and processes of
    /// runs.
    ///
    /// # Errors
    /// Without `ip` or `bpftool`, or without the right to see BPF objects.
    pub fn take() -> Result<Self> {
        let mut lines = BTreeSet::new();
        for link in array(&output("ip", &["-json", "link"])?)? {
            lines.insert(format!("link {} {}", link["ifname"], link["flags"]));
        }
        for kind in ["prog", "map", "link"] {
            for object in array(&output("bpftool", &["--json", kind, "list"])?)? {
                if !is_of_bpftool(&object) {
                    let name = object.get("name").unwrap_or(&object["type"]);
                    lines.insert(format!("bpf {kind} {} {name}", object["id"]));
                }
            }
        }
        lines.insert(format!("hugepages {}", meminfo("HugePages_Total")?));
        lines.insert(format!(
            "hugepages in use {}",
            meminfo("HugePages_Total")? - meminfo("HugePages_Free")?
        ));
        let rmem = "net.core.rmem_max";
        lines.insert(format!("{rmem} {}", sysctl::read(rmem)?));
        let temporary = std::env::temp_dir();
        for (folder, ours) in [
            (Path::new("/run"), &["onair", "xdp", "dpdk", "netns"][..]),
            (Path::new("/run/netns"), &[""]),
            (Path::new("/run/onair-xtask"), &[""]),
            (Path::new("/dev/shm"), &["onair", "dpdk", "rte"]),
            (Path::new("/sys/fs/bpf"), &[""]),
            (temporary.as_path(), &["onair"]),
        ] {
            for name in names(folder) {
                if ours.iter().any(|prefix| name.starts_with(prefix)) {
                    lines.insert(format!("file {}", folder.join(name).display()));
                }
            }
        }
        for process in processes() {
            lines.insert(format!("process {} ({})", process.id.pid, process.command));
        }
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

/// bpftool loads programs of its own while it lists those of others.
fn is_of_bpftool(object: &Value) -> bool {
    let holders = object["pids"].as_array();
    holders.is_some_and(|pids| pids.iter().any(|pid| pid["comm"] == "bpftool"))
}

fn array(json: &str) -> Result<Vec<Value>> {
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    Ok(serde_json::from_str(json)?)
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}
