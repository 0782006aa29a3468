//! The manifest's file. While the recording runs it is `NAME.json.part`, locked, so that repair
//! leaves it alone as long as its writer lives; then `NAME.json`.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use onair_mutant::mutant;
use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags, fallocate, flock, open};

use super::folder::Folder;

/// Bytes that a manifest has in advance, so that the last one has its place also on a disk that is
/// full by then.
const RESERVED: u64 = 64 * 1024;

/// The place of a manifest, and the lock on it.
#[derive(Debug)]
pub(crate) struct ManifestFile {
    folder: Folder,
    name: String,
    /// The file that has the place, and with it the lock.
    lock: File,
}

impl ManifestFile {
    /// The name of the manifest of the recording `stem`.
    pub(crate) fn name_of(stem: &str) -> String {
        format!("{stem}.json")
    }

    /// Takes the place; `AlreadyExists` if a recording of that name is there, running or not.
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

    /// One that is there already, with its lock.
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

    /// Writes `text` beside, locked, and on disk.
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
        // Before it takes the place: that is never seen without its lock.
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all(text)?;
        if !mutant!("recording: its manifest is not synced") {
            file.sync_all()?;
        }
        Ok(file)
    }

    /// Replaces what stands there, in one step.
    pub(crate) fn update(&mut self, text: &[u8]) -> io::Result<()> {
        let file = self.prepare(text)?;
        reserve(&file);
        std::fs::rename(self.beside(), self.folder.unfinished(&self.name))?;
        self.lock = file;
        Ok(())
    }

    /// Writes the last one under its name, for good, and gives the place up.
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
                // What is left of the other one takes space that is needed now.
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

    /// Over the one that has the place, in what was reserved for it.
    fn write_in_place(&self, text: &[u8]) -> io::Result<()> {
        self.lock.write_all_at(text, 0)?;
        self.lock.set_len(text.len() as u64)?;
        self.lock.sync_all()
    }

    /// Nothing was recorded: the place is given up.
    pub(crate) fn abandon(self) {
        // It is told of already that the recording did not start.
        let _ = std::fs::remove_file(self.folder.unfinished(&self.name));
    }
}

/// Where the file system cannot reserve, the manifest takes its chance.
fn reserve(file: &File) {
    let _ = fallocate(file, FallocateFlags::KEEP_SIZE, 0, RESERVED);
}
