//! One daemon a state directory: the daemon that has the folder's lock may write in the folder, and
//! may undo what the journal names.

use std::fmt::Display;
use std::fs::{DirBuilder, File, create_dir_all};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use onair_ipc::guardian::LEFT;
use onair_mutant::mutant;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::ResourceError;
use super::journal::{Journal, JournalState};
use super::owner::{Owner, ProcessStatus};

/// Interval between two checks of a dying daemon: clients wait meanwhile.
const PAUSE: Duration = Duration::from_millis(5);

/// Share of the timeout, as a divisor, after which a dead daemon's guardian is killed. It ends by itself
/// some milliseconds after its daemon.
const GUARDIAN_SHARE: u32 = 8;

/// The lock. It ends with the last process that has the descriptor.
#[derive(Debug)]
pub(super) struct StateLock {
    folder: File,
}

impl StateLock {
    /// Another descriptor of the lock, as a guardian and a successor have it.
    pub(super) fn try_clone(&self) -> io::Result<File> {
        self.folder.try_clone()
    }

    /// The lock that another daemon has handed over; refused if it is of another folder than `dir`, or none.
    pub(super) fn inherit(dir: &Path, descriptor: OwnedFd) -> io::Result<Self> {
        let (folder, wanted) = (File::from(descriptor), File::open(dir)?);
        let identity = |file: &File| file.metadata().map(|it| (it.dev(), it.ino()));
        if identity(&folder)? != identity(&wanted)? {
            return Err(io::Error::other(
                "state.dir is another one than that of the running daemon",
            ));
        }
        // It has the lock already.
        flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self::of(folder))
    }

    fn of(folder: File) -> Self {
        onair_ipc::guardian::closes_early(folder.as_fd());
        Self { folder }
    }

    /// Creates the folder if needed, for its owner only, and locks it. Waits up to `timeout` for a killed daemon that
    /// the kernel still takes down (75 to 145 ms for each of its BPF links). Does not wait for a
    /// running one.
    pub(super) fn take(
        dir: &Path,
        journal: &Journal,
        timeout: Duration,
    ) -> Result<Self, ResourceError> {
        let system = |what| {
            move |error: io::Error| ResourceError::System {
                what,
                path: dir.to_owned(),
                error,
            }
        };
        make(dir).map_err(system("make the folder"))?;
        // Lock the folder itself: no lock file is left over.
        let folder = File::open(dir).map_err(system("open the folder"))?;
        let mode = folder.metadata().map_err(system("look at the folder"))?;
        let mode = mode.permissions().mode() & 0o777;
        if mode & 0o005 != 0 {
            tracing::warn!(
                dir = %dir.display(), mode = format_args!("{mode:04o}"),
                "all users can read state.dir, with its recordings: `chmod 0700` it"
            );
        }
        let me = Owner::me().map_err(system("read /proc for"))?;
        let begin = Instant::now();
        let (mut has_logged, mut has_tried) = (false, false);
        loop {
            let is_locked = match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => true,
                Err(Errno::WOULDBLOCK) => false,
                Err(error) => return Err(system("lock the folder")(error.into())),
            };
            // The kernel closes a dead daemon's files one after the other: the lock may be free before
            // its sockets and links.
            let state = journal.read().map_err(system("read the journal in"))?;
            let found = Predecessor::of(state.as_ref(), is_locked.then_some(&me))
                .map_err(system("read /proc for"))?;
            let is_over = match found {
                Predecessor::Daemon(_, ProcessStatus::Lives) if !is_locked => true,
                Predecessor::Gone if is_locked => return Ok(Self::of(folder)),
                _ => begin.elapsed() >= timeout,
            };
            if is_over {
                return Err(found.refusal(dir));
            }
            if !has_logged {
                has_logged = true;
                tracing::info!(owner = %found, "waiting for the previous daemon to exit");
            }
            if let Predecessor::Guardian { guardian, .. } = found
                && !has_tried
                && begin.elapsed() >= timeout / GUARDIAN_SHARE
            {
                has_tried = true;
                end_guardian(guardian);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Makes the folder with mode 0700, and those above it as the umask says. One that is there keeps its mode.
fn make(dir: &Path) -> io::Result<()> {
    dir.parent().map_or(Ok(()), create_dir_all)?;
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(_) if dir.is_dir() => Ok(()),
        made => made,
    }
}

/// The process that a new daemon waits for.
#[derive(Clone, Copy)]
enum Predecessor<'a> {
    /// The daemon that wrote the journal.
    Daemon(&'a Owner, ProcessStatus),
    /// The daemon is dead, its guardian has its files.
    Guardian {
        daemon: &'a Owner,
        guardian: &'a Owner,
    },
    /// Nothing that the journal names. Without the lock: a daemon that has not written it yet.
    Gone,
}

impl<'a> Predecessor<'a> {
    /// `me`: this process, if it has the lock.
    fn of(state: Option<&'a JournalState>, me: Option<&Owner>) -> io::Result<Self> {
        let Some(state) = state else {
            return Ok(Self::Gone);
        };
        let daemon = &state.owner;
        let status = daemon.status()?;
        if matches!(status, ProcessStatus::Lives) {
            return Ok(if Some(daemon) == me {
                Self::Gone
            } else {
                Self::Daemon(daemon, status)
            });
        }
        if let Some(guardian) = &state.guardian
            && !mutant!("start: beside the last daemon's guardian")
            && matches!(
                guardian.status()?,
                ProcessStatus::Dying | ProcessStatus::Lives
            )
            // What it still has no daemon needs.
            && !(me.is_some() && guardian.is_called(LEFT))
        {
            return Ok(Self::Guardian { daemon, guardian });
        }
        Ok(match status {
            ProcessStatus::Dying => Self::Daemon(daemon, status),
            _ => Self::Gone,
        })
    }

    fn refusal(self, dir: &Path) -> ResourceError {
        let (dir, user) = (dir.to_owned(), self.to_string());
        match self {
            Self::Guardian { guardian, .. } => ResourceError::GuardianRemains {
                dir,
                user,
                pid: guardian.pid,
            },
            _ => ResourceError::InUse { dir, owner: user },
        }
    }
}

impl Display for Predecessor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Daemon(daemon, _) => daemon.fmt(f),
            Self::Guardian { daemon, guardian } => {
                let pid = guardian.pid;
                write!(f, "process {pid}, the guardian of the dead {daemon},")
            }
            Self::Gone => f.write_str("another daemon"),
        }
    }
}

/// Ends a guardian that did not end with its daemon: it is stopped or frozen, or gets no processor.
fn end_guardian(guardian: &Owner) {
    let pid = guardian.pid;
    match guardian.kill(onair_ipc::guardian::NAME) {
        Ok(true) => tracing::warn!(
            pid,
            "killed the guardian of the previous daemon: it did not end with that daemon"
        ),
        // It has ended meanwhile, or another process has its number.
        Ok(false) => {}
        Err(error) => tracing::warn!(
            pid,
            %error,
            "cannot kill the guardian of the previous daemon, which did not end with that daemon"
        ),
    }
}
