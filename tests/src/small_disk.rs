//! A disk that is soon full.

use std::path::{Path, PathBuf};

use anyhow::Result;
use onair_stage::{Stage, run};

/// A tmpfs in a stage's folder. It is unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// One of so many MiB.
    pub fn mount(stage: &Stage, megabytes: u32) -> Result<Self> {
        let folder = stage.directory().join("disk");
        std::fs::create_dir_all(&folder)?;
        let size = format!("size={megabytes}m");
        let target = folder.display().to_string();
        run(
            "mount",
            &["-t", "tmpfs", "-o", &size, "onair-test", &target],
        )?;
        Ok(Self(folder))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a daemon of a test that failed may still have files on it.
        if let Err(error) = run("umount", &["-l", &self.0.display().to_string()]) {
            eprintln!("{error:#}");
        }
    }
}
