//! `cargo xtask dist --check`: Debian's rules, the package's life, and the demo and the whole-system tests with the
//! programs that ship.

mod container;
mod library;
mod life_cycle;
mod tarball;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use onair_stage::Stage;

use crate::cargo::{Manner, supervised, target};
use crate::dist::{Made, PROGRAMS, copy};
use crate::{clean_up, demo, say, test};

/// A client that takes frames and checks each.
const CLIENT: &str = "onair-verify";
/// What the tests start beside the package's programs.
const TESTS_OWN: [&str; 5] = [
    CLIENT,
    "onair-client",
    "onair-recorder-storm",
    "onair-victim",
    "pipe",
];
/// Below the target folder, where the programs that ship stand beside them.
const FOLDER: &str = "shipped";

/// Checks the packages.
pub(crate) fn run(made: &Made) -> Result<()> {
    let (deb, programs) = (&made.deb, &made.programs);
    say::step("Lintian");
    let done = supervised("lintian", |command| {
        command
            .args(["--allow-root", "--fail-on", "error,warning"])
            .args(["--tag-display-limit", "0"])
            .arg(deb)
            .args(&made.libraries);
    })?;
    ensure!(done.status.success(), "lintian found faults: see above");
    say::good("no error and no warning");

    say::step("The library for C");
    library::run(&made.libraries)?;
    say::step("The library for Rust");
    tarball::run()?;
    say::step("The tests' own programs");
    let tests = beside(programs, &test::whole_system_program(Manner::InFront)?)?;
    let folder = target().join(FOLDER);
    clean_up::report(&onair_stage::take_down_leftovers()?);
    say::step("Life cycle in a container of Debian 12");
    life_cycle::run(deb, &folder.join(CLIENT))?;
    demo::of(&folder)?;
    say::step("Whole-system tests");
    // Beneath those that make namespaces by themselves.
    let stage = Stage::open("tests")?;
    let result = test::whole_system(&tests, false, 1, &[]);
    stage.take_down()?;
    result.map(drop)
}

/// Puts the programs that ship beside those of the tests, in a folder of their own; the program `tests` there.
fn beside(programs: &Path, tests: &Path) -> Result<PathBuf> {
    let folder = target().join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let built = tests.ancestors().nth(2).context("a target folder")?;
    for name in TESTS_OWN {
        copy(&built.join(name), &folder.join(name), 0o755)?;
    }
    for name in PROGRAMS {
        copy(&programs.join(name), &folder.join(name), 0o755)?;
    }
    let own = folder.join("deps/system");
    copy(tests, &own, 0o755)?;
    Ok(own)
}
