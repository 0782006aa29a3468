//! Journal of a daemon's objects in the kernel and on the disk, written before the resource is
//! created.
//!
//! One file, replaced as a whole: it is written some six times in a daemon's life. It remains after
//! a clean shutdown, without resources, because it holds the incarnation.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use onair_disk::{RealDisk, Unfit, read_regular, replace, set_aside};
use serde::{Deserialize, Serialize};

use super::{Owner, Resource};

/// File name in the state directory.
pub const FILE: &str = "resources.json";
/// Largest file that is read; the daemon writes some kilobytes.
const MOST_BYTES: u64 = 16 << 20;

/// Contents of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalState {
    /// The daemon that wrote it.
    pub owner: Owner,
    /// Its guardian, which has its files and its memory a little longer.
    #[serde(default)]
    pub guardian: Option<Owner>,
    /// High half of the session ids that this daemon gives out; never used again.
    pub incarnation: u32,
    /// Resources that it has created or is about to create, in this order.
    #[serde(rename = "things")]
    pub resources: Vec<Resource>,
    /// Resources of previous daemons that it could not undo.
    #[serde(default, rename = "left")]
    pub not_undone: Vec<Resource>,
}

/// The journal's file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// The damaged file that [`Self::read`] has set aside.
    aside: OnceLock<PathBuf>,
}

/// Why the file is no journal.
#[derive(Debug, thiserror::Error)]
enum InvalidJournal {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Form(#[from] serde_json::Error),
}

impl Journal {
    fn parse(&self) -> Result<JournalState, InvalidJournal> {
        Ok(serde_json::from_slice(&read_regular(
            &self.path, MOST_BYTES,
        )?)?)
    }

    /// The journal in the state directory `dir`.
    pub fn in_folder(dir: &Path) -> Self {
        Self {
            path: dir.join(FILE),
            aside: OnceLock::new(),
        }
    }

    /// The damaged file that was set aside, if there was one.
    pub fn set_aside(&self) -> Option<&Path> {
        self.aside.get().map(PathBuf::as_path)
    }

    /// Reads what a previous daemon wrote. An invalid file is renamed and logged.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self) -> std::io::Result<Option<JournalState>> {
        match self.parse() {
            Ok(state) => Ok(Some(state)),
            Err(InvalidJournal::Unfit(Unfit::System(error))) => match error.kind() {
                std::io::ErrorKind::NotFound => Ok(None),
                _ => Err(error),
            },
            Err(error) => {
                let aside = set_aside(&RealDisk, &self.path)?;
                tracing::error!(
                    path = %aside.display(), %error,
                    "invalid journal of resources: if a daemon was killed, check its interfaces by \
                     hand for leftover XDP programs and promiscuous mode"
                );
                let _ = self.aside.set(aside);
                Ok(None)
            }
        }
    }

    /// Writes it atomically and syncs it to disk.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, state: &JournalState) -> std::io::Result<()> {
        let mut bytes = serde_json::to_vec_pretty(state)?;
        bytes.push(b'\n');
        replace(&RealDisk, &self.path, &bytes)
    }
}
