//! What a process holds of the kernel: descriptors, memory files, threads, entries in BPF maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{threads, wait_for};
use serde_json::Value;

/// Counts that must come back to what they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Open descriptors.
    pub descriptors: usize,
    /// Those of them that are memfds.
    pub memory_files: usize,
    /// Mappings of memfds.
    pub mapped_files: usize,
    /// Threads.
    pub threads: usize,
    /// Entries of its BPF hash maps, by the map's name.
    pub map_entries: BTreeMap<String, usize>,
}

/// Bytes of a process's own memory (`RssAnon` of proc_pid_status(5)).
pub fn own_memory(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:"));
    let kib = line.and_then(|it| it.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kib.context("RssAnon")? * 1024)
}

impl Footprint {
    /// Of process `pid`.
    pub fn of(pid: u32) -> Result<Self> {
        let mut found = Self::default();
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            found.descriptors += 1;
            let target = fs::read_link(entry?.path()).unwrap_or_default();
            found.memory_files += usize::from(target.to_string_lossy().contains("/memfd:onair"));
        }
        found.mapped_files = fs::read_to_string(format!("/proc/{pid}/maps"))?
            .lines()
            .filter(|line| line.contains("/memfd:onair"))
            .count();
        found.threads = threads(pid)?.len();
        found.map_entries = map_entries(pid)?;
        Ok(found)
    }

    /// Waits until process `pid` holds no more than this.
    pub fn wait_regained(&self, pid: u32) -> Result<()> {
        let mut now = Self::default();
        wait_for("it to come down", 10, || {
            now = Self::of(pid)?;
            Ok(now.is_within(self))
        })
        .with_context(|| format!("process {pid} holds {now:?}, and held {self:?}"))
    }

    fn is_within(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors
            && self.memory_files <= before.memory_files
            && self.mapped_files <= before.mapped_files
            && self.threads <= before.threads
            && self
                .map_entries
                .iter()
                .all(|(map, count)| before.map_entries.get(map).is_some_and(|it| count <= it))
    }
}

/// The BPF objects that process `pid` has open, by kind (`prog`, `map`, `link`) and id.
pub fn bpf_objects(pid: u32) -> Result<BTreeSet<(&'static str, u32)>> {
    let mut found = BTreeSet::new();
    for file in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        // A descriptor that was closed meanwhile is none.
        let info = fs::read_to_string(file?.path()).unwrap_or_default();
        for (kind, key) in [
            ("prog", "prog_id:"),
            ("map", "map_id:"),
            ("link", "link_id:"),
        ] {
            let id = info.lines().find_map(|line| line.strip_prefix(key));
            found.extend(id.and_then(|id| Some((kind, id.trim().parse().ok()?))));
        }
    }
    Ok(found)
}

/// Those of `objects` that are still in the kernel.
#[must_use]
pub fn still_there(objects: &BTreeSet<(&'static str, u32)>) -> Vec<(&'static str, u32)> {
    let there = |(kind, id): &&(&str, u32)| bpftool(&[kind, "show", "id", &id.to_string()]).is_ok();
    objects.iter().filter(there).copied().collect()
}

fn map_entries(pid: u32) -> Result<BTreeMap<String, usize>> {
    let mut entries = BTreeMap::new();
    for file in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        // A descriptor that was closed meanwhile is none.
        let info = fs::read_to_string(file?.path()).unwrap_or_default();
        let field = |key: &str| info.lines().find_map(|line| line.strip_prefix(key));
        let Some(id) = field("map_id:") else {
            continue;
        };
        let map = bpftool(&["map", "show", "id", id.trim()])?;
        if map["type"] == "hash" {
            let name = map["name"].as_str().context("name")?.to_owned();
            let dump = bpftool(&["map", "dump", "id", id.trim()])?;
            entries.insert(name, dump.as_array().context("entries")?.len());
        }
    }
    Ok(entries)
}

fn bpftool(arguments: &[&str]) -> Result<Value> {
    let output = Command::new("bpftool")
        .arg("--json")
        .args(arguments)
        .output()
        .context("bpftool")?;
    ensure!(
        output.status.success(),
        "bpftool {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}
