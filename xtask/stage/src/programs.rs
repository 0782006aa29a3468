//! Where the programs are that the tests start.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// The program `name` of this workspace, built in the profile of the running test.
pub fn program(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("the test's own program")?;
    // A test runs as target/PROFILE/deps/NAME-HASH, a program as target/PROFILE/NAME.
    let folder = test
        .ancestors()
        .skip(1)
        .find(|folder| folder.file_name().is_none_or(|name| name != "deps"))
        .context("the test's program lies in no folder")?;
    let program = folder.join(name);
    ensure!(
        program.exists(),
        "{} is not there: `cargo xtask test` builds it before it runs the tests",
        program.display()
    );
    Ok(program)
}
