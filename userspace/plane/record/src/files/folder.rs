//! Folder of a recording: file names, free space, and renames that do not overwrite.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    FlockOperation, Mode, OFlags, RenameFlags, flock, fstatvfs, open, renameat_with, statvfs,
};
use rustix::io::Errno;

use super::fault::Fault;
use crate::spec::UNFINISHED;

/// The folder of one recording's files.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    stem: String,
    extension: &'static str,
    is_split: bool,
    min_free: u64,
}

impl Folder {
    pub(crate) fn new(
        path: &Path,
        stem: &str,
        extension: &'static str,
        is_split: bool,
        min_free: u64,
    ) -> Self {
        Self {
            path: path.to_owned(),
            stem: stem.to_owned(),
            extension,
            is_split,
            min_free,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The recording's name.
    pub(crate) fn stem(&self) -> &str {
        &self.stem
    }

    /// Creates the folder if it does not exist.
    pub(crate) fn make(&self) -> io::Result<()> {
        std::fs::create_dir_all(&self.path)
    }

    /// Name of part `number`, from 1. An unsplit recording has numbers only from its second part
    /// on; it has one only if its first file was removed.
    pub(crate) fn part_name(&self, number: u32) -> String {
        if number == 1 && !self.is_split {
            format!("{}.{}", self.stem, self.extension)
        } else {
            format!("{}.{number:04}.{}", self.stem, self.extension)
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Path of a file until it is complete.
    pub(crate) fn unfinished(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.{UNFINISHED}"))
    }

    /// Creates a file and locks it, so that repair does not take it.
    pub(crate) fn create(&self, path: &Path) -> io::Result<File> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(open(path, flags, Mode::from_raw_mode(0o640))?);
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(file)
    }

    /// Gives a finished file its name. Fails if the name exists.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let here = rustix::fs::CWD;
        match renameat_with(here, from, here, to, RenameFlags::NOREPLACE) {
            // Not every file system supports it: then another process may create the name between
            // the check and the rename.
            Err(Errno::INVAL | Errno::NOSYS) => match to.symlink_metadata() {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => std::fs::rename(from, to),
            },
            result => Ok(result?),
        }
    }

    /// Syncs the folder: the names are on disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Whether `bytes` more bytes may be written to `file`.
    pub(crate) fn has_place(&self, file: &File, size: usize) -> Result<(), Fault> {
        if self.min_free == 0 {
            // The kernel reports missing space at the write.
            return Ok(());
        }
        let about = fstatvfs(file.as_fd())
            .map_err(|error| Fault::system("reading the free space", error))?;
        self.enough(about.f_bavail * about.f_frsize, size)
    }

    /// Free bytes of the folder's file system.
    pub(crate) fn free(&self) -> io::Result<u64> {
        let about = statvfs(&self.path)?;
        Ok(about.f_bavail * about.f_frsize)
    }

    fn enough(&self, free: u64, size: usize) -> Result<(), Fault> {
        if free < self.min_free.saturating_add(size as u64) {
            return Err(Fault::Low {
                free,
                wanted: self.min_free,
            });
        }
        Ok(())
    }
}
