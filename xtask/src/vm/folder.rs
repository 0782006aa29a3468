//! Folders below `target/vm`; those of a run go with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Guard, Run, guard};

use crate::cargo::target;
use crate::say;

/// `target/vm`.
pub(crate) fn base() -> PathBuf {
    target().join("vm")
}

/// A folder that is removed at the end of its owner: when it is dropped, on a signal, and after a SIGKILL by the
/// next owner.
pub(crate) struct RunFolder {
    path: PathBuf,
    _guard: Guard,
}

impl RunFolder {
    /// Makes an empty folder in `target/vm/runs`, and removes those of owners that were killed.
    ///
    /// # Errors
    /// When the folder cannot be made, or another cannot be removed.
    pub(crate) fn new() -> Result<Self> {
        let runs = base().join("runs");
        fs::create_dir_all(&runs).with_context(|| format!("creating {}", runs.display()))?;
        for entry in fs::read_dir(&runs)? {
            let entry = entry?;
            let owner = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if !owner.is_some_and(|run: Run| run.owner.alive()) {
                remove(&entry.path())?;
            }
        }
        let path = runs.join(Run::next()?.to_string());
        fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        let own = path.clone();
        let guard = guard(move || report(remove(&own)))?;
        Ok(Self {
            path,
            _guard: guard,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        report(remove(&self.path));
    }
}

fn report(removed: Result<()>) {
    if let Err(error) = removed {
        say::warning(format_args!("{error:#}"));
    }
}

/// Removes a folder without entering another file system: a root image that was built halfway may have `/proc`
/// mounted in it.
///
/// # Errors
/// When something stays.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    let status = Command::new("rm")
        .args(["-rf", "--one-file-system"])
        .arg(folder)
        .status()
        .context("running rm")?;
    ensure!(status.success(), "cannot remove {}", folder.display());
    Ok(())
}
