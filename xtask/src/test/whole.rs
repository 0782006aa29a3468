//! The whole-system tests: first those that run several at a time, then the others.

use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use onair_stage::{MEMORY_MB, Stage, output, take_down_leftovers};

use super::again;
use super::history::TestTimes;
use crate::cargo::{root, streamed, supervised};
use crate::clean_up;
use crate::say;

/// Whole-system tests that need the cores, count each lost packet, or look at what is on the machine: they run one after the
/// other. Of the others several run at a time.
const ALONE: [&str; 3] = ["audio::formats::", "demo::", "operators::doctor::"];
/// A soak of minutes: it runs beside what has no pollers.
const SOAK: &str = "all_along::";
/// What runs a program before others: `sh -c FIRST sh PROGRAM ARGUMENTS`. A frame of a starved pipeline would be late.
const FIRST: &str = "exec nice -n -10 \"$@\" 2>&1";
/// What `--slow` has the whole-system tests do.
const SLOW: [(&str, &str); 9] = [
    ("ONAIR_CALM_SECONDS", "600"),
    ("ONAIR_KILL_ROUNDS", "4"),
    ("ONAIR_KILL9_ROUNDS", "50"),
    ("ONAIR_LEAK_CYCLES", "2000"),
    ("ONAIR_LEG_CUTS", "1000"),
    ("ONAIR_LONG_SECONDS", "600"),
    ("ONAIR_SHUTDOWN_ROUNDS", "50"),
    ("ONAIR_SOAK_SECONDS", "600"),
    ("ONAIR_STORM_ROUNDS", "50"),
];
/// Whether this kernel can disturb a network itself.
#[derive(Clone, Copy)]
pub(crate) enum Netem {
    Present,
    Absent,
}

fn netem() -> Result<Netem> {
    let stage = Stage::open("netem")?;
    let line = format!("-n {} qdisc add dev lo root netem", stage.namespace());
    let tried = output("tc", &line.split(' ').collect::<Vec<_>>());
    stage.take_down()?;
    match tried {
        Ok(_) => Ok(Netem::Present),
        Err(error) if format!("{error:#}").contains("qdisc kind is unknown") => Ok(Netem::Absent),
        Err(error) => Err(error),
    }
}

/// The program of the whole-system tests, and how it runs. It starts what is in the folder above its own.
pub(crate) struct WholeSystem<'a> {
    program: &'a Path,
    is_slow: bool,
    filters: &'a [&'a str],
    netem: Netem,
    times: TestTimes,
    /// Whether only those of [`ALONE`] are left.
    is_together_done: bool,
}

