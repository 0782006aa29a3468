//! `cargo xtask test`: everything that must hold, in the order in which it fails fastest.

use std::fs;

use anyhow::Result;

use crate::cargo::{cargo, cargo_with, root};
use crate::say::{self, Times};
use crate::{clean_up, lint, setup};

/// Lints, then runs the unit tests, the model checks and the whole-system tests
///
/// The unit tests and clippy use the `dev` profile, where arithmetic that overflows panics. The
/// whole-system tests use the same `release` programs as the demo. So each of the two profiles is
/// built once.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask test               all of it
  cargo xtask test --fast        all but the model checks
  cargo xtask test stop destroy  only tests with `stop` or `destroy` in their names; no lint, no models")]
pub(crate) struct Arguments {
    /// Leave out the model checks
    #[arg(long)]
    fast: bool,
    /// Only tests that have one of these in their names
    filters: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut times = Times::default();
    let result = steps(arguments, &mut times);
    times.summary();
    result?;
    say::good("all tests passed");
    Ok(())
}

fn steps(arguments: &Arguments, times: &mut Times) -> Result<()> {
    let all = arguments.filters.is_empty();
    setup::when_missing()?;
    clean_up::report(&onair_stage::take_down_leftovers()?);
    if all {
        times.step("Lint", || lint::run(&lint::Arguments {}))?;
    }
    let filtered = |base: &[&str], test_options: &[&str]| {
        let line: Vec<_> = base
            .iter()
            .copied()
            .chain(["--"])
            .chain(test_options.iter().copied())
            .chain(arguments.filters.iter().map(String::as_str))
            .map(str::to_owned)
            .collect();
        let line: Vec<_> = line.iter().map(String::as_str).collect();
        cargo(&line)
    };
    times.step("Unit tests", || {
        filtered(&["test", "--workspace", "--exclude", "onair-tests"], &[])
    })?;
    if all && !arguments.fast && has_loom_tests() {
        times.step("Model checks", loom)?;
    }
    times.step("Programs", || cargo(PROGRAMS))?;
    times.step("Whole-system tests", || {
        // One at a time: each has the machine's cores and the probe to itself.
        filtered(
            &["test", "--release", "--package", "onair-tests"],
            &["--test-threads", "1"],
        )
    })
}

/// Everything that a whole-system test starts.
const PROGRAMS: &[&str] = &[
    "build",
    "--release",
    "--bins",
    "--package",
    "onaird",
    "--package",
    "onairctl",
    "--package",
    "onair-waiters",
    "--package",
    "onair-tests",
];

fn has_loom_tests() -> bool {
    fs::read_dir(root().join("userspace/ipc/tests")).is_ok_and(|mut files| {
        files.any(|file| {
            file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("loom"))
        })
    })
}

/// In a target folder of its own: the flag would otherwise rebuild everything twice.
fn loom() -> Result<()> {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let target = format!("{target}/loom");
    cargo_with(
        &[
            "test",
            "--release",
            "--package",
            "onair-ipc",
            "--test",
            "loom_*",
            "--target-dir",
            &target,
        ],
        &[("RUSTFLAGS", "--cfg loom")],
    )
}
