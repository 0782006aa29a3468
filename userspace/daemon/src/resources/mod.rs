//! What this process puts into the kernel and onto the disk, by name: each thing is written down
//! before it is made, and struck out when it is gone.
//!
//! Its owner releases a thing gently: a port is closed by the dataplane, a socket's file goes with
//! its socket. What is still there then, or when that took too long, is undone here by force. And
//! what a daemon left that was killed is undone by the next one, as the journal names it, never
//! what another daemon has, nor what was there before.
//!
//! What never lives here: policy, sessions, anything of DPDK.

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

/// Why the daemon may not begin.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// Another daemon has the state directory.
    #[error("{owner} uses state.dir {}: stop it, or configure another folder", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// Who has it.
        owner: String,
    },
    /// The system refused.
    #[error("cannot {what} {}: {error}", path.display())]
    System {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        error: std::io::Error,
    },
}

/// What the process has in the kernel and on disk. Cheap to clone; any thread may release by force.
#[derive(Clone, Debug)]
pub struct Resources(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    journal: Journal,
    page: JournalState,
    _lock: StateLock,
}

impl Resources {
    /// Takes the state directory for this process and undoes what the daemon before left, if it was
    /// killed; waits up to `patience` for it to be gone.
    ///
    /// # Errors
    /// [`ResourceError`]: another daemon lives on the folder, or it cannot be used.
    pub fn open(dir: &Path, patience: Duration) -> Result<Self, ResourceError> {
        let system = |what| {
            move |error| ResourceError::System {
                what,
                path: dir.to_owned(),
                error,
            }
        };
        let journal = Journal::in_folder(dir);
        let lock = StateLock::take(dir, &journal, patience)?;
        let before = journal.read().map_err(system("read the journal in"))?;
        let mut page = JournalState {
            owner: Owner::me().map_err(system("read /proc for"))?,
            incarnation: 0,
            things: Vec::new(),
            left: Vec::new(),
        };
        if let Some(before) = before {
            page.incarnation = before.incarnation;
            page.left = undo(before).map_err(system("read /proc for"))?;
        }
        journal
            .write(&page)
            .map_err(system("write the journal in"))?;
        Ok(Self(Arc::new(Mutex::new(Inner {
            dir: dir.to_owned(),
            journal,
            page,
            _lock: lock,
        }))))
    }

    /// Begins an incarnation, the high half of the session ids that this daemon gives out: Unix
    /// seconds, or more. No daemon on this state directory has used it before; `newest` is the
    /// highest that is known from elsewhere.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn begin_incarnation(&self, newest: u32) -> Result<u32, ResourceError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // Wraps in 2106.
        let now = now.map_or(0, |now| now.as_secs() & 0xffff_ffff);
        let now = u32::try_from(now).expect("32 bits");
        let mut inner = self.inner();
        // Two daemons within a second, or a clock that was set back: still no id twice.
        let used = inner.page.incarnation.max(newest);
        inner.page.incarnation = now.max(used.saturating_add(1));
        inner.save()?;
        Ok(inner.page.incarnation)
    }

    /// Writes down what is about to be made. Returns when it is on disk.
    ///
    /// # Errors
    /// [`ResourceError::System`]: then it must not be made.
    pub fn register(
        &self,
        things: impl IntoIterator<Item = Resource>,
    ) -> Result<(), ResourceError> {
        let mut inner = self.inner();
        for mut thing in things {
            inner.page.left.retain(|left| !thing.replaces(left));
            inner.page.things.push(thing);
        }
        inner.save()
    }

    /// Looks at what has been made, and writes down by what to know it again.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn note(&self) -> Result<(), ResourceError> {
        self.note_those(|_| true)
    }

    /// [`Self::note`] for the files of sockets: before the ports are opened, which may hang.
    ///
    /// # Errors
    /// [`ResourceError::System`].
    pub fn note_sockets(&self) -> Result<(), ResourceError> {
        self.note_those(|thing| matches!(thing, Resource::SocketFile { .. }))
    }

    fn note_those(&self, of: impl Fn(&Resource) -> bool) -> Result<(), ResourceError> {
        let mut inner = self.inner();
        for thing in inner.page.things.iter_mut().filter(|it| of(it)) {
            if let Err(error) = thing.note() {
                tracing::warn!(thing = thing.name(), error, "cannot be looked at");
            }
        }
        inner.save()
    }

    /// What is registered, by name.
    pub fn names(&self) -> Vec<String> {
        self.inner()
            .page
            .things
            .iter()
            .map(Resource::name)
            .collect()
    }

    /// Undoes by force what is still there of all that is registered, the last first, and strikes
    /// it out. Nothing is there if each was released gently before. Returns what had to be forced,
    /// a line each. It blocks for some milliseconds and never waits for another thread of this
    /// process that hangs.
    pub fn release(&self) -> Vec<String> {
        let mut inner = self.inner();
        let mut forced = Vec::new();
        for thing in std::mem::take(&mut inner.page.things).into_iter().rev() {
            match thing.force() {
                Ok(done) => forced.extend(done),
                Err(error) => {
                    tracing::error!(
                        thing = thing.name(),
                        error,
                        "not released: the next start tries again"
                    );
                    inner.page.things.insert(0, thing);
                }
            }
        }
        if let Err(error) = inner.save() {
            // What is gone is written down as there: the next start finds nothing to undo.
            tracing::error!(%error, "the journal of resources is not up to date");
        }
        forced
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn save(&self) -> Result<(), ResourceError> {
        self.journal
            .write(&self.page)
            .map_err(|error| ResourceError::System {
                what: "write the journal in",
                path: self.dir.clone(),
                error,
            })
    }
}

/// Undoes what `page` names: its daemon is dead. Returns what may still be there.
fn undo(page: JournalState) -> std::io::Result<Vec<Resource>> {
    let mut things = page.left;
    things.extend(page.things);
    if things.is_empty() {
        return Ok(things);
    }
    let after_boot = page.owner.fate()? != ProcessStatus::BeforeBoot;
    let (mut undone, mut with_it, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for thing in things.into_iter().rev() {
        if let Resource::OfProcess { what } = thing {
            with_it.insert(0, what);
            continue;
        }
        // Files stay over a boot; nothing else does.
        if !after_boot && !matches!(thing, Resource::SocketFile { .. }) {
            continue;
        }
        match thing.undo() {
            Ok(done) => undone.extend(done),
            Err(error) => {
                tracing::error!(
                    thing = thing.name(),
                    error,
                    "what a daemon before left may still be there: the next start tries again"
                );
                left.insert(0, thing);
            }
        }
    }
    tracing::warn!(
        killed = page.owner.pid,
        gone_with_it = with_it.join(", "),
        "undid what the daemon {} left: {}",
        page.owner.pid,
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
