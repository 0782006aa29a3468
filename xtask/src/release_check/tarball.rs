//! The client library as crates: documented, and built from tarballs without this workspace.

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
/// A link of the documentation leads nowhere, or a crate lacks a file or a version that it needs.
pub(super) fn run() -> Result<()> {
    let documented = supervised("cargo", |command| {
        command
            .args(["doc", "--package", CRATES[0], "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
    })?;
    ensure!(documented.status.success(), "see above");
    let packaged = supervised("cargo", |command| {
        let packages = CRATES.iter().flat_map(|name| ["--package", name]);
        command
            .args(["package", "--offline", "--allow-dirty"])
            .args(packages);
    })?;
    ensure!(packaged.status.success(), "see above");
    say::good("its documentation and its tarballs build");
    Ok(())
}
