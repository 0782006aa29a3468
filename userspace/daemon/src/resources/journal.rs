//! What a daemon has put into the kernel and onto the disk, written down before it is made.
//!
//! One file, replaced as a whole: it is written some six times in a daemon's life. It stays after a
//! clean end, without things, for the incarnation that stands in it.

use std::path::{Path, PathBuf};

use onair_record::{Unfit, read_regular};
use serde::{Deserialize, Serialize};

use super::{Owner, Resource};
use crate::disk;

/// The file's name in the state directory.
pub const FILE: &str = "resources.json";
/// Largest file that is read; the daemon's own have some kilobytes.
const MOST_BYTES: u64 = 16 << 20;

/// What stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalState {
    /// Who wrote it.
    pub owner: Owner,
    /// The high half of the session ids that it gives out; never used again.
    pub incarnation: u32,
    /// What it has made, or is about to, in this order.
    pub things: Vec<Resource>,
    /// What daemons before it made, and it could not undo.
    #[serde(default)]
    pub left: Vec<Resource>,
}

/// The file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    /// In the state directory `dir`.
    pub fn in_folder(dir: &Path) -> Self {
        Self {
            path: dir.join(FILE),
        }
    }

    /// What an earlier daemon wrote. A file that does not hold is set aside and named in the log.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> std::io::Result<Option<JournalState>> {
        let page = match read_regular(&self.path, MOST_BYTES) {
            Err(Unfit::System(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(Unfit::System(error)) => return Err(error),
            Err(unfit) => Err(unfit.to_string()),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        };
        match page {
            Ok(page) => Ok(Some(page)),
            Err(error) => {
                let aside = disk::set_aside(&self.path)?;
                tracing::error!(
                    path = %aside.display(), %error,
                    "the journal of resources does not hold: if a daemon was killed, look by hand \
                     for XDP programs and promiscuous mode that it left on its interfaces"
                );
                Ok(None)
            }
        }
    }

    /// Writes it, whole or not at all, and onto the disk.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, page: &JournalState) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec_pretty(page)?;
        bytes.push(b'\n');
        disk::replace(&self.path, &bytes)
    }
}
