//! `cargo xtask mutants`: breaks the gate and the daemon's end on purpose, one step at a time, and expects
//! a test to go red.
//!
//! Each mutant is one change of the product's own code, made in a copy of the tree. What passes here
//! is a step that nothing holds. Not part of `cargo xtask test`: it builds the crate once for each.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo::root;
use crate::say;

/// Breaks the gate and the daemon's end on purpose, one step at a time, and expects a test to go red each time
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask mutants              all of them: about half an hour on two cores
  cargo xtask mutants ack barrier  only those with one of these in their names
  cargo xtask mutants --list       what there is, and which test is expected to notice")]
pub(crate) struct Arguments {
    /// Only list them
    #[arg(long)]
    list: bool,
    /// Only mutants that have one of these in their names
    filters: Vec<String>,
}

/// How a mutant is expected to be noticed.
#[derive(Clone, Copy)]
enum Test {
    /// Unit tests of a package.
    Unit(&'static str, &'static str),
    /// An integration test of a package: its file, and a filter.
    File(&'static str, &'static str, &'static str),
    /// An integration test of `onair-ipc` on real shared memory: file and filter.
    Words(&'static str, &'static str),
    /// The crate's words under loom.
    Loom(&'static str),
    /// The crate's code under shuttle.
    Shuttle(&'static str),
}

impl Test {
    /// The command, without `cargo`, and the checker whose words it needs.
    fn command(self) -> (Vec<&'static str>, Option<&'static str>) {
        let ipc = |file, filter| vec!["test", "-p", "onair-ipc", "--test", file, "--", filter];
        let released = |file, filter| {
            vec![
                "test",
                "--release",
                "-p",
                "onair-ipc",
                "--test",
                file,
                "--",
                filter,
            ]
        };
        match self {
            Self::Unit(package, filter) => {
                (vec!["test", "-p", package, "--lib", "--", filter], None)
            }
            Self::File(package, file, filter) => (
                vec!["test", "-p", package, "--test", file, "--", filter],
                None,
            ),
            Self::Words(file, filter) => (ipc(file, filter), None),
            Self::Loom(filter) => (released("loom_gate", filter), Some("loom")),
            Self::Shuttle(filter) => (released("shuttle_gate", filter), Some("shuttle")),
        }
    }
}

/// One change of the product.
struct Mutant {
    name: &'static str,
    file: &'static str,
    /// Stands in the file exactly once.
    from: &'static str,
    to: &'static str,
    test: Test,
}

impl Mutant {
    /// The file that it changes, as it is in `tree`. Fails if the code is no longer as it expects it.
    fn original(&self, tree: &Path) -> Result<String> {
        let text = fs::read_to_string(tree.join(self.file))?;
        ensure!(
            text.matches(self.from).count() == 1,
            "{}: {} does not contain this once any more: {}",
            self.name,
            self.file,
            self.from
        );
        Ok(text)
    }
}

macro_rules! mutants {
    ($($name:literal in $file:literal: $from:literal => $to:literal, $test:expr;)+) => {
        pub(super) const ALL: &[$crate::mutants::Mutant] = &[$($crate::mutants::Mutant {
            name: $name,
            file: $file,
            from: $from,
            to: $to,
            test: $test,
        },)+];
    };
}

mod gate;
mod shutdown;

const MUTANTS: [&[Mutant]; 2] = [gate::ALL, shutdown::ALL];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let wanted = |mutant: &&Mutant| {
        let mut filters = arguments.filters.iter();
        arguments.filters.is_empty() || filters.any(|filter| mutant.name.contains(filter.as_str()))
    };
    let chosen: Vec<_> = MUTANTS.into_iter().flatten().filter(wanted).collect();
    ensure!(!chosen.is_empty(), "no mutant has such a name; see --list");
    if arguments.list {
        for mutant in chosen {
            let (line, checker) = mutant.test.command();
            let with = checker.map_or(String::new(), |checker| format!("--cfg {checker}: "));
            println!(
                "{}\n    {}: {with}cargo {}",
                mutant.name,
                mutant.file,
                line.join(" ")
            );
        }
        return Ok(());
    }
    let copy = copy()?;
    let mut survived = Vec::new();
    for mutant in chosen {
        if is_noticed(&copy, mutant)? {
            say::good(format_args!("noticed: {}", mutant.name));
        } else {
            say::failure(format_args!("survived: {}", mutant.name));
            survived.push(mutant.name);
        }
    }
    if !survived.is_empty() {
        bail!("no test notices: {}", survived.join("; "));
    }
    Ok(())
}

/// The tree as it is now, files that are not committed included, in a folder of its own.
fn copy() -> Result<std::path::PathBuf> {
    let copy = root().join("target/mutants/tree");
    fs::create_dir_all(&copy)?;
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .context("git ls-files")?;
    for name in listed
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let name = std::str::from_utf8(name)?;
        let (from, to) = (root().join(name), copy.join(name));
        let Ok(contents) = fs::read(&from) else {
            continue;
        };
        // Untouched files keep their time, so that nothing is built again for their sake.
        if fs::read(&to).is_ok_and(|there| there == contents) {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        fs::write(&to, contents)?;
    }
    Ok(copy)
}

/// Makes the change, runs the test, undoes the change. Fails if the code is no longer as the mutant
/// expects it, or if the change does not compile.
fn is_noticed(copy: &Path, mutant: &Mutant) -> Result<bool> {
    let file = copy.join(mutant.file);
    let before = mutant.original(copy)?;
    fs::write(&file, before.replacen(mutant.from, mutant.to, 1))?;
    let (line, checker) = mutant.test.command();
    let target = match checker {
        Some(checker) => format!("target/mutants/{checker}"),
        None => "target/mutants/dev".to_owned(),
    };
    let mut cargo = Command::new("cargo");
    cargo
        .args(&line)
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", root().join(target))
        .env("RUST_BACKTRACE", "0");
    if let Some(checker) = checker {
        cargo.env("RUSTFLAGS", format!("--cfg {checker}"));
    }
    // A mutant may sleep for ever.
    let output = Command::new("timeout")
        .arg("1800")
        .arg(cargo.get_program())
        .args(cargo.get_args())
        .envs(
            cargo
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(copy)
        .output();
    fs::write(&file, &before)?;
    let output = output.context("running the test")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let ran = said.contains("running ") && !said.contains("running 0 tests");
    ensure!(ran, "{}: the test did not run:\n{said}", mutant.name);
    Ok(!output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutant_each_then_the_code_that_it_changes_is_there_once() {
        for mutant in MUTANTS.into_iter().flatten() {
            mutant.original(root()).unwrap();
        }
    }
}
