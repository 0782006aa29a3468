//! The Debian packages, each with its reason: the one list.

use std::sync::LazyLock;

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
    needed(&PACKAGES, purposes).collect()
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

/// Packages that are only unpacked below `target`. Installed, the first two would start a service, and the last
/// brings some 200 packages: every driver, and what each of them is built with.
pub(crate) const UNPACKED: &[Package] = &[
    package("prometheus", "test: raises the alerts that ship"),
    package(
        "openssh-server",
        "test: a host that onairctl reaches by ssh",
    ),
    package("libdpdk-dev", "demo: DPDK's headers"),
];

/// All that is needed beyond what rustup needs, in the order of the build. [`Purpose`] reads the reasons.
pub(crate) static PACKAGES: LazyLock<Vec<Package>> =
    LazyLock::new(|| include_str!("packages.txt").lines().map(listed).collect());

/// A package of the list: its name, `|` and its later name where a version is in it, and the reason.
fn listed(line: &'static str) -> Package {
    let (name, reason) = line.split_once(' ').expect("a name and a reason");
    let (name, later) = match name.split_once('|') {
        Some((name, later)) => (name, Some(later)),
        None => (name, None),
    };
    Package {
        name,
        later,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn packages_are_listed_once_each_for_a_known_purpose() {
        let names: BTreeSet<_> = PACKAGES.iter().map(|package| package.name).collect();
        assert_eq!(names.len(), PACKAGES.len());
        for package in PACKAGES.iter() {
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
