//! Processes that still have files of removed flows mapped: their memory stays in use until they let go.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A process and a removed flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dead {
    /// The process.
    pub process: u32,
    /// Its name.
    pub name: String,
    /// The flow, as its folder is called.
    pub flow: String,
    /// Bytes that it keeps.
    pub bytes: u64,
}

/// Those of a domain, of the processes that this one may look at (/proc/PID/maps); not itself.
#[must_use]
pub fn dead_maps(domain: &Path) -> Vec<Dead> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id();
    let mut all = Vec::new();
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(process) = name.to_str().and_then(|it| it.parse().ok()) else {
            continue;
        };
        if process == own {
            continue;
        }
        let Ok(maps) = fs::read_to_string(format!("/proc/{process}/maps")) else {
            continue;
        };
        let flows = of_maps(&maps, domain);
        all.extend(flows.into_iter().map(|(flow, bytes)| Dead {
            process,
            name: super::flow_lock::comm(process),
            flow,
            bytes,
        }));
    }
    all
}

/// Removed flows in the mappings of a process, with the bytes that are mapped.
fn of_maps(maps: &str, domain: &Path) -> BTreeMap<String, u64> {
    let mut flows = BTreeMap::new();
    for line in maps.lines() {
        // 7f0000000000-7f0000001000 r--s 00000000 00:1a 42      /dev/shm/mxl/ID.mxl-flow/data (deleted)
        let Some(path) = line
            .strip_suffix(" (deleted)")
            .and_then(|it| it.find('/').map(|at| &it[at..]))
        else {
            continue;
        };
        let Ok(within) = Path::new(path).strip_prefix(domain) else {
            continue;
        };
        let Some(flow) = within.iter().next().and_then(|it| it.to_str()) else {
            continue;
        };
        if !flow.contains(".mxl-flow") && !flow.contains(".onair-") {
            continue;
        }
        let bytes = line.split_once(' ').and_then(|(range, _)| {
            let (start, end) = range.split_once('-')?;
            let number = |it| u64::from_str_radix(it, 16).ok();
            number(end)?.checked_sub(number(start)?)
        });
        *flows.entry(flow.to_owned()).or_default() += bytes.unwrap_or(0);
    }
    flows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_with_files_of_removed_flows_then_those_of_the_domain() {
        let maps = "\
7f0000000000-7f0000001000 r--s 00000000 00:1a 42      /d/m x/a.mxl-flow/data (deleted)
7f0000002000-7f0000004000 r--s 00000000 00:1a 43      /d/m x/a.mxl-flow/grains/data.0 (deleted)
7f0000005000-7f0000006000 r--s 00000000 00:1a 44      /d/m x/b.mxl-flow/data
7f0000007000-7f0000008000 r--s 00000000 00:1a 45      /d/other/c.mxl-flow/data (deleted)
7f0000009000-7f000000a000 rw-p 00000000 00:00 0
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]
zz-1 r--s 0 0 0 /d/m x/e.mxl-flow/data (deleted)";
        let flows = of_maps(maps, Path::new("/d/m x"));
        let expected = [
            ("a.mxl-flow".to_owned(), 0x3000),
            ("e.mxl-flow".to_owned(), 0),
        ];
        assert_eq!(flows, BTreeMap::from(expected));
    }
}
