//! What a process holds of the kernel: descriptors, memory files, entries in BPF maps.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
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
    /// Entries of its BPF hash maps, by the map's name.
    pub map_entries: BTreeMap<String, usize>,
}

impl Footprint {
    /// Of process `pid`.
    ///
    /// # Errors
    /// When it has ended, or `bpftool` does not work.
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
        found.map_entries = map_entries(pid)?;
        Ok(found)
    }
}

fn map_entries(pid: u32) -> Result<BTreeMap<String, usize>> {
    let maps = bpftool(&["map", "show"])?;
    let mut entries = BTreeMap::new();
    for map in maps.as_array().context("bpftool map show")? {
        let is_its = map["pids"]
            .as_array()
            .is_some_and(|pids| pids.iter().any(|user| user["pid"] == pid));
        if !is_its || map["type"] != "hash" {
            continue;
        }
        let name = map["name"].as_str().context("name")?.to_owned();
        let dump = bpftool(&["map", "dump", "id", &map["id"].to_string()])?;
        entries.insert(name, dump.as_array().map_or(0, Vec::len));
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
