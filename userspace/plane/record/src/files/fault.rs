//! Faults that stop a recording from writing its files.

use std::io;

use rustix::io::Errno;

use crate::producer::gate::Door;
use crate::totals::Loss;

/// Why nothing can be written now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// A write would leave less free space than the reserve.
    #[error(
        "the disk has {} MiB free and {} MiB are to stay free: make space; it goes on by itself",
        free >> 20,
        wanted >> 20
    )]
    Low { free: u64, wanted: u64 },
    /// A system call failed.
    #[error("{what}: {source}; it is tried again each second")]
    System { what: String, source: io::Error },
}

impl Fault {
    pub(crate) fn system(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System {
            what: what.into(),
            source: source.into(),
        }
    }

    /// Whether the cause is missing space.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Low { .. } => true,
            Self::System { source, .. } => {
                let error = source.raw_os_error();
                [Errno::NOSPC, Errno::DQUOT]
                    .map(|it| Some(it.raw_os_error()))
                    .contains(&error)
            }
        }
    }

    /// Door state for producers during the fault.
    pub(crate) fn door(&self) -> Door {
        if self.is_full() {
            Door::DiskFull
        } else {
            Door::DiskFault
        }
    }

    /// Loss reason if the recording ends during the fault.
    pub(crate) fn loss(&self) -> Loss {
        if self.is_full() {
            Loss::DiskFull
        } else {
            Loss::DiskFault
        }
    }
}
