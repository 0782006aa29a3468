//! `cargo xtask test`: everything that must hold, in the order in which it fails fastest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use onair_stage::{Deadline, Snapshot, Stage, output, take_down_leftovers};

use crate::cargo::{
    SYSTEM, SYSTEM_TESTS, VICTIM, cargo, cargo_with, messages, root, streamed, supervised, target,
};
use crate::history::TestTimes;
use crate::say::{self, Times};
use crate::{clean_up, lint, setup, size, vm};

/// Lints, then runs the unit tests, the model checks and the whole-system tests
///
/// Clippy and the unit tests use the `dev` profile, where arithmetic that overflows panics. The
/// whole-system tests use `release` programs. In each profile the same
/// packages are always chosen together: another choice would mean other features of the
/// dependencies, and building them again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask test               all of it
  cargo xtask test --fast        all but the model checks
  cargo xtask test --slow        with 50 random moments where there are a few, long recordings and a long soak: hours
  cargo xtask test stop destroy  only tests with `stop` or `destroy` in their names; no lint")]
pub(crate) struct Arguments {
    /// Leave out the model checks
    #[arg(long)]
    fast: bool,
    /// Whole-system tests with many more rounds, long recordings, and ten minutes of video
    #[arg(long)]
    slow: bool,
    /// Only tests that have one of these in their names
    filters: Vec<String>,
}

/// The tests on loom's words.
pub(crate) const LOOM: [&str; 4] = ["--package", "onair-ipc", "--test", "loom_gate"];
/// The tests on shuttle's words.
pub(crate) const SHUTTLE: [&str; 8] = [
    "--package",
    "onair-ipc",
    "--test",
    "shuttle_gate",
    "--package",
    "onair-session",
    "--test",
    "shuttle_drain",
];
/// What needs neither DPDK nor the gate's own instructions: each block of memory is accounted for.
const UNDER_VALGRIND: [&str; 6] = [
    "onair_essence",
    "onair_api",
    "onair_certificate",
    "onair_net",
    "onair_pixels",
    "onairctl",
];
/// Tests with this in their names search millions of states: they have a step of their own.
const MODELS: &str = "model::";
/// What `--slow` has the whole-system tests do.
const SLOW: [(&str, &str); 9] = [
    ("ONAIR_CALM_SECONDS", "600"),
    ("ONAIR_KILL_ROUNDS", "4"),
    ("ONAIR_KILL9_ROUNDS", "50"),
    ("ONAIR_LEAK_CYCLES", "2000"),
    ("ONAIR_LONG_SECONDS", "600"),
    ("ONAIR_RECORD_ROUNDS", "50"),
    ("ONAIR_SHUTDOWN_ROUNDS", "50"),
    ("ONAIR_SOAK_SECONDS", "600"),
    ("ONAIR_STORM_ROUNDS", "50"),
];
/// Address space of a model check, in bytes. A model that has grown out of bounds must fail, not
/// take the machine with it.
const MODEL_LIMIT: u64 = 12 << 30;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::when_missing(setup::Purpose::Test)?;
    clean_up::report(&take_down_leftovers()?);
    let before = Snapshot::take()?;
    // Some tests make namespaces by themselves; with a stage of ours beneath them, what ip-netns(8)
    // makes for the first one is taken down after the last one.
    let stage = Stage::open("tests")?;
    let mut times = Times::default();
    let result = steps(arguments, &mut times);
    stage.take_down()?;
    times.summary();
    match size::line() {
        Ok(line) => say::note(line),
        Err(error) => say::warning(format_args!("no sizes: {error:#}")),
    }
    result?;
    let left = before.difference(Deadline::seconds(10))?.more;
    if !left.is_empty() {
        bail!("the tests passed, and left behind: {}", left.join(", "));
    }
    say::good("all tests passed, and the machine is as it was before");
    Ok(())
}

