//! Hugepages and limits.

use onair_dpdk::Hugepages;
use onair_settings::config::Config;
use rustix::process::{Resource, getrlimit};
use rustix::thread::{CapabilitySet, capabilities};

use super::finding::Finding;
use super::host::Host;

/// Descriptors that the daemon may need: `LimitNOFILE` of the packaged unit.
const DESCRIPTORS: u64 = 65_536;

pub(super) fn check(host: &Host, config: &Config) -> Vec<Finding> {
    vec![hugepages(host, config), descriptors(), locked_memory()]
}

/// Free memory in hugepages of all sizes, in MB, node by node.
fn free_by_node(host: &Host) -> Vec<(String, u64)> {
    let nodes = host.names("sys/devices/system/node").into_iter();
    let nodes = nodes.filter(|name| name.starts_with("node"));
    nodes
        .map(|node| {
            let folder = format!("sys/devices/system/node/{node}/hugepages");
            let free = |size: &String| {
                let kb: u64 = size
                    .strip_prefix("hugepages-")?
                    .strip_suffix("kB")?
                    .parse()
                    .ok()?;
                Some(host.number(&format!("{folder}/{size}/free_hugepages"))? * kb / 1024)
            };
            let free = host.names(&folder).iter().filter_map(free).sum();
            (node, free)
        })
        .collect()
}

fn hugepages(host: &Host, config: &Config) -> Finding {
    let check = "hugepages";
    let nodes = free_by_node(host);
    let free: u64 = nodes.iter().map(|(_, free)| free).sum();
    let needed = u64::from(config.dpdk.memory_mb);
    let found: Vec<_> = nodes
        .iter()
        .map(|(node, free)| format!("{node} {free} MB free"))
        .collect();
    let found = format!("{}; dpdk.memory_mb is {needed}", found.join(", "));
    if free >= needed || config.dpdk.hugepages == Hugepages::Never {
        return Finding::ok(check, found);
    }
    let finding = if config.dpdk.hugepages == Hugepages::Require {
        Finding::fail(check, found)
    } else {
        Finding::warning(check, found)
    };
    let pages = needed.div_ceil(2);
    finding.because(
        "without hugepages DPDK's memory is slower",
        format!("sysctl -w vm.nr_hugepages={pages} (a daemon that runs already has its own)"),
    )
}

fn descriptors() -> Finding {
    let check = "open files";
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if limit >= DESCRIPTORS {
        return Finding::ok(check, format!("at most {limit}"));
    }
    Finding::warning(check, format!("at most {limit}")).because(
        "the daemon keeps some descriptors for each client",
        format!("ulimit -n {DESCRIPTORS}, or LimitNOFILE={DESCRIPTORS} in the unit"),
    )
}

fn locked_memory() -> Finding {
    let check = "locked memory";
    let may_lock =
        capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::IPC_LOCK));
    match getrlimit(Resource::Memlock).current {
        None => Finding::ok(check, "unlimited"),
        Some(_) if may_lock => Finding::ok(check, "unlimited with CAP_IPC_LOCK"),
        Some(limit) => Finding::warning(check, format!("at most {} kB", limit / 1024)).because(
            "DPDK and AF_XDP lock the memory of packets",
            "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::finding::Level::{Fail, Ok, Warning};
    use super::*;

    #[test]
    fn too_few_hugepages_are_a_warning_or_a_failure_as_configured() {
        let folder = tempfile::tempdir().unwrap();
        for (node, size, free) in [(0, 2048, 10), (0, 1_048_576, 0), (1, 2048, 90)] {
            let path = format!("sys/devices/system/node/node{node}/hugepages/hugepages-{size}kB");
            let path = folder.path().join(path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("free_hugepages"), format!("{free}\n")).unwrap();
        }
        let host = Host::at(folder.path());
        let level = |policy: &str, memory_mb: u32| {
            let text = format!("[dpdk]\nhugepages=\"{policy}\"\nmemory_mb={memory_mb}");
            hugepages(&host, &toml::from_str(&text).unwrap()).level
        };
        assert_eq!(level("require", 200), Ok);
        assert_eq!(level("require", 201), Fail);
        assert_eq!(level("auto", 201), Warning);
        assert_eq!(level("never", 201), Ok);
    }
}