impl<'a> WholeSystem<'a> {
    /// # Errors
    /// The kernel does not say whether it has netem.
    pub(crate) fn new(program: &'a Path, is_slow: bool, filters: &'a [&'a str]) -> Result<Self> {
        Ok(Self {
            program,
            is_slow,
            filters,
            netem: netem()?,
            times: TestTimes::open(filters.is_empty()),
            is_together_done: false,
        })
    }

    /// Runs all but those of [`ALONE`], `jobs` at a time, unless only some tests are wanted. Returns the names of those that
    /// passed only the second time.
    ///
    /// # Errors
    /// One fails twice.
    pub(crate) fn together(&mut self, jobs: u32) -> Result<Vec<String>> {
        if !self.filters.is_empty() || jobs < 2 {
            return Ok(Vec::new());
        }
        self.is_together_done = true;
        let stage = Stage::open("tests")?;
        // None of them has to add any, or gives back what another is about to take.
        let has_memory = stage.hugepages(MEMORY_MB * u64::from(jobs))?;
        let threads = if has_memory { jobs } else { 1 }.to_string();
        let skipped = ALONE.iter().chain([&SOAK]).flat_map(|it| ["--skip", it]);
        let options: Vec<_> = ["--test-threads", &threads]
            .into_iter()
            .chain(skipped)
            .collect();
        let failed = self.run(&options, &[])?;
        stage.take_down()?;
        self.once_more(failed)
    }

    /// Runs the others, each with the machine's cores to itself. Returns the names of those that passed only the second time.
    ///
    /// # Errors
    /// One fails twice.
    pub(crate) fn alone(mut self) -> Result<(Netem, Vec<String>)> {
        let filters: &[&str] = match self.is_together_done {
            true => &ALONE,
            false => self.filters,
        };
        let failed = self.run(&["--test-threads", "1"], filters)?;
        let passed = self.once_more(failed);
        self.times
            .close()
            .context("writing the times of the tests")?;
        Ok((self.netem, passed?))
    }

    /// Each with the machine's cores to itself.
    fn once_more(&mut self, failed: Vec<String>) -> Result<Vec<String>> {
        again::once_more(failed, |names| {
            take_down()?;
            self.run(&["--test-threads", "1", "--exact"], names)
        })
    }

    /// Names of the tests that failed.
    fn run(&mut self, options: &[&str], filters: &[&str]) -> Result<Vec<String>> {
        // The ignored ones are those that need netem.
        let ignored: &[&str] = match self.netem {
            Netem::Present => &["--include-ignored"],
            Netem::Absent => &[],
        };
        // With several at a time only the program itself knows when one began.
        let is_alone = options.contains(&"1");
        let timed: &[&str] = match is_alone {
            true => &[],
            false => &["-Z", "unstable-options", "--report-time"],
        };
        let line = [options, ignored, timed, filters].concat();
        say::command(format_args!(
            "{} {}",
            self.program.display(),
            line.join(" ")
        ));
        let prepare = |command: &mut Command| {
            command.args(&line).current_dir(root().join("tests"));
            if !is_alone {
                command.env("RUSTC_BOOTSTRAP", "1");
            }
            if self.is_slow {
                command.envs(SLOW);
            }
        };
        let name = self.program.to_str().context("a path in UTF-8")?;
        let mut failed = Vec::new();
        let status = streamed(name, prepare, |text| {
            println!("{}", self.times.line(text));
            failed.extend(again::failed(text).map(str::to_owned));
        })?;
        if status.success() == failed.is_empty() {
            return Ok(failed);
        }
        bail!("the whole-system tests ended with {status}; failed: {failed:?}")
    }
}

/// Does `first`, and beside it the soak. If that fails, it runs once more by itself: what this returns is its name.
///
/// # Errors
/// Those of `first`; the soak fails by itself too.
pub(crate) fn with_soak<T>(
    program: &Path,
    is_slow: bool,
    first: impl FnOnce() -> Result<T>,
) -> Result<(T, Vec<String>)> {
    let (done, soaked) = thread::scope(|scope| {
        let soaked = scope.spawn(|| soak(program, is_slow));
        (first(), soaked.join())
    });
    let soaked = soaked.unwrap_or_else(|panic| resume_unwind(panic))?;
    let done = done?;
    let soaked = again::once_more(soaked, |_| {
        take_down()?;
        soak(program, is_slow)
    })?;
    Ok((done, soaked))
}

/// Only a test that passes has to leave nothing behind.
fn take_down() -> Result<()> {
    clean_up::report(&take_down_leftovers()?);
    Ok(())
}

/// Runs the soak. Returns the names of the tests that failed.
fn soak(program: &Path, is_slow: bool) -> Result<Vec<String>> {
    let done = supervised("sh", |command| {
        command
            .args(["-c", FIRST, "sh"])
            .arg(program)
            .args(["--show-output", SOAK])
            .current_dir(root().join("tests"))
            .stdout(Stdio::piped());
        if is_slow {
            command.envs(SLOW);
        }
    })?;
    let text = String::from_utf8_lossy(&done.stdout);
    println!("{text}");
    let failed: Vec<_> = text.lines().filter_map(again::failed).collect();
    ensure!(
        done.status.success() == failed.is_empty(),
        "the soak ended with {}",
        done.status
    );
    Ok(failed.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::{ALONE, SOAK};
    use crate::cargo::root;

    #[test]
    fn tests_that_run_alone_are_those_of_files_or_folders() {
        for module in ALONE.iter().chain([&SOAK]) {
            let path = module.trim_end_matches("::").replace("::", "/");
            let there = |name: String| root().join("tests/tests").join(name).exists();
            assert!(there(format!("{path}.rs")) || there(path.clone()), "{path}");
        }
    }
}
