//! `cargo xtask vm test`: the demo and whole-system tests on the kernels of distributions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use anyhow::{Context as _, Result, ensure};

use super::boot::{self, Machine};
use super::image::{self, Kernel, Recipe};
use super::job::Job;
use super::payload::Tree;
use super::qemu::{Hardware, Nic};
use super::report::page::{self, Seen};
use super::report::{Outcome, Row, all_passed, count, table};
use super::stream::Event;
use super::{Programs, container, folder, qemu};
use crate::cargo::{Manner, SYSTEM_TESTS, root, tests_with_programs};
use crate::stamp::{Stamp, processor};
use crate::{dist, say};

/// Runs the demo and whole-system tests in the machine, and reports on each
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask vm test
  cargo xtask vm test --kernel debian12,debian13
  cargo xtask vm test --kernel debian12,debian13 --results docs/results/platforms.json
  cargo xtask vm test --accel tcg demo evict     the demo and the file tests/tests/lives/evict.rs
  cargo xtask vm test --cpus 5 scale             a thousand sessions on four pollers

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
    hardware: Hardware,
    #[command(flatten)]
    programs: Programs,
    /// Write what was seen to this file, such as docs/results/platforms.json
    #[arg(long, value_name = "FILE", alias = "page")]
    results: Option<PathBuf>,
    /// `demo`, or the name of a file in tests/tests or tests/machine without its extension
    #[arg(default_values = ["demo", "descriptors", "quarantine", "blockers", "gate", PCI_NICS, PLATFORM, PACKAGE, CONTAINER, NIGHT])]
    what: Vec<String>,
}

pub(super) const DEMO: &str = "demo";
/// Needs pairs of devices, and writes the file of results.
const PLATFORM: &str = "platform";
/// Needs pairs of devices.
const PCI_NICS: &str = "pci_nics";
/// Needs the Debian package, and pairs of devices.
const PACKAGE: &str = "package";
/// Needs the Debian package, and a root for its image.
const CONTAINER: &str = "container";
/// Needs systemd.
pub(super) const NIGHT: &str = "night";
/// Needs five processors.
const SCALE: &str = "scale";
/// The files of `tests/machine`: each is a program.
const MACHINE: [&str; 6] = [PLATFORM, PCI_NICS, PACKAGE, CONTAINER, NIGHT, SCALE];
/// Of the output of what failed.
const LINES_SHOWN: usize = 40;
/// For the demo or one file of tests, at the speed of this machine.
const LIMIT: Duration = Duration::from_secs(90);

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    for what in arguments.what.iter().filter(|what| *what != DEMO) {
        ensure!(
            ["tests", "machine"]
                .map(|folder| has(&root().join("tests").join(folder), what))
                .contains(&true),
            "no file of tests is named {what}: see tests/tests and tests/machine"
        );
    }
    let mut hardware = arguments.hardware.clone();
    qemu::require_models(&hardware.nics)?;
    let needs_devices = |what: &String| [PCI_NICS, PLATFORM, PACKAGE].contains(&what.as_str());
    if arguments.what.iter().any(needs_devices) && hardware.nics.is_empty() {
        hardware.nics = Nic::all()?;
    }
    let tree = tree(&arguments.programs, &arguments.what, &arguments.mirror)?;
    let jobs: Vec<_> = arguments.what.iter().map(|what| job(what)).collect();
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    let stamp = Stamp::now();
    for &kernel in &arguments.kernels {
        clear_reports(kernel, &arguments.what)?;
        let image = Recipe::new(kernel, &arguments.mirror).image()?;
        let acceleration = qemu::choose(hardware.accel, &image)?;
        let machine = Machine {
            image,
            hardware: hardware.clone(),
            acceleration,
            tree: tree.clone(),
            jobs: jobs.clone(),
        };
        rows.extend(on(&machine, &mut seen)?);
        if let Some(file) = &arguments.results {
            write_page(file, &rows, &seen, &stamp)?;
        }
    }
    print!("{}", table(&rows));
    Ok(if all_passed(&rows) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether there is a file or folder of this name, without its extension, below `folder`.
fn has(folder: &Path, name: &str) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let path = entry.path();
            path.file_stem().is_some_and(|it| it == name) || has(&path, name)
        })
    })
}

fn write_page(file: &Path, rows: &[Row], seen: &[Seen], stamp: &Stamp) -> Result<()> {
    let before = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("reading {}", file.display()))?,
    };
    let after = page::page(&before, rows, seen, stamp);
    let after = after.with_context(|| format!("reading {}", file.display()))?;
    fs::write(file, after).with_context(|| format!("writing {}", file.display()))
}

