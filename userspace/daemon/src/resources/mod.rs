//! What this process puts into the kernel and onto the disk. Each resource is written to the
//! journal before it is created, and removed from it when it is gone.
//!
//! Its owner releases a resource in the normal way: the dataplane closes a port, a socket's file
//! goes with its socket. What remains after that, or after its time-out, is undone here by force.
//! The next daemon undoes what a killed daemon left, as the journal names it. It never touches what
//! another daemon has, or what existed before.
//!
//! Policy, sessions and DPDK objects do not belong here.

mod journal;
mod lock;
mod owner;
mod resource;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use self::journal::{FILE, Journal, JournalState};
use self::lock::StateLock;
pub use self::owner::{Owner, ProcessStatus};
pub use self::resource::{Before, Resource};

/// Why the daemon may not start.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// Another daemon uses the state directory.
    #[error("{owner} uses state.dir {}: stop it, or configure another directory", dir.display())]
    InUse {
        /// The state directory.
        dir: PathBuf,
        /// The other daemon.
        owner: String,
    },
    /// The guardian of a dead daemon does not end.
    #[error("{user} still has the files of state.dir {}: end it with `kill -9 {pid}`", dir.display())]
    GuardianRemains {
        /// The state directory.
        dir: PathBuf,
        /// The guardian and its daemon.
        user: String,
        /// The guardian's process id.
        pid: u32,
    },
    /// A system call failed.
    #[error("cannot {what} {}: {error}", path.display())]
    System {
        /// The operation.
        what: &'static str,
        /// The path.
        path: PathBuf,
        /// The kernel's error.
        error: std::io::Error,
    },
}

/// This process's resources in the kernel and on disk. Cheap to clone; any thread may release by
/// force.
#[derive(Clone, Debug)]
pub struct Resources {
    inner: Arc<Mutex<Inner>>,
    unwritten: Unwritten,
    damaged: Option<PathBuf>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    journal: Journal,
    state: JournalState,
    unwritten: Unwritten,
    _lock: StateLock,
}

/// Why the journal on disk is out of date, for threads that do not wait for the disk.
type Unwritten = Arc<Mutex<Option<String>>>;

impl Resources {
    /// Takes the state directory for this process and undoes what a killed previous daemon left.
    /// Waits up to `timeout` until that daemon is gone.
    ///
    /// # Errors
    /// [`ResourceError`]: another daemon uses the folder, or the folder is unusable.
    pub fn open(dir: &Path, timeout: Duration) -> Result<Self, ResourceError> {
        let system = |what| {
            move |error| ResourceError::System {
                what,
                path: dir.to_owned(),
                error,
            }
        };
        let journal = Journal::in_folder(dir);
        let lock = StateLock::take(dir, &journal, timeout)?;
        let before = journal.read().map_err(system("read the journal in"))?;
        let mut state = JournalState {
            owner: Owner::me().map_err(system("read /proc for"))?,
            guardian: None,
            incarnation: 0,
            resources: Vec::new(),
            not_undone: Vec::new(),
        };
        if let Some(before) = before {
            state.incarnation = before.incarnation;
            state.not_undone = undo(before).map_err(system("read /proc for"))?;
        }
        let unwritten = Unwritten::default();
        let inner = Inner {
            dir: dir.to_owned(),
            journal,
            state,
            unwritten: Arc::clone(&unwritten),
            _lock: lock,
        };
        inner.save()?;
        let damaged = inner.journal.set_aside().map(Path::to_owned);
        let inner = Arc::new(Mutex::new(inner));
        Ok(Self {
            inner,
            unwritten,
            damaged,
        })
    }

    /// The journal of the daemon before was damaged: what to look at, and which file it is now.
    #[must_use]
    pub fn damaged(&self) -> Option<String> {
        let aside = self.damaged.as_ref()?.display();
        Some(format!(
            "the journal of resources was damaged and is now {aside}: if a daemon was killed before, look for XDP \
             programs and promiscuous mode that it left on interfaces, then restart the daemon"
        ))
    }

