//! One run of a test, with or without a mutant.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use onair_stage::{Deadline, Run, Running, end_run, guard, take_down_leftovers};
use serde::Serialize;

use super::build::{Program, folder};
use super::table::{Build, Test};
use crate::say;

/// How long a test may take without a mutant.
pub(super) const LONGEST: Duration = Duration::from_secs(1800);
/// What a test gets beyond five times its usual duration: some wait for a deadline of their own.
pub(super) const MARGIN: Duration = Duration::from_secs(60);
/// How long the processes of a test may take to exit.
const GRACE: Duration = Duration::from_secs(5);

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MutantResult {
    /// The test failed.
    Caught,
    /// The test did not end in time, and was ended.
    Hung,
    /// The test passed.
    Survived,
    /// The test fails without the mutant, too.
    Unproven,
}

impl std::fmt::Display for MutantResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Caught => "caught",
            Self::Hung => "caught (hung)",
            Self::Survived => "survived",
            Self::Unproven => "unproven",
        })
    }
}

/// How a run of a test went.
pub(super) struct Done {
    /// [`MutantResult::Survived`] if the test passed.
    pub(super) outcome: MutantResult,
    /// How many tests ran.
    pub(super) tests: u32,
    pub(super) took: Duration,
    /// What it printed.
    pub(super) log: PathBuf,
}

/// Runs `test` with `mutant`, and ends it after `bound`.
pub(super) fn run(
    program: &Program,
    test: Test,
    mutant: Option<&str>,
    bound: Duration,
) -> Result<Done> {
    let name = mutant.map_or_else(|| test.to_string(), str::to_owned);
    let log = folder().join("log").join(file_name(&name));
    fs::create_dir_all(folder().join("log"))?;
    let output = File::create(&log)?;
    let run = Run::next()?;
    let mut command = run.command(&program.path);
    command
        .arg(test.parts().2)
        .current_dir(&program.folder)
        .env("RUST_BACKTRACE", "0")
        .stdout(output.try_clone()?)
        .stderr(output);
    if test.build() == Build::System {
        command.args(["--test-threads", "1"]);
    }
    match mutant {
        Some(name) => command.env("ONAIR_MUTANT", name),
        None => command.env_remove("ONAIR_MUTANT"),
    };
    let _guard = guard(move || {
        if let Err(error) = end_run(run, GRACE) {
            say::failure(error);
        }
    })?;
    let begun = Instant::now();
    let child = command
        .spawn()
        .with_context(|| format!("running {}", program.path.display()))?;
    let mut running = Running::new("the test", child)?;
    let status = running.wait(Deadline::after(bound));
    let took = begun.elapsed();
    let outcome = match &status {
        Ok(status) if status.success() => MutantResult::Survived,
        Ok(_) => MutantResult::Caught,
        Err(_) => MutantResult::Hung,
    };
    drop(running);
    if outcome != MutantResult::Survived {
        // A test that fails may leave processes and interfaces behind.
        end_run(run, GRACE)?;
        take_down_leftovers()?;
    }
    let tests = tests(&fs::read_to_string(&log).unwrap_or_default());
    Ok(Done {
        outcome,
        tests,
        took,
        log,
    })
}

fn file_name(name: &str) -> String {
    let plain = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter,
        false => '_',
    };
    name.chars().map(plain).collect::<String>() + ".txt"
}

/// How many tests ran, as the test program says.
fn tests(output: &str) -> u32 {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("running ")?.split_once(" test"))
        .filter_map(|(count, _)| count.parse::<u32>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn count_of_tests_is_read_from_the_output() {
        assert_eq!(super::tests("\nrunning 1 test\nx\nrunning 12 tests\n"), 13);
        assert_eq!(super::tests("running 0 tests\n"), 0);
    }
}
