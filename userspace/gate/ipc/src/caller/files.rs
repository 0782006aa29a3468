//! A client's checks of the files that the daemon sends, before it maps them.
//!
//! A mapping of a file that the daemon can still truncate is dangerous: the next access behind its
//! new end is `SIGBUS`. So each file must be sealed against that, and must be ordinary shared
//! memory: a missing page of a huge-page file may be unavailable at the first access (`SIGBUS`,
//! too).

use std::io;
use std::os::fd::OwnedFd;

use onair_mutant::mutant;
use rustix::fs::{SealFlags, fcntl_get_seals, fstat, fstatfs};
use rustix::io::Errno;

use crate::layout::Geometry;

/// Why an attachment was not mapped.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The message and the files are inconsistent.
    #[error("the daemon {0}")]
    Contradiction(&'static str),
    /// The daemon could kill the process through the file.
    #[error("the daemon's file {file:?} {why}")]
    Unsafe {
        /// `ctl`, `seg` or `frames`.
        file: &'static str,
        /// Reason, for people.
        why: &'static str,
    },
    /// The kernel refused an operation.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Checks `ctl`, `seg` and `frames`.
pub(super) fn check(files: &[OwnedFd; 3], geometry: &Geometry) -> Result<(), MapError> {
    let lens = [
        geometry.ctl_len(),
        geometry.seg_len(),
        geometry.frames_len(),
    ];
    for ((file, name), len) in files.iter().zip(["ctl", "seg", "frames"]).zip(lens) {
        let unsafe_because = |why| Err(MapError::Unsafe { file: name, why });
        // Check the seal before the length: with the seal, the length cannot change.
        let seals = match fcntl_get_seals(file) {
            // A file that cannot be sealed.
            Err(Errno::INVAL) => SealFlags::empty(),
            seals => seals.map_err(io::Error::from)?,
        };
        if !seals.contains(SealFlags::SHRINK) && !mutant!("files: no seal is asked for") {
            return unsafe_because("is not sealed against truncation");
        }
        let kind = fstatfs(file).map_err(io::Error::from)?.f_type;
        if kind == libc::HUGETLBFS_MAGIC {
            return unsafe_because("is on huge pages, which may run out");
        }
        let found = fstat(file).map_err(io::Error::from)?.st_size;
        if found < i64::try_from(len).unwrap_or(i64::MAX) {
            return Err(MapError::Contradiction("sent a file that is too short"));
        }
    }
    Ok(())
}
