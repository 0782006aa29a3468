//! axe-core, which the tests of the wall run in a browser: below `target/tools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::cargo::{root, target};

fn folder() -> PathBuf {
    target().join("tools/axe")
}

fn list() -> PathBuf {
    root().join("tests/axe.txt")
}

/// Whether the version of the list is there.
///
/// # Errors
/// The list cannot be read.
pub(super) fn is_installed() -> Result<bool> {
    let wanted = fs::read(list())?;
    Ok(fs::read(folder().join("axe.txt")).is_ok_and(|it| it == wanted))
}

/// Installs it, if it is not.
///
/// # Errors
/// Python is missing, or the package cannot be downloaded.
pub(super) fn install() -> Result<()> {
    if is_installed()? {
        return Ok(());
    }
    let folder = folder();
    let mut venv = Command::new("/usr/bin/python3");
    run(venv.args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.args(["--no-deps", "--require-hashes", "--target"]);
    run(pip
        .arg(folder.join("script"))
        .arg("--requirement")
        .arg(list()))?;
    // Last: it says that all is there.
    fs::copy(list(), folder.join(Path::new("axe.txt")))?;
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("running {command:?}"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}