    /// Why the journal on disk is out of date; `None`: it is not.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let unwritten = self.unwritten.lock();
        let error = unwritten.unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(format!(
            "the journal of resources in state.dir is not up to date ({error}): make room; if the daemon is killed \
             before, an XDP program may stay on an interface"
        ))
    }

    /// Writes a journal again that the disk had no room for. May wait for the disk.
    pub fn retry(&self) {
        if self.problem().is_some() {
            // It stays as it was.
            let _ = self.inner().save();
        }
    }

    /// Begins an incarnation, the high half of the session ids that this daemon gives out: Unix
    /// seconds, or more. No daemon on this state directory has used it before. `newest` is the
    /// highest one known from elsewhere.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn begin_incarnation(&self, newest: u32) -> Result<u32, ResourceError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // Wraps in 2106.
        let now = now.map_or(0, |now| now.as_secs() & 0xffff_ffff);
        let now = u32::try_from(now).expect("32 bits");
        let mut inner = self.inner();
        // Two daemons within a second, or a clock set back: ids stay unique.
        let used = inner.state.incarnation.max(newest);
        inner.state.incarnation = now.max(used.saturating_add(1));
        inner.save()?;
        Ok(inner.state.incarnation)
    }

    /// Writes a resource to the journal before it is created. Returns when the journal is on disk.
    ///
    /// # Errors
    /// [`ResourceError::System`]: do not create the resource.
    pub fn register(
        &self,
        resources: impl IntoIterator<Item = Resource>,
    ) -> Result<(), ResourceError> {
        let mut inner = self.inner();
        for mut resource in resources {
            inner.state.not_undone.retain(|old| !resource.replaces(old));
            inner.state.resources.push(resource);
        }
        inner.save()
    }

    /// Records the identity of the created resources, to recognise them later.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn note(&self) -> Result<(), ResourceError> {
        self.note_those(|_| true)
    }

    /// [`Self::note`] for socket files: before the ports are opened, which may hang.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn note_sockets(&self) -> Result<(), ResourceError> {
        self.note_those(|resource| matches!(resource, Resource::SocketFile { .. }))
    }

    fn note_those(&self, of: impl Fn(&Resource) -> bool) -> Result<(), ResourceError> {
        let mut inner = self.inner();
        for resource in inner.state.resources.iter_mut().filter(|it| of(it)) {
            if let Err(error) = resource.note() {
                tracing::warn!(resource = resource.name(), %error, "cannot inspect the resource");
            }
        }
        inner.save()
    }

    /// Registers a port that is opened again, in the place of what it was before.
    ///
    /// # Errors
    /// [`ResourceError::System`]: do not create the resource.
    pub fn renew(&self, port: Resource) -> Result<(), ResourceError> {
        let mut inner = self.inner();
        let name = port.name();
        inner.state.resources.retain(|old| old.name() != name);
        inner.state.resources.push(port);
        inner.save()
    }

    /// [`Self::note`] for the port `name`.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn note_port(&self, name: &str) -> Result<(), ResourceError> {
        self.note_those(|it| matches!(it, Resource::Port { name: own, .. } if own == name))
    }

    /// Records the guardian of this process: the next daemon waits for its end, too.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn note_guardian(&self, pid: u32) -> Result<(), ResourceError> {
        let mut inner = self.inner();
        // If it is gone already, there is nothing to wait for.
        inner.state.guardian = Owner::of(pid).ok();
        inner.save()
    }

    /// Names of the registered resources.
    pub fn names(&self) -> Vec<String> {
        self.inner()
            .state
            .resources
            .iter()
            .map(Resource::name)
            .collect()
    }

    /// Undoes by force the registered resources that still exist, last first, and removes them from
    /// the journal. If each was released before, there is nothing to do. Returns what was undone by
    /// force, one line each. Blocks for some milliseconds; never waits for another thread of this
    /// process that hangs.
    pub fn release(&self) -> Vec<String> {
        let mut inner = self.inner();
        let mut forced = Vec::new();
        for resource in std::mem::take(&mut inner.state.resources).into_iter().rev() {
            match resource.force() {
                Ok(done) => forced.extend(done),
                Err(error) => {
                    tracing::error!(
                        resource = resource.name(),
                        %error,
                        "not released: the next start tries again"
                    );
                    inner.state.resources.insert(0, resource);
                }
            }
        }
        if let Err(error) = inner.save() {
            // The journal lists resources that are gone: the next start finds nothing to undo.
            tracing::error!(%error, "cannot write the journal of resources: it is out of date");
        }
        forced
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Writes the journal. A full disk is no reason not to start: it is noted, and tried again.
    fn save(&self) -> Result<(), ResourceError> {
        let written = self.journal.write(&self.state);
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

/// Undoes the resources of a dead daemon, of its journal's `state`. Returns those that may remain.
fn undo(state: JournalState) -> std::io::Result<Vec<Resource>> {
    let mut resources = state.not_undone;
    resources.extend(state.resources);
    if resources.is_empty() {
        return Ok(resources);
    }
    let after_boot = state.owner.status()? != ProcessStatus::BeforeBoot;
    let (mut undone, mut with_it, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for resource in resources.into_iter().rev() {
        if let Resource::OfProcess { what } = resource {
            with_it.insert(0, what);
            continue;
        }
        // Files survive a reboot; kernel resources do not.
        if !after_boot && !matches!(resource, Resource::SocketFile { .. }) {
            continue;
        }
        match resource.undo() {
            Ok(done) => undone.extend(done),
            Err(error) => {
                tracing::error!(
                    resource = resource.name(),
                    %error,
                    "cannot undo what a previous daemon left: the next start tries again"
                );
                left.insert(0, resource);
            }
        }
    }
    tracing::warn!(
        killed = state.owner.pid,
        gone_with_it = with_it.join(", "),
        "undid what the daemon {} left: {}",
        state.owner.pid,
        if undone.is_empty() {
            "nothing".to_owned()
        } else {
            undone.join(", ")
        },
    );
    Ok(left)
}

#[cfg(test)]
mod tests;
