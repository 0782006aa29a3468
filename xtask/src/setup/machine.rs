//! What a package cannot bring: the machine and its kernel.

use std::fs;
use std::path::Path;

/// The oldest kernel that is supported: Debian 12's.
const KERNEL: (u32, u32) = (6, 1);

/// Something that the machine has, or has not.
pub(crate) struct Finding {
    /// What it is, with the value that was found.
    pub(crate) what: String,
    /// What to do when it is not as it should be; `None` when it is.
    pub(crate) missing: Option<&'static str>,
}

/// Looks at the machine.
pub(crate) fn findings() -> Vec<Finding> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    let btf = Path::new("/sys/kernel/btf/vmlinux");
    [
        (
            format!("machine {}", std::env::consts::ARCH),
            std::env::consts::ARCH == "x86_64",
            "OnAir runs on x86-64 only",
        ),
        (
            format!("kernel {release}"),
            version(release).is_some_and(|found| found >= KERNEL),
            "Linux 6.1 or newer is needed (Debian 12 has it)",
        ),
        (
            format!("user id {}", rustix::process::geteuid().as_raw()),
            rustix::process::geteuid().is_root(),
            "namespaces, hugepages, AF_XDP and BPF need root: run this as root",
        ),
        (
            format!("kernel types in {}", btf.display()),
            btf.exists(),
            "the probe needs a kernel with CONFIG_DEBUG_INFO_BTF=y, and /sys mounted",
        ),
    ]
    .into_iter()
    .map(|(what, good, advice)| Finding {
        what,
        missing: (!good).then_some(advice),
    })
    .collect()
}

/// Whether packages can be installed with apt here: `None`, or what this is instead.
pub(crate) fn not_debian() -> Option<String> {
    if Path::new("/usr/bin/apt-get").exists() && Path::new("/usr/bin/dpkg-query").exists() {
        return None;
    }
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    Some(
        os.lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))
            .map_or_else(
                || "an unknown system".to_owned(),
                |name| name.trim_matches('"').to_owned(),
            ),
    )
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_of_releases_then_compared_as_numbers() {
        assert_eq!(version("6.1.0-28-amd64"), Some((6, 1)));
        assert!(version("6.18.5") > version("6.2.0"));
        assert!(version("5.19.0-rc1") < Some(KERNEL));
        assert_eq!(version("x"), None);
    }
}
