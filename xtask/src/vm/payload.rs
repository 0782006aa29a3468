//! What a run carries into the machine: a file system with the tree, its programs and the script.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::folder;
use super::image::file_system;

/// In the machine, a sparse file on the host.
const SIZE: &str = "8G";
/// What of a tree stays here.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// The tree, with what was built of it.
#[derive(Clone)]
pub(crate) struct Tree {
    /// Its root, here and in the machine.
    pub(crate) folder: PathBuf,
    /// The folder of its programs. In the machine it is `target/debug` of the tree.
    pub(crate) programs: PathBuf,
    /// Test programs by name. In the machine they are in `target/debug/deps`.
    pub(crate) tests: Vec<(String, PathBuf)>,
    /// Other files by name. In the machine they are in `target`.
    pub(crate) files: Vec<(&'static str, PathBuf)>,
}

/// The contents of the second disk.
pub(crate) struct Payload<'a> {
    pub(crate) tree: &'a Tree,
    /// What the machine runs after its start.
    pub(crate) script: &'a str,
}

impl Payload<'_> {
    /// Writes `payload.ext4` into the folder of the run.
    ///
    /// # Errors
    /// When a program is missing or the disk is full.
    pub(crate) fn write(&self, run: &Path) -> Result<()> {
        let payload = run.join("payload");
        let tree = payload.join("tree");
        copy(&self.tree.folder, &tree)?;
        let programs = tree.join("target/debug");
        fs::create_dir_all(programs.join("deps"))?;
        for entry in fs::read_dir(&self.tree.programs)
            .with_context(|| format!("no programs in {}", self.tree.programs.display()))?
        {
            let entry = entry?;
            let kind = entry.metadata()?;
            if kind.is_file() && kind.permissions().mode() & 0o111 != 0 {
                link(&entry.path(), &programs.join(entry.file_name()))?;
            }
        }
        for (name, program) in &self.tree.tests {
            link(program, &programs.join("deps").join(name))?;
        }
        for (name, file) in &self.tree.files {
            link(file, &tree.join("target").join(name))?;
        }
        fs::create_dir(payload.join("bin"))?;
        // This very program, also if another was built in its place meanwhile.
        fs::copy("/proc/self/exe", payload.join("bin/xtask")).context("copying this program")?;
        fs::write(payload.join("run"), self.script)?;
        file_system(&payload, &run.join("payload.ext4"), SIZE)?;
        folder::remove(&payload)
    }
}

/// Copies the sources of a tree.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type()?;
        let own = to.join(&name);
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if kind.is_dir() {
            copy(&path, &own)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path)?, own)?;
        } else if kind.is_file() {
            link(&path, &own)?;
        }
    }
    Ok(())
}

/// Gives a file a second name, or copies it to another file system.
fn link(from: &Path, to: &Path) -> Result<()> {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)
            .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}
