//! `cargo xtask mutants`: chooses one fault after the other in the product's own code, and expects a test
//! to fail.
//!
//! The faults stand in the code as `mutant!("name")`, and are built once for each kind of test. The table
//! ([`gate`] and its siblings) names the test that must catch each of them. Each test runs first without a
//! mutant: it must pass. Not part of `cargo xtask test`.

mod build;
mod case;
mod daemon;
mod gate;
mod shutdown;
mod simulated;
mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use onair_stage::{Stage, take_down_leftovers};
use serde::Serialize;

use crate::{clean_up, say, setup};
use build::Programs;
use case::MutantResult;
use table::{Build, Mutant, Test};

/// Runs the product with one fault at a time, and expects a test to catch each
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask mutants              all of them
  cargo xtask mutants kick: loom   only those with one of these in the name or in the test
  cargo xtask mutants --list       each mutant, and the test that must catch it
  cargo xtask mutants --sim        those of gate, session, shutdown and engine, by the simulator alone
  cargo xtask mutants --json       the results on standard output, for programs

Exit status: 0 when each mutant was caught, 1 when one survived or a test fails without a mutant.")]
pub(crate) struct Arguments {
    /// Only list them
    #[arg(long)]
    list: bool,
    /// Print the results as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Live lives with each mutant of the gate, the session, the shutdown and the engine, instead of its test
    #[arg(long)]
    sim: bool,
    /// Lives of the core with each of them, and a third of lives of the engine
    #[arg(long, default_value_t = 1500, requires = "sim")]
    lives: u64,
    /// Only mutants with one of these in the name, or in the test as `--list` shows it
    filters: Vec<String>,
}

/// A mutant has survived when the test passes so many times: one that rests on chance, such as what two cores
/// do at the same moment, may miss it once.
const TRIES: u32 = 3;

/// What became of one mutant.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    test: String,
    outcome: MutantResult,
    seconds: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.sim {
        return simulated::run(&arguments.filters, arguments.lives, arguments.json);
    }
    let wanted = |mutant: &&Mutant| {
        let mut filters = arguments.filters.iter();
        let text = format!("{} ({})", mutant.name, mutant.test);
        arguments.filters.is_empty() || filters.any(|filter| text.contains(filter.as_str()))
    };
    let chosen: Vec<_> = all().filter(wanted).collect();
    ensure!(
        !chosen.is_empty(),
        "no mutant has this in its name or test; see --list"
    );
    if arguments.list {
        for mutant in chosen {
            println!("{}\n    {}", mutant.name, mutant.test);
        }
        return Ok(());
    }
    setup::when_missing(setup::Purpose::Test)?;
    clean_up::report(&take_down_leftovers()?);
    let stage = Stage::open("mutants")?;
    let begun = Instant::now();
    let rows = run_all(&chosen);
    stage.take_down()?;
    summarize(&rows?, begun.elapsed(), arguments.json)
}

/// Builds what the mutants need, then runs each test without a mutant and with each of its own.
fn run_all(mutants: &[&Mutant]) -> Result<Vec<Row>> {
    let mut of_build: BTreeMap<Build, BTreeMap<Test, Vec<&'static str>>> = BTreeMap::new();
    for mutant in mutants {
        let tests = of_build.entry(mutant.test.build()).or_default();
        tests.entry(mutant.test).or_default().push(mutant.name);
    }
    let mut rows = Vec::new();
    for (build, tests) in of_build {
        say::step(format_args!("Mutants: {build}"));
        let programs = Programs::build(build)?;
        for (test, names) in tests {
            rows.extend(run_test(&programs, test, &names)?);
        }
    }
    Ok(rows)
}

