//! What keeps a recording from its files, while it lasts.

use std::io;

use rustix::io::Errno;

use crate::books::Loss;
use crate::gate::Door;

/// Why nothing can be written now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The guard: less would stay free than is asked for.
    #[error(
        "the disk has {} MiB free and {} MiB are to stay free: make space; it goes on by itself",
        free >> 20,
        wanted >> 20
    )]
    Low { free: u64, wanted: u64 },
    /// The system says so.
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

    /// Whether it is for want of space.
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

    /// What producers find while it lasts.
    pub(crate) fn door(&self) -> Door {
        if self.is_full() {
            Door::DiskFull
        } else {
            Door::DiskFault
        }
    }

    /// What is lost to it if the recording ends while it lasts.
    pub(crate) fn loss(&self) -> Loss {
        if self.is_full() {
            Loss::DiskFull
        } else {
            Loss::DiskFault
        }
    }
}
