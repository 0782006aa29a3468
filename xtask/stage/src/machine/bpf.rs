//! BPF objects in the kernel, and whose they are.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Result;
use serde_json::Value;

use crate::machine::command::output;

/// What bpftool calls the kinds of objects, and the key under which `/proc/PID/fdinfo/FD` has the
/// id of an open one.
const KINDS: [(&str, &str); 3] = [
    ("prog", "prog_id:"),
    ("map", "map_id:"),
    ("link", "link_id:"),
];

/// Every program, map and link that is not held open by a process for which `foreign` is true: a
/// line each. One that no process holds open (it is pinned, or attached for ever) is among them.
pub(crate) fn objects(foreign: impl Fn(u32) -> bool) -> Result<Vec<String>> {
    let others = held(foreign);
    let mut lines = Vec::new();
    for (kind, _) in KINDS {
        let json = output("bpftool", &["--json", kind, "list"])?;
        // Some versions print nothing at all when there is nothing.
        let list: Vec<Value> = if json.trim().is_empty() {
            Vec::new()
        } else {
            serde_json::from_str(&json)?
        };
        for object in list {
            let id = object["id"].to_string();
            if !others.contains(&(kind, id.clone())) && !is_of_bpftool(&object) {
                let name = object.get("name").unwrap_or(&object["type"]);
                lines.push(format!("bpf {kind} {id} {name}"));
            }
        }
    }
    Ok(lines)
}

/// What the processes for which `chosen` is true hold open, as kind and id.
fn held(chosen: impl Fn(u32) -> bool) -> BTreeSet<(&'static str, String)> {
    let entries = |path: &str| fs::read_dir(path).into_iter().flatten().flatten();
    let mut held = BTreeSet::new();
    for process in entries("/proc") {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if !chosen(pid) {
            continue;
        }
        for file in entries(&format!("/proc/{pid}/fdinfo")) {
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            for (kind, key) in KINDS {
                let id = text.lines().find_map(|line| line.strip_prefix(key));
                held.extend(id.map(|id| (kind, id.trim().to_owned())));
            }
        }
    }
    held
}

/// bpftool loads programs of its own while it lists those of others.
fn is_of_bpftool(object: &Value) -> bool {
    let holders = object["pids"].as_array();
    holders.is_some_and(|pids| pids.iter().any(|pid| pid["comm"] == "bpftool"))
}
