//! A second build of the same commit, in another folder: each file must have the same bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::cargo::{root, supervised, target};
use crate::dist::{Made, done};
use crate::say;

/// Below the target folder.
const FOLDER: &str = "again";
const SUMS: &str = "SHA256SUMS";

/// Clones the commit, has the clone build its packages, and compares the checksums.
pub(super) fn run(made: &Made) -> Result<()> {
    let mut status = Command::new("git");
    let changed = done(status.args(["status", "--porcelain"]).current_dir(root()))?;
    ensure!(
        changed.is_empty(),
        "only what is committed can be built again: commit, or put away\n{changed}"
    );
    let clone = target().join(FOLDER);
    if clone.exists() {
        fs::remove_dir_all(&clone)?;
    }
    done(
        Command::new("git")
            .args(["clone", "--quiet"])
            .args([root(), &clone]),
    )?;
    let out = clone.join("target/dist");
    let built = supervised("cargo", |command| {
        command
            .args(["xtask", "dist", "--out"])
            .arg(&out)
            .current_dir(&clone)
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("CARGO_TARGET_DIR");
    })?;
    ensure!(
        built.status.success(),
        "the clone cannot build its packages"
    );
    let first = sums(made.deb.parent().context("a file in a folder")?)?;
    let second = sums(&out)?;
    let differ: Vec<_> = first.lines().filter(|it| !second.contains(it)).collect();
    ensure!(
        differ.is_empty() && first.lines().count() == second.lines().count(),
        "the clone's files have other bytes than these:\n{}\nSee both with diffoscope; the clone is {}",
        differ.join("\n"),
        clone.display()
    );
    say::good(format_args!(
        "two builds in two folders: the same bytes\n{first}"
    ));
    fs::remove_dir_all(&clone)?;
    Ok(())
}

fn sums(folder: &Path) -> Result<String> {
    let file = folder.join(SUMS);
    fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
}