fn steps(arguments: &Arguments, times: &mut Times) -> Result<()> {
    let filters: Vec<_> = arguments.filters.iter().map(String::as_str).collect();
    let all = filters.is_empty();
    if all {
        times.step("Lint", || lint::run(&lint::Arguments {}))?;
    }
    times.step("Unit tests", || {
        let mut line = vec![
            "test",
            "--no-fail-fast",
            "--workspace",
            "--exclude",
            "onair-tests",
            "--",
            "--skip",
            MODELS,
        ];
        line.extend(&filters);
        cargo(&line)
    })?;
    if !arguments.fast {
        let models = unit_tests_of(&["onair_ipc"])?;
        let leaks = unit_tests_of(if all { &UNDER_VALGRIND } else { &[] })?;
        times.step("Model checks: interleavings; leaks (valgrind)", || {
            side_by_side(&models[0], &filters, &leaks)
        })?;
        if all {
            times.step("Model checks: orderings (loom)", || words("loom", &LOOM))?;
            times.step("Model checks: long schedules (shuttle)", || {
                words("shuttle", &SHUTTLE)
            })?;
        }
    }
    let program = times.step("Programs", whole_system_program)?;
    let netem = times.step("Whole-system tests", || {
        whole_system(&program, arguments.slow, &filters)
    })?;
    if let Netem::Absent = netem {
        times.leave_out("tests that need netem: this kernel has none (CONFIG_NET_SCH_NETEM)");
    }
    if all && !arguments.fast {
        let left_out = times.step("On Debian 12's own kernel", vm::short)?;
        if let Some(reason) = left_out {
            times.leave_out(format_args!("no virtual machine here: {reason}"));
        }
    }
    Ok(())
}

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

/// The program of the whole-system tests, built with what it starts.
pub(crate) fn whole_system_program() -> Result<PathBuf> {
    let mut line = vec!["build", "--release", "--bins"];
    line.extend(SYSTEM);
    cargo(&line)?;
    // By itself: nothing else may be built with the points at which it dies.
    cargo(&VICTIM)?;
    let mut build = vec!["test", "--release", "--no-run", "--test", SYSTEM_TESTS];
    build.extend(SYSTEM);
    let built = messages(&build)?;
    let program = built
        .iter()
        .filter(|it| it["profile"]["test"] == true && it["target"]["name"] == SYSTEM_TESTS)
        .find_map(|it| it["executable"].as_str());
    program
        .map(PathBuf::from)
        .context("cargo named no program of the whole-system tests")
}

/// Runs the whole-system tests, with the progress of each. `program` starts what is in the folder above its own. The
/// daemon's own integration tests have been run with the unit tests.
pub(crate) fn whole_system(program: &Path, is_slow: bool, filters: &[&str]) -> Result<Netem> {
    let netem = netem()?;
    // One at a time: each has the machine's cores and the probe to itself.
    // The ignored ones are those that need netem.
    let ignored: &[&str] = match netem {
        Netem::Present => &["--include-ignored"],
        Netem::Absent => &[],
    };
    let options = [&["--test-threads", "1"], ignored, filters].concat();
    say::command(format_args!("{} {}", program.display(), options.join(" ")));
    let mut tests = TestTimes::open();
    let prepare = |command: &mut Command| {
        command.args(&options).current_dir(root().join("tests"));
        if is_slow {
            command.envs(SLOW);
        }
    };
    let name = program.to_str().context("a path in UTF-8")?;
    let status = streamed(name, prepare, |line| println!("{}", tests.line(line)))?;
    tests.close().context("writing the times of the tests")?;
    if !status.success() {
        bail!("a whole-system test failed ({status})");
    }
    Ok(netem)
}

