//! `cargo xtask vm build | run | test`: OnAir in a virtual machine with a Debian kernel.
//!
//! Here live the root image ([`image`]), what a run carries into the machine ([`payload`], [`job`]), QEMU
//! ([`qemu`], [`boot`]) and what the machine reports ([`stream`], [`report`]). The product is only a set of
//! programs here. Nothing in this folder knows what a test checks.

mod boot;
pub(crate) mod container;
pub(crate) mod folder;
pub(crate) mod image;
mod job;
mod payload;
mod qemu;
mod report;
mod stream;
mod suite;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cargo::{self, Manner, root};
use crate::{say, setup};
use boot::Machine;
use image::{Kernel, Recipe};
use job::Job;
use payload::Tree;
use qemu::{Accel, Hardware};
use report::{Outcome, all_passed, table};
use stream::Event;
use suite::{DEMO, clear_reports, job, on, tree};

/// What `cargo xtask test` runs.
const SHORT: [&str; 4] = [DEMO, "descriptors", "destroy_wait", "blockers"];

/// Runs OnAir in a virtual machine with a Debian kernel
///
/// It needs QEMU and mmdebstrap: `cargo xtask setup --for vm` installs them. Software emulation is enough.
/// The root image is Debian 12 with the packages of `cargo xtask setup --for test,bench`. With `--kernel debian13`
/// only the kernel is Debian 13's: the programs are linked with the DPDK of this machine.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Build(Build),
    Run(RunCommand),
    Test(suite::Arguments),
}

/// Builds the root image, if there is none of the same inputs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask vm build
  cargo xtask vm build --kernel debian13
  cargo xtask vm build --fresh                 with today's packages of the distribution

It takes five minutes and 3 GB in target/vm/images. An image of other inputs is removed.")]
struct Build {
    #[command(flatten)]
    image: ImageOptions,
    /// Build again, also if there is an image of the same inputs
    #[arg(long)]
    fresh: bool,
}

/// Boots the machine, runs COMMAND in it, powers it off
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask vm run -- onaird --version
  cargo xtask vm run --kernel debian13 -- uname -a
  cargo xtask vm run --accel tcg --nic e1000e -- lspci -nn
  cargo xtask vm run -- xtask demo --programs target/debug

