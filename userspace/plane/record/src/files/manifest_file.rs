//! The manifest's file. During the recording it is `NAME.json.part`, locked, so that repair leaves
//! it unchanged while its writer lives; afterwards it is `NAME.json`.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use onair_mutant::mutant;
use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags, fallocate, flock, open};

use super::folder::Folder;

/// Bytes reserved for a manifest, so that the last one can be written even if the disk is full by
/// then.
const RESERVED: u64 = 64 * 1024;

/// The reserved name of a manifest, and its lock.
#[derive(Debug)]
pub(crate) struct ManifestFile {
    folder: Folder,
    name: String,
    /// The file with this name; it holds the lock.
    lock: File,
}

impl ManifestFile {
    /// File name of the manifest of the recording `stem`.
    pub(crate) fn name_of(stem: &str) -> String {
        format!("{stem}.json")
    }

    /// Reserves the name. `AlreadyExists` if a recording with this name exists, running or ended.
    pub(crate) fn claim(folder: &Folder, stem: &str, text: &[u8]) -> io::Result<Self> {
        let name = Self::name_of(stem);
        if folder.file(&name).symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut lock = folder.create(&folder.unfinished(&name))?;
        lock.write_all(text)?;
        reserve(&lock);
        Ok(Self {
            folder: folder.clone(),
            name,
            lock,
        })
    }

    /// Opens an ended recording again: `text` takes the place of its manifest. The new one is on disk before the
    /// other goes; of two, repair keeps the ended one.
    pub(crate) fn reopen(folder: &Folder, stem: &str, text: &[u8]) -> io::Result<Self> {
        let name = Self::name_of(stem);
        let unfinished = folder.unfinished(&name);
        let mut lock = folder.create(&unfinished)?;
        let replaced = lock.write_all(text).and_then(|()| {
            lock.sync_all()?;
            folder.sync()?;
            std::fs::remove_file(folder.file(&name))
        });
        if let Err(error) = replaced {
            // Without it the recording is as before.
            let _ = std::fs::remove_file(&unfinished);
            return Err(error);
        }
        reserve(&lock);
        Ok(Self {
            folder: folder.clone(),
            name,
            lock,
        })
    }

    /// Replaces the manifest of an ended recording.
    pub(crate) fn rewrite(folder: &Folder, stem: &str, text: &[u8]) -> io::Result<()> {
        let name = Self::name_of(stem);
        let (folder, lock) = (folder.clone(), File::open(folder.file(&name))?);
        let file = Self { folder, name, lock };
        file.prepare(text)?;
        std::fs::rename(file.beside(), file.folder.file(&file.name))?;
        file.folder.sync()
    }

    /// Takes over an existing manifest with its lock.
    pub(crate) fn resume(folder: &Folder, stem: &str, lock: File) -> Self {
        Self {
            folder: folder.clone(),
            name: Self::name_of(stem),
            lock,
        }
    }

    fn beside(&self) -> PathBuf {
        self.folder.unfinished(&format!("{}.new", self.name))
    }

    /// Writes `text` to a second file, locked and synced.
    fn prepare(&self, text: &[u8]) -> io::Result<File> {
        self.folder.make()?;
        let path = self.beside();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(open(&path, flags, Mode::from_raw_mode(0o640))?);
        // Lock it before the rename: the name must never be visible unlocked.
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all(text)?;
        if !mutant!("recording: its manifest is not synced") {
            file.sync_all()?;
        }
        Ok(file)
    }

    /// Replaces the manifest atomically.
    pub(crate) fn update(&mut self, text: &[u8]) -> io::Result<()> {
        let file = self.prepare(text)?;
        reserve(&file);
        std::fs::rename(self.beside(), self.folder.unfinished(&self.name))?;
        self.lock = file;
        Ok(())
    }

    /// Writes the final manifest under its final name and releases the reserved name.
    pub(crate) fn finish(self, text: &[u8]) -> io::Result<()> {
        let complete = self.folder.file(&self.name);
        let unfinished = self.folder.unfinished(&self.name);
        match self.prepare(text) {
            Ok(_) => {
                self.folder.rename(&self.beside(), &complete)?;
                match std::fs::remove_file(&unfinished) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // Remains of the second file take space that is needed now.
                let _ = std::fs::remove_file(self.beside());
                self.write_in_place(text)?;
                self.folder.rename(&unfinished, &complete)?;
            }
            Err(error) => return Err(error),
        }
        if mutant!("recording: its folder is not synced") {
            return Ok(());
        }
        self.folder.sync()
    }

    /// Overwrites the file with the lock, in its reserved space.
    fn write_in_place(&self, text: &[u8]) -> io::Result<()> {
        self.lock.write_all_at(text, 0)?;
        self.lock.set_len(text.len() as u64)?;
        self.lock.sync_all()
    }

    /// Nothing was recorded: releases the name.
    pub(crate) fn abandon(self) {
        // The failed start is already reported.
        let _ = std::fs::remove_file(self.folder.unfinished(&self.name));
    }
}

/// If the file system cannot reserve space, a later write may fail.
fn reserve(file: &File) {
    let _ = fallocate(file, FallocateFlags::KEEP_SIZE, 0, RESERVED);
}
