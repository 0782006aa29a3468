//! One daemon a state directory: the daemon that has the folder's lock may write in the folder, and
//! may undo what the journal names.

use std::fmt::Display;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use onair_mutant::mutant;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::ResourceError;
use super::journal::Journal;
use super::owner::{Owner, ProcessStatus};

/// Interval between two checks of a dying daemon.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock. It ends with the process.
#[derive(Debug)]
pub(super) struct StateLock {
    _folder: File,
}

impl StateLock {
    /// Creates the folder if needed and locks it. Waits up to `patience` for a killed daemon that
    /// the kernel still takes down (75 to 145 ms for each of its BPF links). Does not wait for a
    /// running one.
    pub(super) fn take(
        dir: &Path,
        journal: &Journal,
        patience: Duration,
    ) -> Result<Self, ResourceError> {
        let system = |what| {
            move |error: std::io::Error| ResourceError::System {
                what,
                path: dir.to_owned(),
                error,
            }
        };
        std::fs::create_dir_all(dir).map_err(system("make the folder"))?;
        // Lock the folder itself: no lock file is left over.
        let folder = File::open(dir).map_err(system("open the folder"))?;
        let begin = Instant::now();
        let mut has_logged = false;
        let mut wait = |owner: &dyn Display| -> Result<(), ResourceError> {
            if begin.elapsed() >= patience {
                return Err(ResourceError::InUse {
                    dir: dir.to_owned(),
                    owner: owner.to_string(),
                });
            }
            if !has_logged {
                has_logged = true;
                tracing::info!(%owner, "waiting for the previous daemon to exit");
            }
            std::thread::sleep(PAUSE);
            Ok(())
        };
        loop {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) => {}
                Err(error) => return Err(system("lock the folder")(error.into())),
            }
            let state = journal.read().map_err(system("read the journal in"))?;
            let owner = state.map(|state| state.owner);
            let status = owner.as_ref().map(Owner::status).transpose();
            if status.map_err(system("read /proc for"))? == Some(ProcessStatus::Lives) {
                return Err(ResourceError::InUse {
                    dir: dir.to_owned(),
                    owner: owner.expect("it lives").to_string(),
                });
            }
            match &owner {
                Some(owner) => wait(owner)?,
                None => wait(&"another daemon")?,
            }
        }
        // The kernel closes its files one after the other: the lock may be free before its sockets
        // and links.
        if let Some(state) = journal.read().map_err(system("read the journal in"))? {
            let me = Owner::me().map_err(system("read /proc for"))?;
            let is_there = |process: &Owner| {
                let status = process.status().map_err(system("read /proc for"))?;
                Ok(*process != me && matches!(status, ProcessStatus::Dying | ProcessStatus::Lives))
            };
            while is_there(&state.owner)? {
                wait(&state.owner)?;
            }
            // It has what the daemon had, and ends by itself.
            if let Some(guardian) = &state.guardian {
                let (pid, owner) = (guardian.pid, &state.owner);
                while !mutant!("start: beside the last daemon's guardian") && is_there(guardian)? {
                    wait(&format_args!(
                        "process {pid}, the guardian of the dead {owner},"
                    ))?;
                }
            }
        }
        Ok(Self { _folder: folder })
    }
}
