//! The manifest of an interrupted recording, opened safely and locked.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use onair_disk::{Unfit, open_regular};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::files::ManifestFile;
use crate::manifest::{MANIFEST_VERSION, Manifest, Stage};
use crate::spec::{RecordName, UNFINISHED};

/// The manifest of an interrupted recording. While this exists, no other process repairs the
/// recording.
pub(super) struct Claim {
    pub(super) manifest: Manifest,
    pub(super) lock: File,
}

/// Contents of a running recording's manifest.
pub(super) enum Claimed {
    Cut(Box<Claim>),
    /// Nothing: removed.
    Empty(String),
    /// The recording was complete and only this file was left: removed.
    Complete,
}

/// Why repair leaves it unchanged.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOurs {
    #[error("another process writes it")]
    InUse,
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("it has {0} bytes, more than any manifest")]
    Size(u64),
    #[error("it holds something else: {0}")]
    Form(#[from] serde_json::Error),
    #[error("its version is {0}, but this onaird reads {MANIFEST_VERSION}")]
    Version(u32),
    #[error("it belongs to a recording named {0}")]
    Name(RecordName),
    #[error("it says that the recording has ended")]
    Ended,
    #[error("{0} already exists and belongs to another recording")]
    Taken(String),
    #[error("{0}")]
    Read(#[from] io::Error),
}

impl From<Errno> for NotOurs {
    fn from(error: Errno) -> Self {
        Self::Read(error.into())
    }
}

impl Claim {
    pub(super) fn take(folder: &Path, stem: &RecordName) -> Result<Claimed, NotOurs> {
        let complete = ManifestFile::name_of(stem.as_str());
        let path = folder.join(format!("{complete}.{UNFINISHED}"));
        let mut file = open_regular(&path, OFlags::RDWR)?;
        match flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(NotOurs::InUse),
            result => result?,
        }
        // Its writer may have replaced it before this process locked it.
        let (own, there) = (file.metadata()?, path.symlink_metadata()?);
        if (own.dev(), own.ino()) != (there.dev(), there.ino()) {
            return Err(NotOurs::InUse);
        }
        if own.len() == 0 {
            std::fs::remove_file(&path)?;
            return Ok(Claimed::Empty(stem.to_string()));
        }
        let manifest = parse(&mut file)?;
        // If another process renamed it, it would lead to another recording's files.
        if manifest.name != *stem {
            return Err(NotOurs::Name(manifest.name));
        }
        if manifest.stage != Stage::Recording {
            return Err(NotOurs::Ended);
        }
        let finished = folder.join(&complete);
        if finished.symlink_metadata().is_ok() {
            let other = parse(&mut open_regular(&finished, OFlags::RDWR)?)?;
            if (&other.id, other.started_at) != (&manifest.id, manifest.started_at) {
                return Err(NotOurs::Taken(complete));
            }
            std::fs::remove_file(&path)?;
            return Ok(Claimed::Complete);
        }
        let lock = file;
        Ok(Claimed::Cut(Box::new(Self { manifest, lock })))
    }
}

fn parse(file: &mut File) -> Result<Manifest, NotOurs> {
    let size = file.metadata()?.len();
    if size > Manifest::MOST_BYTES {
        return Err(NotOurs::Size(size));
    }
    let mut text = Vec::new();
    file.take(Manifest::MOST_BYTES).read_to_end(&mut text)?;
    let version: serde_json::Value = serde_json::from_slice(&text)?;
    match version.get("version").and_then(serde_json::Value::as_u64) {
        Some(number) if number != u64::from(MANIFEST_VERSION) => {
            Err(NotOurs::Version(u32::try_from(number).unwrap_or(u32::MAX)))
        }
        _ => Ok(serde_json::from_value(version)?),
    }
}
