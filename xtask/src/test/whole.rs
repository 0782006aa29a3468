//! The whole-system tests: first those that mostly wait, several at a time, then the others.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use onair_stage::{MEMORY_MB, Stage, output};

use super::history::TestTimes;
use crate::cargo::{root, streamed};
use crate::say;

/// Files of whole-system tests that mostly wait, for what a daemon or another program does after some time, and look at
/// nothing of the machine but what is their own: several of their tests run at a time. Those of the other files need the
/// cores, count each lost packet of larger frames, or look at what is on the machine: they run alone.
const TOGETHER: [&str; 50] = [
    "conversion::converted::",
    "conversion::layouts::",
    "deaths::deaths_daemon::",
    "deaths::deaths_programs::",
    "deaths::deaths_threads::",
    "deaths::guardian::",
    "deaths::reattach::",
    "ending::shutdown::",
    "ending::shutdown_clients::",
    "ending::shutdown_signals::",
    "ending::shutdown_start::",
    "ending::watchdog::",
    "hostile::containers::",
    "hostile::descriptors::",
    "hostile::punching::",
    "hostile::shares::",
    "hostile::wrong_uses::",
    "lives::conditions::",
    "lives::destroy_wait::",
    "lives::durability::",
    "lives::evict::",
    "lives::flushing::",
    "lives::gate::",
    "lives::kill_destroy::",
    "lives::persistence::",
    "lives::reload::",
    "lives::retarget::",
    "network::groups_return::",
    "network::media_ports::",
    "network::multicast::",
    "network::router::",
    "network::same_group::",
    "network::vlan::",
    "operators::alerts::",
    "operators::blockers::",
    "operators::blockers_blind::",
    "operators::certificates::",
    "operators::events::",
    "operators::log::",
    "operators::signal::",
    "operators::snapshot::",
    "operators::traffic::",
    "operators::webhook::",
    "python::versions::",
    "recording::recorder::",
    "recording::recorder_disk::",
    "recording::recorder_ends::",
    "recording::recorder_long::",
    "time::clock::",
    "time::ptp::",
];
/// What `--slow` has the whole-system tests do.
const SLOW: [(&str, &str); 10] = [
    ("ONAIR_CALM_SECONDS", "600"),
    ("ONAIR_KILL_ROUNDS", "4"),
    ("ONAIR_KILL9_ROUNDS", "50"),
    ("ONAIR_LEAK_CYCLES", "2000"),
    ("ONAIR_LEG_CUTS", "1000"),
    ("ONAIR_LONG_SECONDS", "600"),
    ("ONAIR_RECORD_ROUNDS", "50"),
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
    /// Those that ran beside others, with [`TOGETHER`] as their filters.
    ran: &'static [&'static str],
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
            ran: &[],
        })
    }

    /// Runs those that mostly wait, `jobs` at a time, unless only some tests are wanted. One that fails beside others runs
    /// once more by itself: its name is among what this returns if it passes then.
    ///
    /// # Errors
    /// One fails by itself too.
    pub(crate) fn together(&mut self, jobs: u32) -> Result<Vec<String>> {
        if !self.filters.is_empty() || jobs < 2 {
            return Ok(Vec::new());
        }
        self.ran = &TOGETHER;
        let stage = Stage::open("tests")?;
        // None of them has to add any, or gives back what another is about to take.
        let has_memory = stage.hugepages(MEMORY_MB * u64::from(jobs))?;
        let threads = if has_memory { jobs } else { 1 }.to_string();
        let failed = self.run(&["--test-threads", &threads], &TOGETHER)?;
        stage.take_down()?;
        if failed.is_empty() {
            return Ok(failed);
        }
        let names: Vec<_> = failed.iter().map(String::as_str).collect();
        say::warning(format_args!(
            "once more, by themselves: {}",
            names.join(", ")
        ));
        let still = self.run(&["--test-threads", "1", "--exact"], &names)?;
        passed(&still)?;
        Ok(failed)
    }

    /// Runs the others, each with the machine's cores to itself.
    ///
    /// # Errors
    /// One fails.
    pub(crate) fn alone(mut self) -> Result<Netem> {
        let skipped = self.ran.iter().flat_map(|it| ["--skip", it]);
        let options: Vec<_> = ["--test-threads", "1"].into_iter().chain(skipped).collect();
        let failed = self.run(&options, self.filters)?;
        self.times
            .close()
            .context("writing the times of the tests")?;
        passed(&failed)?;
        Ok(self.netem)
    }

    /// Names of the tests that failed.
    fn run(&mut self, options: &[&str], filters: &[&str]) -> Result<Vec<String>> {
        // The ignored ones are those that need netem.
        let ignored: &[&str] = match self.netem {
            Netem::Present => &["--include-ignored"],
            Netem::Absent => &[],
        };
        let line = [options, ignored, filters].concat();
        say::command(format_args!(
            "{} {}",
            self.program.display(),
            line.join(" ")
        ));
        let prepare = |command: &mut Command| {
            command.args(&line).current_dir(root().join("tests"));
            if self.is_slow {
                command.envs(SLOW);
            }
        };
        let name = self.program.to_str().context("a path in UTF-8")?;
        let mut failed = Vec::new();
        self.times.begin(options.contains(&"1"));
        let status = streamed(name, prepare, |text| {
            println!("{}", self.times.line(text));
            let test = text.strip_prefix("test ");
            failed.extend(
                test.and_then(|it| it.strip_suffix(" ... FAILED"))
                    .map(str::to_owned),
            );
        })?;
        if status.success() == failed.is_empty() {
            return Ok(failed);
        }
        bail!("the whole-system tests ended with {status}; failed: {failed:?}")
    }
}

fn passed(failed: &[String]) -> Result<()> {
    if !failed.is_empty() {
        bail!("a whole-system test failed: {}", failed.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::TOGETHER;
    use crate::cargo::root;

    #[test]
    fn tests_that_run_together_are_those_of_files_or_folders() {
        for module in TOGETHER {
            let path = module.trim_end_matches("::").replace("::", "/");
            let there = |name: String| root().join("tests/tests").join(name).exists();
            assert!(there(format!("{path}.rs")) || there(path.clone()), "{path}");
        }
    }
}
