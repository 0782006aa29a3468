//! `cargo xtask vm test`: the demo and whole-system tests on the kernels of distributions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};

use super::boot::{self, Console, Machine};
use super::image::{self, Kernel, Recipe};
use super::job::Job;
use super::qemu::Nic;
use super::report::{Outcome, Row, all_passed, count, table};
use super::stream::Event;
use super::{Programs, container, folder, qemu};
use crate::cargo::messages;
use crate::test::SYSTEM;
use crate::{dist, say};

/// Runs the demo and whole-system tests in the machine, and reports on each
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask vm test
  cargo xtask vm test --kernel debian12,debian13
  cargo xtask vm test --accel tcg demo evict     the demo and the file tests/tests/evict.rs

The table is on stdout; the output of each is in target/vm/reports. With software emulation it takes some minutes.
Exit status: 0 if all passed, 1 if one failed or was not run.")]
pub(super) struct Arguments {
    /// The distributions whose kernels are booted
    #[arg(long = "kernel", value_enum, value_delimiter = ',', default_values_t = [Kernel::Debian12])]
    kernels: Vec<Kernel>,
    /// The archive with the packages; the one with security updates is URL-security
    #[arg(long, value_name = "URL", default_value = image::MIRROR)]
    mirror: String,
    #[command(flatten)]
    hardware: qemu::Hardware,
    #[command(flatten)]
    programs: Programs,
    /// `demo`, or the name of a file in tests/tests or tests/machine without its extension
    #[arg(default_values = ["demo", "destroy_wait", "quarantine", "blockers", "gate", PCI_NICS, PACKAGE, CONTAINER])]
    what: Vec<String>,
}

const DEMO: &str = "demo";
/// Needs two pairs of devices.
const PCI_NICS: &str = "pci_nics";
/// Needs the Debian package.
const PACKAGE: &str = "package";
/// Needs the Debian package, and a root for its image.
const CONTAINER: &str = "container";
/// For the demo or one file of tests, at the speed of this machine.
const LIMIT: Duration = Duration::from_secs(90);

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut hardware = arguments.hardware.clone();
    if arguments.what.iter().any(|what| what == PCI_NICS) && hardware.nics.is_empty() {
        hardware.nics = vec![Nic::Virtio, Nic::E1000e];
    }
    let mut tree = arguments.programs.tree()?;
    let files: Vec<_> = arguments.what.iter().filter(|what| *what != DEMO).collect();
    tree.tests = if arguments.programs.built.is_some() {
        files
            .iter()
            .map(|name| Ok(((*name).clone(), newest(&tree.release.join("deps"), name)?)))
            .collect::<Result<_>>()?
    } else {
        build(&files)?
    };
    let asks_for = |test| arguments.what.iter().any(|what| what == test);
    if asks_for(PACKAGE) || asks_for(CONTAINER) {
        let package = dist::build(&tree.release, &folder::base().join("dist"))?;
        if asks_for(CONTAINER) {
            let base = container::base(&package, &arguments.mirror)?;
            tree.files.push(("base.tar", base));
        }
        tree.files.push(("onair.deb", package));
    }
    let jobs: Vec<_> = arguments.what.iter().map(|what| job(what)).collect();
    let mut rows = Vec::new();
    for &kernel in &arguments.kernels {
        let image = Recipe::new(kernel, &arguments.mirror).image()?;
        let acceleration = qemu::choose(arguments.hardware.accel, &image)?;
        let machine = Machine {
            image,
            hardware: hardware.clone(),
            acceleration,
            tree: tree.clone(),
            jobs: jobs.clone(),
            console: Console::Captured,
        };
        rows.extend(on(&machine)?);
    }
    print!("{}", table(&rows));
    Ok(if all_passed(&rows) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn job(what: &str) -> Job {
    let command = if what == DEMO {
        "xtask demo --programs target/release".to_owned()
    } else {
        format!("cd tests; CARGO_MANIFEST_DIR=$PWD ../target/release/deps/{what} --test-threads 1")
    };
    Job {
        name: what.to_owned(),
        command,
        limit: LIMIT,
    }
}

/// Runs all jobs of one machine. Jobs that a machine does not reach are not run; that is no error here.
fn on(machine: &Machine) -> Result<Vec<Row>> {
    let reports = folder::base().join("reports").join(&machine.image.kernel);
    if reports.exists() {
        folder::remove(&reports)?;
    }
    fs::create_dir_all(&reports)?;
    let mut kernel = machine.image.kernel.clone();
    let mut done = BTreeMap::new();
    let mut output = Vec::new();
    let mut begin = Instant::now();
    let booted = machine.boot(|event| {
        boot::tell(&event);
        match event {
            Event::Booted { release, .. } => kernel = format!("{kernel} ({release})"),
            Event::Begun { name } => {
                say::note(format_args!("{name} …"));
                begin = Instant::now();
                output.clear();
            }
            Event::Output(bytes) => output.extend(bytes),
            Event::Ended { name, status } => {
                let log = reports.join(format!("{name}.log"));
                fs::write(&log, &output)?;
                let row = ended(&name, status, &output, begin.elapsed());
                if row.outcome == Outcome::Passed {
                    say::good(&name);
                } else {
                    say::warning(format_args!("{name} failed: {}", log.display()));
                }
                done.insert(name, row);
            }
            Event::Calibrated { .. } => {}
        }
        Ok(())
    });
    if let Err(error) = booted {
        say::warning(format_args!("{error:#}"));
    }
    Ok(machine
        .jobs
        .iter()
        .map(|job| Row {
            kernel: kernel.clone(),
            ..done
                .remove(&job.name)
                .unwrap_or_else(|| row(&job.name, Outcome::NotRun))
        })
        .collect())
}

fn ended(name: &str, status: u8, output: &[u8], time: Duration) -> Row {
    let outcome = match status {
        0 => Outcome::Passed,
        status => Outcome::Failed(status),
    };
    Row {
        tests: count(&String::from_utf8_lossy(output)),
        time,
        ..row(name, outcome)
    }
}

fn row(name: &str, outcome: Outcome) -> Row {
    Row {
        kernel: String::new(),
        what: name.to_owned(),
        outcome,
        tests: (0, 0),
        time: Duration::ZERO,
    }
}

/// Builds the test programs, and gives their paths.
fn build(files: &[&String]) -> Result<Vec<(String, PathBuf)>> {
    let mut line = vec!["test", "--release", "--no-run"];
    line.extend(SYSTEM);
    line.extend(files.iter().flat_map(|name| ["--test", name.as_str()]));
    let messages = if files.is_empty() {
        Vec::new()
    } else {
        messages(&line)?
    };
    Ok(messages
        .iter()
        .filter(|message| message["profile"]["test"] == true)
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            Some((name.to_owned(), message["executable"].as_str()?.into()))
        })
        .collect())
}