fn run_test(programs: &Programs, test: Test, names: &[&'static str]) -> Result<Vec<Row>> {
    let program = programs.of(test)?;
    let sound = case::run(program, test, None, case::LONGEST)?;
    let passes = sound.outcome == MutantResult::Survived && sound.tests > 0;
    if passes {
        say::note(format_args!(
            "{test}: passes without a mutant ({:.1} s)",
            sound.took.as_secs_f64()
        ));
    } else {
        say::failure(format_args!(
            "{test}: does not pass without a mutant: {}",
            sound.log.display()
        ));
    }
    let bound = sound.took * 5 + case::MARGIN;
    let tries = if passes { TRIES } else { 0 };
    let mut rows = Vec::new();
    for &name in names {
        let (mut outcome, mut took) = (MutantResult::Unproven, Duration::ZERO);
        for _ in 0..tries {
            let done = case::run(program, test, Some(name), bound)?;
            (outcome, took) = (done.outcome, took + done.took);
            if outcome != MutantResult::Survived {
                break;
            }
        }
        let line = format!("{outcome}: {name} ({:.1} s)", took.as_secs_f64());
        match outcome {
            MutantResult::Caught | MutantResult::Hung => say::good(line),
            MutantResult::Survived | MutantResult::Unproven => say::failure(line),
        }
        rows.push(Row {
            name,
            test: test.to_string(),
            outcome,
            seconds: took.as_secs_f64(),
        });
    }
    Ok(rows)
}

fn summarize(rows: &[Row], took: Duration, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(rows)?);
    }
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    say::step("Summary");
    say::note(format_args!(
        "{} mutants: {} caught, {} caught because the test hung, {} survived, {} unproven; {:.0} s",
        rows.len(),
        count(MutantResult::Caught),
        count(MutantResult::Hung),
        count(MutantResult::Survived),
        count(MutantResult::Unproven),
        took.as_secs_f64()
    ));
    let missed: Vec<_> = rows
        .iter()
        .filter(|row| !matches!(row.outcome, MutantResult::Caught | MutantResult::Hung))
        .map(|row| row.name)
        .collect();
    if !missed.is_empty() {
        bail!("no test catches: {}", missed.join("; "));
    }
    Ok(())
}

/// The whole table.
fn all() -> impl Iterator<Item = &'static Mutant> {
    [gate::ALL, shutdown::ALL, daemon::ALL]
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::cargo::root;

    /// The folders of the crates of all floors.
    fn crates() -> impl Iterator<Item = PathBuf> {
        let floors = fs::read_dir(root().join("userspace")).unwrap();
        let all = floors.flat_map(|it| fs::read_dir(it.unwrap().path()).unwrap());
        let all = all.map(|it| it.unwrap().path());
        all.filter(|it| it.join("Cargo.toml").exists())
    }

    #[test]
    fn mutants_in_the_code_and_in_the_table_are_the_same() {
        let mut in_code = Vec::new();
        for folder in crates().filter(|it| !it.ends_with("mutant")) {
            simulated::names(&folder, &mut in_code).unwrap();
        }
        in_code.sort();
        let mut in_table: Vec<_> = all().map(|mutant| mutant.name.to_owned()).collect();
        in_table.sort();
        assert_eq!(in_code, in_table);
        let once: BTreeSet<_> = in_table.iter().collect();
        assert_eq!(once.len(), in_table.len(), "a name is there twice");
    }

    /// Adds the names of functions and modules in the Rust files of `folder`.
    fn items(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                items(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let words: Vec<_> = text.split_whitespace().collect();
                let named = words
                    .windows(2)
                    .filter(|it| it[0] == "fn" || it[0] == "mod");
                let names = named.map(|it| it[1].split(|c: char| !c.is_alphanumeric() && c != '_'));
                found.extend(names.filter_map(|mut it| it.next().map(str::to_owned)));
            }
        }
    }

    #[test]
    fn filters_of_the_table_then_each_has_a_test() {
        let mut packages = BTreeMap::new();
        for folder in crates().chain([root().join("tests")]) {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            let name = manifest.split("name = \"").nth(1).unwrap();
            let mut found = BTreeSet::new();
            items(&folder, &mut found);
            packages.insert(name.split('"').next().unwrap().to_owned(), found);
        }
        for mutant in all() {
            let (package, _, filter) = mutant.test.parts();
            for part in filter.split("::") {
                let is_there = packages[package].iter().any(|it| it.contains(part));
                assert!(
                    is_there,
                    "{}: no test of {package} is {filter}",
                    mutant.name
                );
            }
        }
    }
}
