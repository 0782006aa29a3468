//! `cargo xtask test`: everything that must hold, in the order in which it fails fastest.

mod again;
mod beside;
mod captures;
mod history;
pub(crate) mod plant;
mod room;
mod whole;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, bail};
use onair_stage::{Deadline, Snapshot, Stage, take_down_leftovers};
use serde_json::Value;

use crate::cargo::{
    Manner, SYSTEM_TESTS, UNIT_TESTS, VICTIM, cargo_with, messages, supervised_as, target,
    tests_with_programs,
};
use crate::say::{self, Times};
use crate::weight::Weight;
use crate::{clean_up, deny, dist, lint, python, setup, sim, vm};
use beside::{Task, beside, by_themselves};
use whole::Netem;
pub(crate) use whole::WholeSystem;

/// Lints, then runs the unit tests, the model checks and the whole-system tests
///
/// All but the checks on other words use the `test` profile, where arithmetic that overflows panics, in the product as in
/// the libraries it calls. `cargo xtask dist --check` runs the whole-system tests with what ships. All packages are
/// always chosen: another choice would mean other features of the dependencies, and building them again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask test               all of it
  cargo xtask test --fast        all but the model checks, the virtual machine and the soak
  cargo xtask test --slow        with 50 random moments where there are a few, long recordings and a long soak: hours
  cargo xtask test stop destroy  only tests with `stop` or `destroy` in their names; no lint")]
pub(crate) struct Arguments {
    /// Leave out the model checks, the virtual machine and the soak
    #[arg(long)]
    fast: bool,
    /// Whole-system tests with many more rounds, long recordings, and ten minutes of video
    #[arg(long)]
    slow: bool,
    /// Run so many at a time of the whole-system tests that bear it; one that fails runs again by itself
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=8))]
    jobs: u32,
    /// Only tests that have one of these in their names
    filters: Vec<String>,
}

/// The tests of the gate on loom's words.
pub(crate) const LOOM: [&str; 8] = of_the_gate(["--features", "loom", "--test", "loom_gate"]);

const fn of_the_gate([features, words, test, file]: [&str; 4]) -> [&str; 8] {
    [
        "test",
        "--release",
        "--package",
        "onair-ipc",
        features,
        words,
        test,
        file,
    ]
}

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
/// Of each kind.
const LIVES: &str = "5000";
/// Address space of a model check, in bytes. A model that has grown out of bounds must fail, not
/// take the machine with it.
const MODEL_LIMIT: u64 = 12 << 30;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::when_missing(setup::Purpose::Test)?;
    room::look();
    clean_up::report(&take_down_leftovers()?);
    let before = Snapshot::take()?;
    // Some tests make namespaces by themselves; with a stage of ours beneath them, what ip-netns(8)
    // makes for the first one is taken down after the last one.
    let stage = Stage::open("tests")?;
    let mut times = Times::default();
    let result = steps(arguments, &mut times);
    stage.take_down()?;
    times.summary();
    let weight = Weight::of_the_tree().map(|mut weight| {
        times
            .seconds()
            .for_each(|(what, took)| weight.add(&what, took));
        weight.table();
        weight
    });
    result?;
    let left = before.difference(Deadline::seconds(10))?.more;
    if !left.is_empty() {
        bail!("the tests passed, and left behind: {}", left.join(", "));
    }
    let weight = weight.context("what the project weighs")?;
    if arguments.filters.is_empty() {
        weight.keep_if_asked()?;
    }
    say::good("all tests passed, and the machine is as it was before");
    Ok(())
}

fn steps(arguments: &Arguments, times: &mut Times) -> Result<()> {
    let filters: Vec<_> = arguments.filters.iter().map(String::as_str).collect();
    let all = filters.is_empty();
    if all {
        times.step("Lint", lint::own)?;
    }
    let built = times.step("Unit tests: build", || {
        messages(&[&UNIT_TESTS[..], &["--no-run"]].concat())
    })?;
    let program = OnceLock::new();
    let mut tasks: VecDeque<Task<'_>> = VecDeque::new();
    if all && !arguments.fast {
        tasks.push_back(Task::new("Root image of the virtual machine", |_| {
            // Whether there is one is told where it is needed.
            vm::prepare().ok();
            Ok(())
        }));
    }
    tasks.push_back(Task::new("Programs", |manner| {
        program
            .set(whole_system_program(manner)?)
            .map_err(|_| anyhow!("it is built once"))
    }));
    if !arguments.fast {
        if all {
            tasks.push_back(Task::new("Model checks: orderings (loom)", |manner| {
                words(manner, &LOOM)
            }));
        }
        let models = unit_tests_of(&built, &["onair_ipc"])?;
        let leaks = unit_tests_of(&built, if all { &UNDER_VALGRIND } else { &[] })?;
        if all {
            let simulator = simulator(&built)?;
            tasks.push_back(Task::new("Simulated lives", move |manner| {
                lives(manner, &simulator)
            }));
        }
        let filters = &filters;
        tasks.push_back(Task::new(
            "Model checks: interleavings; leaks (valgrind)",
            move |manner| side_by_side(manner, &models[0], filters, &leaks),
        ));
    }
    if all {
        tasks.push_back(Task::new("Crates of others (cargo-deny)", |manner| {
            deny::install(manner)?;
            deny::check(manner)
        }));
    }
    let mut again = Vec::new();
    let units = || again::unit_tests(&filters).map(|it| again.extend(it));
    beside(times, "Unit tests", units, &mut tasks)?;
    while program.get().is_none() {
        let next = tasks.drain(..1).collect();
        by_themselves(times, next)?;
    }
    // The other steps go on beside the tests that run together.
    let program = program.get().context("it was built")?;
    let mut tests = WholeSystem::new(program, arguments.slow, &filters)?;
    let together = || tests.together(arguments.jobs).map(|it| again.extend(it));
    beside(times, "Whole-system tests", together, &mut tasks)?;
    by_themselves(times, tasks)?;
    again::remark(times, &again);
    let alone = || tests.alone();
    let (netem, alone) = times.step("Whole-system tests that run alone", alone)?;
    again::remark(times, &alone);
    if let Netem::Absent = netem {
        times.leave_out("tests that need netem: this kernel has none (CONFIG_NET_SCH_NETEM)");
    }
    if all {
        captures::run(times)?;
    }
    for version in python::absent() {
        times.leave_out(format_args!(
            "the Python package's tests on CPython {version}: no such interpreter (pyenv)"
        ));
    }
    if all && !arguments.fast {
        let machine = || whole::with_soak(program, arguments.slow, vm::short);
        let (short, soaked) = times.step("On Debian 12's own kernel; a soak", machine)?;
        again::remark(times, &soaked);
        match short {
            vm::Short::Passed { again } => again::remark(times, &again),
            vm::Short::NoMachine(reason) => {
                times.leave_out(format_args!("no virtual machine here: {reason}"));
            }
        }
    }
    Ok(())
}

