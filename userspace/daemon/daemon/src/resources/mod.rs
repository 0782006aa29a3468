//! Resources of this process in the kernel and on the disk. Each resource is written to the journal before it is
//! created, and removed from it when it is gone.
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
mod state_folder;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use self::journal::{FILE, Journal, JournalState};
use self::lock::StateLock;
pub use self::owner::{Owner, ProcessStatus};
pub use self::resource::{Before, Resource};
use self::state_folder::{StateFolder, Unwritten};

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
    inner: Arc<Mutex<StateFolder>>,
    unwritten: Unwritten,
    damaged: Option<PathBuf>,
}

impl Resources {
    /// Takes the state directory for this process and undoes what a killed previous daemon left, but for what `serves`
    /// this one as it is: [`Self::register`] takes that over, and else [`Self::undo_left`] undoes it.
    /// Waits up to `timeout` until that daemon is gone.
    ///
    /// # Errors
    /// [`ResourceError`]: another daemon uses the folder, or the folder is unusable.
    pub fn open(
        dir: &Path,
        timeout: Duration,
        serves: impl Fn(&Resource) -> bool,
    ) -> Result<Self, ResourceError> {
        let journal = Journal::in_folder(dir);
        let lock = StateLock::take(dir, &journal, timeout)?;
        let this = Self::with(dir, journal, lock, |left| undo(left, serves))?;
        this.inner().save()?;
        Ok(this)
    }

    /// Takes over the state directory from a daemon that has left it ([`Self::leave`]), with its lock. The journal stays
    /// that one's until [`Self::register`]: nothing is created before.
    ///
    /// # Errors
    /// [`ResourceError::System`]: it is another folder's lock, or the folder is unusable.
    pub fn inherit(dir: &Path, lock: OwnedFd) -> Result<Self, ResourceError> {
        let lock = StateLock::inherit(dir, lock).map_err(|error| ResourceError::System {
            what: "take over",
            path: dir.to_owned(),
            error,
        })?;
        let this = Self::with(dir, Journal::in_folder(dir), lock, |left| {
            // The predecessor has undone all else.
            let mut resources = left.not_undone;
            resources.extend(left.resources.into_iter().filter(Resource::stays));
            Ok(resources)
        })?;
        this.inner().is_inherited = true;
        Ok(this)
    }

    fn with(
        dir: &Path,
        journal: Journal,
        lock: StateLock,
        undo: impl FnOnce(JournalState) -> std::io::Result<Vec<Resource>>,
    ) -> Result<Self, ResourceError> {
        let system = |what| {
            move |error| ResourceError::System {
                what,
                path: dir.to_owned(),
                error,
            }
        };
        let before = journal.read().map_err(system("read the journal in"))?;
        let mut state = JournalState {
            owner: Owner::me().map_err(system("read /proc for"))?,
            guardian: None,
            incarnation: incarnation_after(0),
            resources: Vec::new(),
            not_undone: Vec::new(),
        };
        if let Some(before) = before {
            state.incarnation = incarnation_after(before.incarnation);
            state.not_undone = undo(before).map_err(system("read /proc for"))?;
        }
        let unwritten = Unwritten::default();
        let inner = StateFolder {
            dir: dir.to_owned(),
            journal,
            state,
            written: None,
            unwritten: Arc::clone(&unwritten),
            lock,
            is_inherited: false,
            is_left: false,
        };
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

    /// Whether something is left of a daemon before that this one has no use for.
    #[must_use]
    pub fn has_left(&self) -> bool {
        !self.inner().state.not_undone.is_empty()
    }

    /// Undoes that; the daemon before has ended.
    pub fn undo_left(&self) {
        let left = self.inner().state.not_undone.clone();
        let undone = |resource: &Resource| match resource.undo() {
            Ok(done) => {
                let (resource, done) = (resource.name(), done.unwrap_or_default());
                tracing::info!(resource, done, "not needed any more");
                true
            }
            Err(error) => {
                let resource = resource.name();
                tracing::error!(resource, %error, "cannot undo what the daemon before left: the next start tries again");
                false
            }
        };
        let left: Vec<_> = left.into_iter().filter(|it| !undone(it)).collect();
        let mut inner = self.inner();
        inner.state.not_undone = left;
        // A full disk was logged; the next start finds nothing to undo.
        let _ = inner.save();
    }

    /// The incarnation, the high half of the session ids that this daemon gives out: Unix seconds, or
    /// more. No daemon on this state directory has used it before. `newest` is the highest one known
    /// from elsewhere. It is on disk when this returns.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn begin_incarnation(&self, newest: u32) -> Result<u32, ResourceError> {
        let mut inner = self.inner();
        if newest >= inner.state.incarnation {
            inner.state.incarnation = incarnation_after(newest);
        }
        inner.save()?;
        Ok(inner.state.incarnation)
    }

