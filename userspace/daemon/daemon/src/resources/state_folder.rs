//! The state directory with its journal, for as long as this process has its lock.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::ResourceError;
use super::journal::{Journal, JournalState};
use super::lock::StateLock;
use super::resource::Resource;

/// Why the journal on disk is out of date, for threads that do not wait for the disk.
pub(super) type Unwritten = Arc<Mutex<Option<String>>>;

/// This process's state of the folder.
#[derive(Debug)]
pub(super) struct StateFolder {
    pub(super) dir: PathBuf,
    pub(super) journal: Journal,
    pub(super) state: JournalState,
    /// State on disk: the same is not written again. Each write costs a start some milliseconds.
    pub(super) written: Option<JournalState>,
    pub(super) unwritten: Unwritten,
    pub(super) lock: StateLock,
    /// The journal on disk is of a daemon that has left the folder, until the first write.
    pub(super) is_inherited: bool,
    /// Another daemon has the folder now: nothing is written any more.
    pub(super) is_left: bool,
}

impl StateFolder {
    /// Undoes by force the resources of `which`, last first. Those that remain stay in the journal.
    pub(super) fn force(&mut self, which: impl Fn(&Resource) -> bool) -> Vec<String> {
        let (mut forced, mut kept) = (Vec::new(), Vec::new());
        for resource in std::mem::take(&mut self.state.resources).into_iter().rev() {
            if !which(&resource) {
                kept.push(resource);
                continue;
            }
            match resource.force() {
                Ok(done) => forced.extend(done),
                Err(error) => {
                    tracing::error!(
                        resource = resource.name(),
                        %error,
                        "not released: the next start tries again"
                    );
                    kept.push(resource);
                }
            }
        }
        kept.reverse();
        self.state.resources = kept;
        forced
    }

    /// Records the identity of the resources of `which`.
    pub(super) fn note_those(&mut self, which: impl Fn(&Resource) -> bool) {
        for resource in self.state.resources.iter_mut().filter(|it| which(it)) {
            if let Err(error) = resource.note() {
                tracing::warn!(resource = resource.name(), %error, "cannot inspect the resource");
            }
        }
    }

    /// Writes the journal. A full disk is no reason not to start: it is noted, and tried again.
    pub(super) fn save(&mut self) -> Result<(), ResourceError> {
        if self.is_left || self.written.as_ref() == Some(&self.state) {
            return Ok(());
        }
        let written = self.journal.write(&self.state);
        self.is_inherited = false;
        self.written = written.is_ok().then(|| self.state.clone());
        let has_no_room = |error: &std::io::Error| {
            use std::io::ErrorKind::{QuotaExceeded, StorageFull};
            matches!(error.kind(), StorageFull | QuotaExceeded)
        };
        let (noted, result) = match written {
            Ok(()) => (None, Ok(())),
            Err(error) if has_no_room(&error) => (Some(error.to_string()), Ok(())),
            Err(error) => (Some(error.to_string()), Err(error)),
        };
        let before = std::mem::replace(
            &mut *self
                .unwritten
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
            noted.clone(),
        );
        match (before, &noted) {
            (None, Some(error)) => {
                tracing::error!(
                    error,
                    "the journal of resources is not on disk: the daemon retries"
                );
            }
            (Some(_), None) => tracing::info!("the journal of resources is on disk now"),
            _ => {}
        }
        result.map_err(|error| ResourceError::System {
            what: "write the journal in",
            path: self.dir.clone(),
            error,
        })
    }
}
