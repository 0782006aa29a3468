//! The Debian packages, each with its reason: the one list.

use clap::ValueEnum;

/// A package and what it is for.
#[derive(Clone, Copy)]
pub(crate) struct Package {
    /// Its name in Debian 12.
    pub(crate) name: &'static str,
    /// Its name where that one is gone.
    pub(crate) later: Option<&'static str>,
    /// The purposes that need it, and then what each needs it for.
    pub(crate) reason: &'static str,
}

/// What a machine is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// `cargo xtask demo`, and building the programs
    Demo,
    /// `cargo xtask test`
    Test,
    /// `cargo xtask bench`
    Bench,
    /// `cargo xtask dist`
    Dist,
    /// `cargo xtask dist --check`
    Check,
    /// Only starting programs that were built elsewhere
    Run,
    /// `cargo xtask vm`
    Vm,
}

impl Purpose {
    /// Words with which the reason of a package that it needs begins.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Demo => &["build", "demo"],
            // A test builds, plays the demo, and makes a package.
            Self::Test => &["build", "demo", "test", "dist"],
            Self::Bench => &["build", "demo", "bench"],
            Self::Dist => &["build", "dist"],
            Self::Check => &["build", "demo", "test", "dist", "check"],
            Self::Run => &["run"],
            Self::Vm => &["vm"],
        }
    }
}

impl Package {
    /// Whether the purpose needs it.
    pub(crate) fn is_for(&self, purpose: Purpose) -> bool {
        let (purposes, _) = self.reason.split_once(": ").unwrap_or_default();
        let mut own = purposes.split(", ");
        own.any(|own| purpose.words().contains(&own))
    }
}

/// The packages that one of the purposes needs, in the order of the list.
pub(crate) fn packages_for(purposes: &[Purpose]) -> Vec<Package> {
    needed(PACKAGES, purposes).collect()
}

/// Those of `packages` that one of the purposes needs.
pub(crate) fn needed(
    packages: &'static [Package],
    purposes: &[Purpose],
) -> impl Iterator<Item = Package> {
    let is_needed = |package: &Package| purposes.iter().any(|it| package.is_for(*it));
    packages.iter().copied().filter(is_needed)
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

/// Packages that are only unpacked below `target`. Installed, the first would start a service, and the second
/// brings some 200 packages: every driver, and what each of them is built with.
pub(crate) const UNPACKED: &[Package] = &[
    package("prometheus", "test: raises the alerts that ship"),
    package("libdpdk-dev", "demo: DPDK's headers"),
];

/// All that is needed beyond what rustup needs, in the order of the build. [`Purpose`] reads the reasons.
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
    package("gnupg", "dist: signs the checksums"),
    package("make", "build: libbpf inside onair-waiters"),
    package("pkg-config", "build: finds DPDK and libelf"),
    package(
        "libdpdk-dev",
        "test, bench, dist: DPDK, its headers and all its drivers",
    ),
    package("libbsd-dev", "build: DPDK's headers include its own"),
    versioned(
        "clang-14",
        "clang",
        "build: compiles the BPF program; bindgen reads DPDK's headers with its library",
    ),
    package("libbpf-dev", "build: headers of the BPF program"),
    package("libelf-dev", "build: libbpf inside onair-waiters"),
    package("zlib1g-dev", "build: libbpf inside onair-waiters"),
    package("iproute2", "demo, test: network namespaces and veth pairs"),
    versioned(
        "librte-net-af-xdp23",
        "librte-net-af-xdp25",
        "demo: DPDK, and its driver for AF_XDP",
    ),
    versioned(
        "librte-net-af-packet23",
        "librte-net-af-packet25",
        "demo: DPDK's driver for AF_PACKET",
    ),
    versioned(
        "librte-net-ring23",
        "librte-net-ring25",
        "demo: DPDK's ports in memory",
    ),
    versioned(
        "librte-mempool-ring23",
        "librte-mempool-ring25",
        "demo: DPDK's memory pools",
    ),
    package(
        "bpftool",
        "demo, test: which BPF objects are there, before and after",
    ),
    package(
        "curl",
        "test: a client of the control socket that is not ours",
    ),
    package(
        "valgrind",
        "test: memory that is lost or used wrongly, where DPDK is not needed",
    ),
    package("tshark", "test: a reader of packets that is not ours"),
    package(
        "wireshark-common",
        "test: capinfos, which counts the packets of a recording",
    ),
    package(
        "ffmpeg",
        "test: a reader of recorded video that is not ours",
    ),
    package(
        "linuxptp",
        "test: ptp4l, the PTP clock of a plant, which is not ours",
    ),
    package("mount", "test: file systems of a test's own"),
    package(
        "strace",
        "test: the order of what is written, synced and answered",
    ),
    package(
        "e2fsprogs",
        "test: a disk of a test's own, which hangs or fails",
    ),
    package(
        "dpdk-dev",
        "bench: dpdk-testpmd, beside which packets are counted",
    ),
    package("gstreamer1.0-tools", "test: a sender that is not ours"),
    package("gstreamer1.0-plugins-base", "test: videotestsrc"),
    package(
        "gstreamer1.0-plugins-good",
        "test, bench: udpsrc, rtpvrawdepay and back",
    ),
    package("librte-meta-net", "run: DPDK and its network drivers"),
    package("librte-meta-mempool", "run: DPDK's memory pools"),
    package("librte-meta-bus", "run: DPDK's buses, PCI among them"),
    package("qemu-system-x86", "vm: runs the machine"),
    package("mmdebstrap", "vm, check: builds roots of Debian"),
    package("lintian", "check: Debian's rules for packages"),
    package(
        "systemd-container",
        "check: systemd-nspawn, in which the package lives and dies",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn packages_are_listed_once_each_for_a_known_purpose() {
        let names: BTreeSet<_> = PACKAGES.iter().map(|package| package.name).collect();
        assert_eq!(names.len(), PACKAGES.len());
        for package in PACKAGES {
            let purposes = Purpose::value_variants();
            assert!(
                purposes.iter().any(|it| package.is_for(*it)),
                "{}: {}",
                package.name,
                package.reason
            );
        }
    }

    #[test]
    fn demo_needs_no_third_party_tools_and_a_test_all_of_them() {
        let names = |purpose| {
            let packages = packages_for(&[purpose]).into_iter();
            packages.map(|it| it.name).collect::<BTreeSet<_>>()
        };
        let (demo, test) = (names(Purpose::Demo), names(Purpose::Test));
        assert!(demo.is_subset(&test));
        for tool in ["ffmpeg", "tshark", "libdpdk-dev", "valgrind"] {
            assert!(test.contains(tool) && !demo.contains(tool), "{tool}");
        }
        assert!(!names(Purpose::Run).contains("libdpdk-dev"));
    }
}