    /// Writes a resource to the journal before it is created. Returns when the journal is on disk. It is not written for
    /// what a daemon before has left as it is ([`Resource::stays`]), which its journal names.
    ///
    /// # Errors
    /// [`ResourceError::System`]: do not create the resource.
    pub fn register(
        &self,
        resources: impl IntoIterator<Item = Resource>,
    ) -> Result<(), ResourceError> {
        let mut inner = self.inner();
        let mut is_named = inner.is_inherited;
        for mut resource in resources {
            let left = inner.state.not_undone.len();
            inner.state.not_undone.retain(|old| !resource.replaces(old));
            let has_replaced = inner.state.not_undone.len() < left;
            is_named &= match resource {
                Resource::OfProcess { .. } => true,
                _ => has_replaced && resource.stays(),
            };
            inner.state.resources.push(resource);
        }
        if is_named {
            return Ok(());
        }
        inner.save()
    }

    /// Records the identity of the created resources, to recognise them later. It is written with the guardian
    /// ([`Self::note_guardian`]).
    pub fn note(&self) {
        self.inner().note_those(|_| true);
    }

    /// [`Self::note`] for socket files: before the ports are opened, which may hang.
    pub fn note_sockets(&self) {
        self.inner()
            .note_those(|resource| matches!(resource, Resource::SocketFile { .. }));
    }

    /// Registers a port that is opened again, in the place of what it was before.
    ///
    /// # Errors
    /// [`ResourceError::System`]: do not create the resource.
    pub fn renew(&self, port: Resource) -> Result<(), ResourceError> {
        let mut inner = self.inner();
        if inner.state.resources.contains(&port) {
            return Ok(());
        }
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
        let mut inner = self.inner();
        inner.note_those(|it| matches!(it, Resource::Port { name: own, .. } if own == name));
        inner.save()
    }

    /// Records the guardian of this process, if it has one: the next daemon waits for its end, too.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn note_guardian(&self, pid: Option<u32>) -> Result<(), ResourceError> {
        let mut inner = self.inner();
        // If it is gone already, there is nothing to wait for.
        inner.state.guardian = pid.and_then(|pid| Owner::of(pid).ok());
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
        let forced = inner.force(|_| true);
        if let Err(error) = inner.save() {
            // The journal lists resources that are gone: the next start finds nothing to undo.
            tracing::error!(%error, "cannot write the journal of resources: it is out of date");
        }
        forced
    }

    /// Leaves the folder to another daemon: undoes by force what remains but [what stays](Resource::stays), and returns
    /// the lock. From here on this process writes nothing in the folder. The journal stays as it is, unless something
    /// could not be undone: to undo what is undone changes nothing.
    ///
    /// # Errors
    /// [`ResourceError::System`]: it is not left.
    pub fn leave(&self) -> Result<OwnedFd, ResourceError> {
        let mut inner = self.inner();
        for forced in inner.force(|it| !it.stays()) {
            tracing::warn!(forced, "released by force");
        }
        let mut left = inner.state.resources.iter();
        if left.any(|it| !it.stays()) {
            inner.save()?;
        }
        let lock = inner.lock.try_clone();
        let lock = lock.map_err(|error| ResourceError::System {
            what: "leave",
            path: inner.dir.clone(),
            error,
        })?;
        inner.is_left = true;
        inner.state.resources.clear();
        Ok(lock.into())
    }

    fn inner(&self) -> MutexGuard<'_, StateFolder> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An incarnation after `used`: two daemons within a second, or a clock set back, have two.
fn incarnation_after(used: u32) -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    // Wraps in 2106.
    let now = now.map_or(0, |now| now.as_secs() & 0xffff_ffff);
    let now = u32::try_from(now).expect("32 bits");
    now.max(used.saturating_add(1))
}

/// Undoes the resources of a dead daemon, of its journal's `state`, but for what `serves` this one. Returns those that
/// may remain.
fn undo(state: JournalState, serves: impl Fn(&Resource) -> bool) -> std::io::Result<Vec<Resource>> {
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
        // To take it off and put it on again takes the kernel some 30 ms.
        if serves(&resource) {
            left.insert(0, resource);
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
