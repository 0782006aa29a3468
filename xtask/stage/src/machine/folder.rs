//! The folder with the records of what runs put up.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result};

/// Where the records lie. It is there only while there is something to record.
pub(crate) const FOLDER: &str = "/run/onair-xtask";

/// The folder with the records, locked for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    /// flock(2) on the folder itself, so that no lock file is left over.
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, and waits for its lock.
    pub(crate) fn open() -> Result<Self> {
        loop {
            match fs::create_dir(FOLDER) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(error).with_context(|| {
                        format!("cannot make {FOLDER}: network namespaces and hugepages need root")
                    });
                }
                _ => {}
            }
            let lock = match File::open(FOLDER) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other.with_context(|| format!("opening {FOLDER}"))?,
            };
            lock.lock().with_context(|| format!("locking {FOLDER}"))?;
            // Another run may have removed the folder while we waited.
            if fs::metadata(FOLDER)
                .is_ok_and(|now| lock.metadata().is_ok_and(|own| own.ino() == now.ino()))
            {
                return Ok(Self { _lock: lock });
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Only an empty folder can be removed: an error says that there is still something in it.
        let _ = fs::remove_dir(FOLDER);
    }
}
