//! File systems of a run's own: small ones, and such that fail.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::machine::command::{output, run};

/// A file system in a file, mounted on a stage. It goes with the stage.
#[derive(Debug)]
pub struct Disk {
    place: PathBuf,
    image: PathBuf,
}

impl Disk {
    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.place
    }

    /// Copies into `image` what the device has by now, and mounts that at `place`. What the file system
    /// keeps in memory only is not in it: this is what a loss of power leaves.
    pub(crate) fn copy_device(&self, place: &Path, image: &Path) -> Result<()> {
        make_folder(place)?;
        run("cp", &["--sparse=always", text(&self.image)?, text(image)?])?;
        run("mount", &["-o", "loop", text(image)?, text(place)?])
    }

    /// Whoever writes to it waits from now on, until what is returned is dropped.
    pub fn freeze(&self) -> Result<Ice<'_>> {
        run("fsfreeze", &["--freeze", text(&self.place)?])?;
        Ok(Ice(self))
    }
}

/// Keeps a file system frozen.
#[derive(Debug)]
pub struct Ice<'a>(&'a Disk);

impl Drop for Ice<'_> {
    fn drop(&mut self) {
        thaw(&self.0.place);
    }
}

fn thaw(place: &Path) {
    if let Ok(place) = text(place) {
        // It is not frozen any more, or gone.
        let _ = output("fsfreeze", &["--unfreeze", place]);
    }
}

/// Mounts a tmpfs of `bytes` at `place`.
pub(crate) fn tmpfs(place: &Path, bytes: u64) -> Result<()> {
    make_folder(place)?;
    let options = format!("size={bytes},mode=0755");
    run(
        "mount",
        &["-t", "tmpfs", "-o", &options, "tmpfs", text(place)?],
    )
}

/// Makes an ext4 of `bytes` in the file `image`, which takes space only for what is written, and
/// mounts it at `place`.
pub(crate) fn ext4(place: &Path, image: &Path, bytes: u64) -> Result<Disk> {
    make_folder(place)?;
    let file = File::create(image).with_context(|| format!("making {}", image.display()))?;
    file.set_len(bytes)?;
    // Nothing is left for later: the kernel would write to it by itself.
    let options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
    run("mkfs.ext4", &["-q", "-E", options, "-m", "0", text(image)?])?;
    run("mount", &["-o", "loop", text(image)?, text(place)?])?;
    Ok(Disk {
        place: place.to_owned(),
        image: image.to_owned(),
    })
}

/// Takes down what is mounted at `place`, if there is something.
pub(crate) fn undo(place: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
    let is_mounted = |line: &str| line.split(' ').nth(1) == place.to_str();
    if !mounts.lines().any(is_mounted) {
        return Ok(());
    }
    thaw(place);
    // Lazily: what is still open there goes when it is closed.
    run("umount", &["--lazy", text(place)?])
}

fn make_folder(place: &Path) -> Result<()> {
    std::fs::create_dir_all(place).with_context(|| format!("making {}", place.display()))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is no text", path.display()))
}