/// The newest program `NAME-HASH` in `folder`.
fn newest(folder: &Path, name: &str) -> Result<PathBuf> {
    let mut found: Option<(SystemTime, PathBuf)> = None;
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let file = entry.file_name();
        let hash = file
            .to_str()
            .and_then(|file| file.strip_prefix(name)?.strip_prefix('-'));
        if hash.is_some_and(|hash| hash.chars().all(|letter| letter.is_ascii_hexdigit())) {
            let candidate = (entry.metadata()?.modified()?, entry.path());
            found = found.max(Some(candidate));
        }
    }
    found
        .map(|(_, path)| path)
        .with_context(|| format!("no test program {name} in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_program_of_a_name_is_taken() {
        let folder = std::env::temp_dir().join(format!("onair-vm-newest-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        for (number, name) in ["gate-0a", "gate-1b", "gate-1b.d", "gate_long-2c", "gate"]
            .into_iter()
            .enumerate()
        {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64);
            let file = fs::File::create(folder.join(name)).unwrap();
            file.set_modified(time).unwrap();
        }
        let found = newest(&folder, "gate");
        let none = newest(&folder, "evict");
        fs::remove_dir_all(&folder).unwrap();
        assert!(found.unwrap().ends_with("gate-1b"));
        assert!(none.is_err());
    }

    #[test]
    fn exit_status_decides_and_tests_are_counted() {
        let row = ended(
            "gate",
            101,
            b"test a ... ok\ntest b ... FAILED\n",
            Duration::ZERO,
        );
        assert_eq!((row.outcome, row.tests), (Outcome::Failed(101), (1, 1)));
        assert_eq!(
            ended("demo", 0, b"", Duration::ZERO).outcome,
            Outcome::Passed
        );
    }
}
