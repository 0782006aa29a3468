//! The client library as crates: built from tarballs without this workspace.

use anyhow::{Result, ensure};

use crate::cargo::supervised;
use crate::say;

/// The library and the crates of the workspace that it needs.
const CRATES: [&str; 7] = [
    "onair",
    "onair-api",
    "onair-essence",
    "onair-ipc",
    "onair-mutant",
    "onair-net",
    "onair-pixels",
];

/// # Errors
/// A crate lacks a file or a version that it needs.
pub(super) fn run() -> Result<()> {
    let packaged = supervised("cargo", |command| {
        let packages = CRATES.iter().flat_map(|name| ["--package", name]);
        command
            .args(["package", "--offline", "--allow-dirty"])
            .args(packages);
    })?;
    ensure!(packaged.status.success(), "see above");
    say::good("its tarballs build");
    Ok(())
}