/// The program of the whole-system tests, built with what it starts.
pub(crate) fn whole_system_program(manner: Manner) -> Result<PathBuf> {
    let built = tests_with_programs(manner, &[SYSTEM_TESTS])?;
    // By itself: nothing else may be built with the points at which it dies.
    cargo_with(manner, &VICTIM, &[])?;
    python::install_built(manner)?;
    let program = built
        .iter()
        .filter(|it| it["profile"]["test"] == true && it["target"]["name"] == SYSTEM_TESTS)
        .find_map(|it| it["executable"].as_str());
    program
        .map(PathBuf::from)
        .context("cargo named no program of the whole-system tests")
}

/// The programs with the unit tests of these libraries and programs, among what cargo has `built`.
fn unit_tests_of(built: &[Value], names: &[&str]) -> Result<Vec<String>> {
    let programs: Vec<String> = built
        .iter()
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

/// The simulator, among what cargo has `built`.
fn simulator(built: &[Value]) -> Result<String> {
    let is_it =
        |it: &&Value| it["target"]["name"] == "onair-sim" && it["target"]["kind"][0] == "bin";
    let mut all = built.iter().filter(is_it);
    let program = all.find_map(|it| {
        it["executable"]
            .as_str()
            .filter(|_| it["profile"]["test"] == false)
    });
    Ok(program.context("cargo made no onair-sim")?.to_owned())
}

/// The model checks of `models`, beside each of `under_valgrind`, which uses one core only.
fn side_by_side(
    manner: Manner,
    models: &str,
    filters: &[&str],
    under_valgrind: &[String],
) -> Result<()> {
    std::thread::scope(|scope| {
        let leaks: Vec<_> = under_valgrind
            .iter()
            .map(|program| scope.spawn(move || without_leaks(manner, program)))
            .collect();
        let checked = check_models(manner, models, filters);
        let leaks = leaks.into_iter().map(|it| match it.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        std::iter::once(checked).chain(leaks).collect()
    })
}

/// Properties are tried a few times only: here it is not about them.
fn without_leaks(manner: Manner, program: &str) -> Result<()> {
    let options = [
        "--quiet",
        "--leak-check=full",
        // What a thread of the test harness still has at exit is no leak of ours.
        "--show-leak-kinds=definite,indirect",
        "--errors-for-leak-kinds=definite,indirect",
        "--error-exitcode=9",
    ];
    say::command(format_args!("valgrind {} {program}", options.join(" ")));
    let done = supervised_as(manner, "valgrind", |command| {
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

/// New lives of sessions, of the engine, of the state directory and of packets: each commit has its own, wherever it is tested. What fails is printed
/// with the command that lives it again. A unit test lives those that ever failed.
fn lives(manner: Manner, simulator: &str) -> Result<()> {
    let seed = sim::seed_of(dist::epoch()?.parse()?).to_string();
    let options = ["--quiet", "--lives", LIVES, "--seed", &seed];
    say::command(format_args!("{simulator} {}", options.join(" ")));
    let done = supervised_as(manner, simulator, |command| {
        command.args(options);
    })?;
    if !done.status.success() {
        bail!(
            "a simulated life failed: its seed goes into userspace/tools/sim/failed.seeds or failed-KIND.seeds"
        );
    }
    Ok(())
}

/// The exhaustive searches, which are unit tests of `onair-ipc`, under a limit on their memory.
fn check_models(manner: Manner, program: &str, filters: &[&str]) -> Result<()> {
    let filters: Vec<_> = if filters.is_empty() {
        vec![MODELS]
    } else {
        filters.to_vec()
    };
    say::command(format_args!(
        "prlimit --as={MODEL_LIMIT} {program} {}",
        filters.join(" ")
    ));
    let done = supervised_as(manner, "prlimit", |command| {
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

/// The gate on the words of a checker. In a target folder of its own: the mutants would be built into everything.
fn words(manner: Manner, tests: &[&str]) -> Result<()> {
    let target = target().join("checkers").display().to_string();
    let line = [tests, &["--target-dir", &target]].concat();
    // Loom's tests weaken the product's own words.
    cargo_with(manner, &line, &[("ONAIR_BUILD_MUTANTS", "1")])
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
    fn each_file_of_tests_that_are_one_program_is_in_it() {
        for folder in [
            "tests/tests",
            "userspace/daemon/daemon/tests",
            "userspace/plane/dpdk/tests",
        ] {
            check(&root().join(folder), "main.rs");
        }
    }
}
