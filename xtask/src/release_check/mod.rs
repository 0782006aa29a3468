//! `cargo xtask dist --check`: Debian's rules, the packages' life and users, and the demo and the whole-system tests with
//! the programs that ship.

mod again;
mod beside;
mod built_there;
mod clients;
mod container;
mod life_cycle;
mod node;
mod role;
mod tarball;
mod wall;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use onair_stage::Stage;

use crate::cargo::{Manner, supervised, target};
use crate::dist::{BUILT_LIBRARIES, Made, PROGRAMS, Step, copy};
use crate::vm::image::SUITE;
use crate::{clean_up, demo, python, say, test};
use container::Container;

/// A client that takes frames and checks each.
const CLIENT: &str = "onair-verify";
/// What the tests start beside the package's programs.
const TESTS_OWN: [&str; 4] = [
    CLIENT,
    "onair-client",
    "onair-recorder-storm",
    "onair-victim",
];
/// Below the target folder, where the programs that ship stand beside them.
const FOLDER: &str = "shipped";
/// The release after the one that builds the packages.
const LATER: &str = "trixie";

/// Checks the packages: these `steps` of it, or all if there are none.
pub(crate) fn run(made: &Made, steps: &[Step]) -> Result<()> {
    let asks_for = |step| steps.is_empty() || steps.contains(&step);
    if asks_for(Step::Lintian) {
        lintian(made)?;
    }
    if asks_for(Step::Again) {
        say::step("The same commit, built again in another folder");
        again::run(made)?;
    }
    if asks_for(Step::Crates) {
        say::step("The library for Rust");
        tarball::run()?;
    }
    if asks_for(Step::Clients) {
        say::step("Packages of the libraries in a container of Debian 13");
        clients::run(&Container::boot(LATER, &made.libraries)?, made, None)?;
        say::good(
            "the examples and a program of MTL's calls compile; GStreamer and Python load the others",
        );
    }
    if ![Step::LifeCycle, Step::Later, Step::Demo, Step::Tests]
        .into_iter()
        .any(asks_for)
    {
        return Ok(());
    }
    say::step("The tests' own programs");
    let tests = beside(made, &test::whole_system_program(Manner::InFront)?)?;
    let folder = target().join(FOLDER);
    clean_up::report(&onair_stage::take_down_leftovers()?);
    if asks_for(Step::LifeCycle) {
        say::step("Life cycle in a container of Debian 12");
        life_cycle::run(SUITE, made, &folder.join(CLIENT))?;
    }
    if asks_for(Step::Later) {
        say::step("The package built on Debian 13, and its life cycle there");
        let made = built_there::run(LATER, made)?;
        life_cycle::run(LATER, &made, &folder.join(CLIENT))?;
    }
    if asks_for(Step::Demo) {
        demo::of(&folder)?;
    }
    if asks_for(Step::Tests) {
        say::step("Whole-system tests");
        let wheel = made.wheel.as_ref().context("the check has a wheel")?;
        python::install_wheel(Manner::InFront, wheel)?;
        // Beneath those that make namespaces by themselves.
        let stage = Stage::open("tests")?;
        let result = test::WholeSystem::new(&tests, false, &[]).and_then(|it| it.alone());
        stage.take_down()?;
        result?;
    }
    Ok(())
}

fn lintian(made: &Made) -> Result<()> {
    say::step("Lintian");
    let done = supervised("lintian", |command| {
        command
            .args(["--allow-root", "--fail-on", "error,warning"])
            .args(["--tag-display-limit", "0"])
            .args(made.packages());
    })?;
    ensure!(done.status.success(), "lintian found faults: see above");
    say::good("no error and no warning");
    Ok(())
}

/// Puts what ships beside the tests' own programs, in a folder of their own; the program `tests` there.
fn beside(made: &Made, tests: &Path) -> Result<PathBuf> {
    let folder = target().join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let built = tests.ancestors().nth(2).context("a target folder")?;
    for name in TESTS_OWN {
        copy(&built.join(name), &folder.join(name), 0o755)?;
    }
    for name in PROGRAMS {
        copy(&made.programs.join(name), &folder.join(name), 0o755)?;
    }
    for name in BUILT_LIBRARIES {
        copy(
            &made.programs.join(name),
            &folder.join("deps").join(name),
            0o644,
        )?;
    }
    let own = folder.join("deps/system");
    copy(tests, &own, 0o755)?;
    Ok(own)
}
