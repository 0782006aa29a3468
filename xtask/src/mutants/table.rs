//! A mutant, and the test that must catch it.

use std::fmt;

use crate::cargo::SYSTEM_TESTS;

/// How the program of a test is built.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Build {
    /// The `test` profile, as in `cargo xtask test`.
    Dev,
    /// `onair-ipc` on loom's atomics.
    Loom,
    /// Whole-system tests, and the programs that they start.
    System,
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dev => "unit and integration tests",
            Self::Loom => "loom",
            Self::System => "whole-system tests",
        })
    }
}

/// A test that must catch a mutant. The last text of each is a filter on the names of tests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    /// Unit tests of a package.
    Unit(&'static str, &'static str),
    /// An integration test of a package: its file.
    File(&'static str, &'static str, &'static str),
    /// `loom_gate`.
    Loom(&'static str),
    /// Lives of the simulator.
    Lives,
    /// A whole-system test: its file and name.
    System(&'static str),
}

impl Test {
    pub(super) fn build(self) -> Build {
        match self {
            Self::Unit(..) | Self::File(..) | Self::Lives => Build::Dev,
            Self::Loom(_) => Build::Loom,
            Self::System(..) => Build::System,
        }
    }

    /// The package, the file, which is `None` for unit tests, and the filter.
    pub(super) fn parts(self) -> (&'static str, Option<&'static str>, &'static str) {
        match self {
            Self::Unit(package, filter) => (package, None, filter),
            Self::File(package, file, filter) => (package, Some(file), filter),
            Self::Loom(filter) => ("onair-ipc", Some("loom_gate"), filter),
            Self::Lives => ("onair-sim", Some("lives"), "lives_of_fixed_seeds"),
            Self::System(filter) => ("onair-tests", Some(SYSTEM_TESTS), filter),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (package, file, filter) = self.parts();
        write!(f, "{package}, {}, {filter}", file.unwrap_or("unit tests"))
    }
}

/// A fault in the product's code, `mutant!("name")` there.
pub(super) struct Mutant {
    pub(super) name: &'static str,
    pub(super) test: Test,
}

/// A part of the table.
macro_rules! mutants {
    ($($name:literal => $test:expr;)+) => {
        pub(super) const ALL: &[$crate::mutants::table::Mutant] = &[
            $($crate::mutants::table::Mutant { name: $name, test: $test },)+
        ];
    };
}
pub(super) use mutants;
