//! The part of `cargo xtask test` that needs another kernel.

use anyhow::{Result, ensure};

use super::Programs;
use super::boot::Machine;
use super::image::{self, Kernel, Recipe};
use super::qemu::{self, Accel, Hardware};
use super::report::{Outcome, all_passed, table};
use super::suite::{DEMO, clear_reports, job, on, tree};
use crate::cargo::root;
use crate::{say, setup};

/// What `cargo xtask test` runs.
const SHORT: [&str; 4] = [DEMO, "descriptors", "destroy_wait", "blockers"];

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