/// What the machines get: the programs, and the tests of `what`.
pub(super) fn tree(programs: &Programs, what: &[String], mirror: &str) -> Result<Tree> {
    let mut tree = programs.tree()?;
    let files = what.iter().filter(|what| *what != DEMO);
    let names: BTreeSet<_> = files.map(|file| program(file)).collect();
    tree.tests = if programs.built.is_some() {
        names
            .iter()
            .map(|&name| Ok((name.to_owned(), newest(&tree.programs.join("deps"), name)?)))
            .collect::<Result<_>>()?
    } else {
        build(&names)?
    };
    let asks_for = |test| what.iter().any(|what| what == test);
    if asks_for(PACKAGE) || asks_for(CONTAINER) {
        let packages = dist::build(&tree.programs, &folder::base().join("dist"))?;
        if asks_for(CONTAINER) {
            let base = container::base(&packages, &container::BESIDE, (image::SUITE, mirror))?;
            tree.files.push(("base.tar", base));
        }
        let [onair, nmos, _, mxl] = packages;
        tree.files.extend([
            ("onair.deb", onair),
            ("onair-nmos.deb", nmos),
            ("onair-mxl.deb", mxl),
        ]);
    }
    Ok(tree)
}

/// Removes the reports of what runs again. Those of other tests stay, as the file keeps their results.
pub(super) fn clear_reports(kernel: Kernel, what: &[String]) -> Result<()> {
    let reports = reports(&kernel.to_string());
    fs::create_dir_all(&reports)?;
    for what in what {
        let report = reports.join(format!("{what}.log"));
        if report.exists() {
            fs::remove_file(&report)?;
        }
    }
    Ok(())
}

/// Where the output of each test on `kernel` goes.
fn reports(kernel: &str) -> PathBuf {
    folder::base().join("reports").join(kernel)
}

pub(super) fn job(what: &str) -> Job {
    let command = if what == DEMO {
        // Emulated, four ports are more than one poller can serve.
        "xtask demo --programs target/debug --without second_network".to_owned()
    } else {
        let program = program(what);
        let filter = if program == what {
            String::new()
        } else {
            format!("{what}::")
        };
        format!(
            "cd tests; CARGO_MANIFEST_DIR=$PWD ../target/debug/deps/{program} --test-threads 1 {filter}"
        )
    };
    Job {
        name: what.to_owned(),
        command,
        limit: LIMIT,
    }
}

/// The test program with the tests of `file`.
fn program(file: &str) -> &str {
    if MACHINE.contains(&file) {
        file
    } else {
        SYSTEM_TESTS
    }
}

/// Runs all jobs of one machine. Jobs that a machine does not reach are not run; that is no error here.
pub(super) fn on(machine: &Machine, seen: &mut Vec<Seen>) -> Result<Vec<Row>> {
    let reports = reports(&machine.image.kernel);
    let mut kernel = machine.image.kernel.clone();
    let mut done = BTreeMap::new();
    let mut output = Vec::new();
    let mut begin = Instant::now();
    let booted = machine.boot(|event| {
        boot::report(&event);
        match event {
            Event::Booted { release, .. } => {
                kernel = format!("{kernel} ({release})");
                seen.push(Seen::machine(&kernel, described(machine)));
            }
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
                seen.extend(page::seen(&kernel, &String::from_utf8_lossy(&output)));
                if row.outcome == Outcome::Passed {
                    say::good(&name);
                } else {
                    say::warning(format_args!("{name} failed; the end of {}:", log.display()));
                    let text = String::from_utf8_lossy(&output);
                    let lines: Vec<_> = text.lines().collect();
                    let end = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
                    end.iter().for_each(|line| println!("{line}"));
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

/// The virtual machine and what executes it.
fn described(machine: &Machine) -> String {
    let Hardware { cpus, memory, .. } = &machine.hardware;
    let by = machine.acceleration;
    format!(
        "QEMU q35, {cpus} processors, {memory} MB, by {by} on {}",
        processor()
    )
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
fn build(names: &BTreeSet<&str>) -> Result<Vec<(String, PathBuf)>> {
    let names: Vec<_> = names.iter().copied().collect();
    let messages = tests_with_programs(Manner::InFront, &names)?;
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
            b"test result: FAILED. 1 passed; 1 failed; 0 ignored;\n",
            Duration::ZERO,
        );
        assert_eq!((row.outcome, row.tests), (Outcome::Failed(101), (1, 1)));
        assert_eq!(
            ended("demo", 0, b"", Duration::ZERO).outcome,
            Outcome::Passed
        );
    }
}