/// The programs with the unit tests of these libraries and programs.
fn unit_tests_of(names: &[&str]) -> Result<Vec<String>> {
    let build = [
        "test",
        "--workspace",
        "--exclude",
        "onair-tests",
        "--no-run",
    ];
    let programs: Vec<String> = messages(&build)?
        .into_iter()
        .filter(|message| {
            let target = &message["target"];
            let is_unit = message["profile"]["test"] == true && target["kind"][0] != "test";
            is_unit && names.iter().any(|name| target["name"] == *name)
        })
        .filter_map(|message| Some(message["executable"].as_str()?.to_owned()))
        .collect();
    if programs.len() != names.len() {
        bail!("cargo made other test programs than those of {names:?}: {programs:?}");
    }
    Ok(programs)
}

/// The model checks of `models`, beside each of `under_valgrind`, which uses one core only.
fn side_by_side(models: &str, filters: &[&str], under_valgrind: &[String]) -> Result<()> {
    std::thread::scope(|scope| {
        let leaks: Vec<_> = under_valgrind
            .iter()
            .map(|program| scope.spawn(move || without_leaks(program)))
            .collect();
        let checked = check_models(models, filters);
        let leaks = leaks.into_iter().map(|it| match it.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        std::iter::once(checked).chain(leaks).collect()
    })
}

/// Properties are tried a few times only: here it is not about them.
fn without_leaks(program: &str) -> Result<()> {
    let options = [
        "--quiet",
        "--leak-check=full",
        // What a thread of the test harness still has at exit is no leak of ours.
        "--show-leak-kinds=definite,indirect",
        "--errors-for-leak-kinds=definite,indirect",
        "--error-exitcode=9",
    ];
    say::command(format_args!("valgrind {} {program}", options.join(" ")));
    let done = supervised("valgrind", |command| {
        command
            .args(options)
            .arg(program)
            .args(["--quiet", "--test-threads", "1"])
            .env("PROPTEST_CASES", "2");
    })?;
    if !done.status.success() {
        bail!("{program} leaks, or fails under valgrind ({})", done.status);
    }
    Ok(())
}

/// The exhaustive searches, which are unit tests of `onair-ipc`, under a limit on their memory.
fn check_models(program: &str, filters: &[&str]) -> Result<()> {
    let filters: Vec<_> = if filters.is_empty() {
        vec![MODELS]
    } else {
        filters.to_vec()
    };
    say::command(format_args!(
        "prlimit --as={MODEL_LIMIT} {program} {}",
        filters.join(" ")
    ));
    let done = supervised("prlimit", |command| {
        command
            .arg(format!("--as={MODEL_LIMIT}"))
            .arg(program)
            .args(&filters);
    })?;
    if !done.status.success() {
        bail!("a model check failed ({})", done.status);
    }
    Ok(())
}

/// The gate on the words of a checker, `loom` or `shuttle`, and the session's core on it. In a target
/// folder of its own: the flag would otherwise rebuild everything twice.
fn words(checker: &str, tests: &[&str]) -> Result<()> {
    let target = target().join(checker).display().to_string();
    let line = [&["test", "--release", "--target-dir", &target], tests].concat();
    let flags = format!("--cfg {checker}");
    // Loom's tests weaken the product's own words.
    cargo_with(
        &line,
        &[("RUSTFLAGS", &flags), ("ONAIR_BUILD_MUTANTS", "1")],
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::cargo::root;

    /// Each source of `folder` is declared in `index`, and each folder in it has a `mod.rs` that
    /// declares its own.
    fn check(folder: &Path, index: &str) {
        let text = fs::read_to_string(folder.join(index)).unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_module = path.join("mod.rs").exists();
            if is_module {
                check(&path, "mod.rs");
            }
            let is_source = path.extension().is_some_and(|it| it == "rs") && !path.ends_with(index);
            let line = format!("mod {};", path.file_stem().unwrap().display());
            assert!(
                !(is_module || is_source) || text.lines().any(|it| it.ends_with(&line)),
                "{index} of {} lacks `{line}`",
                folder.display()
            );
        }
    }

    #[test]
    fn each_file_of_whole_system_tests_is_in_their_program() {
        check(&root().join("tests/tests"), "main.rs");
    }
}