COMMAND runs as root in a copy of this tree at the same path, with its programs in PATH.
Exit status: that of COMMAND; 124 if it ran out of time; 1 also if the machine failed.")]
struct RunCommand {
    #[command(flatten)]
    machine: MachineOptions,
    /// End COMMAND after this time; multiplied by how much slower the machine is than this one
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    limit: u32,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Which root image.
#[derive(clap::Args)]
struct ImageOptions {
    /// The distribution whose kernel is booted
    #[arg(long, value_enum, default_value_t = Kernel::Debian12)]
    kernel: Kernel,
    /// The archive with the packages; the one with security updates is URL-security
    #[arg(long, value_name = "URL", default_value = image::MIRROR)]
    mirror: String,
}

/// Which machine, and the programs that it gets.
#[derive(clap::Args)]
struct MachineOptions {
    #[command(flatten)]
    image: ImageOptions,
    #[command(flatten)]
    hardware: Hardware,
    #[command(flatten)]
    programs: Programs,
}

/// Which programs a machine gets.
#[derive(clap::Args)]
struct Programs {
    /// Take the programs of this tree as they are built, and build nothing
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
}

impl Programs {
    /// The tree that the machine gets; its programs are built first, unless the user says that they are.
    fn tree(&self) -> Result<Tree> {
        if let Some(tree) = &self.built {
            let folder = tree
                .canonicalize()
                .with_context(|| format!("no tree {}", tree.display()))?;
            return Ok(Tree {
                programs: folder.join("target/debug"),
                folder,
                tests: Vec::new(),
                files: Vec::new(),
            });
        }
        say::step("Programs");
        cargo::tests_with_programs(Manner::InFront, &[cargo::SYSTEM_TESTS])?;
        cargo::cargo(&cargo::VICTIM)?;
        Ok(Tree {
            programs: cargo::target().join("debug"),
            folder: root().to_owned(),
            tests: Vec::new(),
            files: Vec::new(),
        })
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    qemu::require_programs()?;
    crate::clean_up::report(&onair_stage::take_down_leftovers()?);
    match &arguments.command {
        Command::Build(build) => {
            let recipe = Recipe::new(build.image.kernel, &build.image.mirror);
            let image = if build.fresh {
                recipe.build()?
            } else {
                recipe.image()?
            };
            say::good(format_args!("image: {}", image.folder.display()));
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(run) => {
            qemu::require_models(&run.machine.hardware.nics)?;
            run_command(run)
        }
        Command::Test(test) => suite::run(test),
    }
}

fn run_command(run: &RunCommand) -> Result<ExitCode> {
    let job = Job {
        name: "command".to_owned(),
        command: job::quoted(&run.command),
        limit: Duration::from_secs(run.limit.into()),
    };
    let tree = run.machine.programs.tree()?;
    let machine = machine(&run.machine, tree, vec![job])?;
    let mut status = None;
    machine.boot(|event| {
        match event {
            Event::Output(bytes) => boot::to_stdout(&bytes)?,
            Event::Ended { status: own, .. } => status = Some(own),
            other => boot::report(&other),
        }
        Ok(())
    })?;
    match status {
        Some(status) => Ok(ExitCode::from(status)),
        None => bail!("the machine powered off before the command ended"),
    }
}

/// The machine for `options`, with its image built and its acceleration chosen.
fn machine(options: &MachineOptions, tree: Tree, jobs: Vec<Job>) -> Result<Machine> {
    let image = Recipe::new(options.image.kernel, &options.image.mirror).image()?;
    let acceleration = qemu::choose(options.hardware.accel, &image)?;
    Ok(Machine {
        image,
        hardware: options.hardware.clone(),
        acceleration,
        tree,
        jobs,
    })
}

/// How [`short`] ended.
pub(crate) enum Short {
    /// All passed; these only in a second machine.
    Passed { again: Vec<String> },
    /// This machine cannot run here, which is no failure. The reason.
    NoMachine(String),
}

/// The part of `cargo xtask test`: the demo and some files of tests on the oldest kernel, with programs that are built
/// already. Emulated processors stand still while the host has other work, so that even packets between two ports may be
/// lost: what fails runs once more, in a machine that is booted anew.
///
/// # Errors
/// When something fails there, too.
pub(crate) fn short() -> Result<Short> {
    let what = SHORT.map(str::to_owned);
    let programs = Programs {
        built: Some(root().to_owned()),
    };
    let tree = tree(&programs, &what, image::MIRROR)?;
    let hardware = Hardware {
        accel: Accel::Auto,
        cpus: 4,
        memory: 6144,
        nics: Vec::new(),
    };
    let kernel = Kernel::Debian12;
    let had = setup::with_machine_packages()
        .and_then(|()| Recipe::new(kernel, image::MIRROR).image())
        .and_then(|image| Ok((qemu::choose(hardware.accel, &image)?, image)));
    let (acceleration, image) = match had {
        Ok(had) => had,
        Err(reason) => return Ok(Short::NoMachine(format!("{reason:#}"))),
    };
    clear_reports(kernel, &what)?;
    let mut machine = Machine {
        image,
        hardware,
        acceleration,
        tree,
        jobs: what.iter().map(|what| job(what)).collect(),
    };
    let mut rows = on(&machine, &mut Vec::new())?;
    print!("{}", table(&rows));
    rows.retain(|row| row.outcome != Outcome::Passed);
    let again: Vec<_> = rows.into_iter().map(|row| row.what).collect();
    if !again.is_empty() {
        say::warning(format_args!("once more: {}", again.join(", ")));
        machine.jobs.retain(|job| again.contains(&job.name));
        let rows = on(&machine, &mut Vec::new())?;
        print!("{}", table(&rows));
        ensure!(all_passed(&rows), "something failed in the machine");
    }
    Ok(Short::Passed { again })
}

/// Makes the root image of [`short`], if there is none of the same inputs.
///
/// # Errors
/// When no machine can be had here.
pub(crate) fn prepare() -> Result<()> {
    setup::with_machine_packages()?;
    Recipe::new(Kernel::Debian12, image::MIRROR).image()?;
    Ok(())
}
