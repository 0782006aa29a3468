//! `cargo xtask dist --check`: Debian's rules, then the package's life.

use std::path::Path;

use anyhow::{Result, ensure};

use super::life_cycle;
use crate::cargo::{self, program, programs_in, supervised};
use crate::{clean_up, say};

/// A client that takes frames and checks each.
const CLIENT: &str = "onair-verify";

/// Checks the package `deb`; `programs` has the client, too, or it is built.
pub(super) fn run(deb: &Path, programs: Option<&Path>) -> Result<()> {
    say::step("Lintian");
    let done = supervised("lintian", |command| {
        command
            .args(["--allow-root", "--fail-on", "error,warning"])
            .args(["--tag-display-limit", "0"])
            .arg(deb);
    })?;
    ensure!(done.status.success(), "lintian found faults: see above");
    say::good("no error and no warning");

    let built = match programs {
        Some(folder) => programs_in(folder)?,
        None => cargo::build()?,
    };
    say::step("Life cycle in a container of Debian 12");
    clean_up::report(&onair_stage::take_down_leftovers()?);
    life_cycle::run(deb, program(&built, CLIENT)?)
}
