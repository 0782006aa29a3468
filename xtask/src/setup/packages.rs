//! The Debian packages, each with its reason: the one list.

/// A package and what it is for.
#[derive(Clone, Copy)]
pub(crate) struct Package {
    /// Its name in Debian 12.
    pub(crate) name: &'static str,
    /// Its name where that one is gone.
    pub(crate) later: Option<&'static str>,
    /// What needs it.
    pub(crate) reason: &'static str,
}

const fn package(name: &'static str, reason: &'static str) -> Package {
    Package {
        name,
        later: None,
        reason,
    }
}

/// A package with a version in its name, and the one without.
const fn versioned(name: &'static str, later: &'static str, reason: &'static str) -> Package {
    Package {
        name,
        later: Some(later),
        reason,
    }
}

/// All that is needed beyond what rustup needs, in the order of the build.
pub(crate) const PACKAGES: &[Package] = &[
    package(
        "gcc",
        "build: the C shim of dpdk-sys, libbpf inside onair-waiters",
    ),
    package("binutils", "dist: strip"),
    package("dpkg-dev", "dist: what the programs depend on"),
    package(
        "lowdown",
        "dist: the manual page of the configuration from docs/configuration.md",
    ),
    package("xz-utils", "dist: the tarball"),
    package("make", "build: libbpf inside onair-waiters"),
    package("pkg-config", "build: finds DPDK and libelf"),
    package(
        "libdpdk-dev",
        "build and run: DPDK, its headers and all its drivers",
    ),
    versioned(
        "libclang-14-dev",
        "libclang-dev",
        "build: bindgen reads DPDK's headers",
    ),
    versioned("clang-14", "clang", "build: compiles the BPF program"),
    package("libbpf-dev", "build: headers of the BPF program"),
    package("libelf-dev", "build: libbpf inside onair-waiters"),
    package("zlib1g-dev", "build: libbpf inside onair-waiters"),
    package(
        "iproute2",
        "demo and tests: network namespaces and veth pairs",
    ),
    package(
        "bpftool",
        "demo and tests: which BPF objects are there, before and after",
    ),
    package(
        "curl",
        "tests: a client of the control socket that is not ours",
    ),
    package(
        "valgrind",
        "tests: memory that is lost or used wrongly, where DPDK is not needed",
    ),
    package("tshark", "tests: a reader of packets that is not ours"),
    package(
        "wireshark-common",
        "tests: capinfos, which counts the packets of a recording",
    ),
    package(
        "ffmpeg",
        "tests: a reader of recorded video that is not ours",
    ),
    package(
        "linuxptp",
        "tests: ptp4l, the PTP clock of a plant, which is not ours",
    ),
    package("mount", "tests: file systems of a test's own"),
    package(
        "strace",
        "tests: the order of what is written, synced and answered",
    ),
    package(
        "e2fsprogs",
        "tests: a disk of a test's own, which hangs or fails",
    ),
    package(
        "dpdk-dev",
        "bench: dpdk-testpmd, beside which packets are counted",
    ),
    package("gstreamer1.0-tools", "tests: a sender that is not ours"),
    package("gstreamer1.0-plugins-base", "tests: videotestsrc"),
    package(
        "gstreamer1.0-plugins-good",
        "tests, bench: udpsrc, rtpvrawdepay and back",
    ),
];

/// What `cargo xtask vm` needs beyond that, for `--vm`.
pub(crate) const VM_PACKAGES: &[Package] = &[
    package("qemu-system-x86", "vm: runs the machine"),
    package("mmdebstrap", "vm: builds its root image"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn packages_listed_then_each_once_with_a_reason() {
        let all = [PACKAGES, VM_PACKAGES].concat();
        let names: BTreeSet<_> = all.iter().map(|package| package.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|package| package.reason.contains(": ")));
    }
}
