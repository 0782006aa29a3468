//! Detects clients that change their shared memory with system calls.
//!
//! A client that follows the protocol writes to its memory only through a mapping. With
//! `fallocate(2)`, `madvise(2)` (`MADV_REMOVE`) or `write(2)` it could punch holes in the memory or
//! fill it repeatedly, and each reader of it would take page faults. The kernel reports each such
//! call (inotify(7), `IN_MODIFY`), and no store through a mapping. A watch reports one event
//! (`IN_ONESHOT`), so a client cannot flood the control thread. A watch ends with its file.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

/// One attachment: the session's id, and its own number.
pub type Owner = (u64, u64);

/// The watched memory files, with their owners.
#[derive(Debug)]
pub struct FileGuard {
    inotify: Option<OwnedFd>,
    owners: HashMap<i32, Owner>,
    /// Why it does not watch everything.
    problem: Option<String>,
}

impl FileGuard {
    /// Watches nothing yet. If the kernel gives no inotify instance, it never watches anything, and
    /// logs that.
    #[must_use]
    pub fn new() -> Self {
        Self::of(init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK))
    }

    fn of(inotify: Result<OwnedFd, Errno>) -> Self {
        let mut guard = Self {
            inotify: None,
            owners: HashMap::new(),
            problem: None,
        };
        match inotify {
            Ok(inotify) => guard.inotify = Some(inotify),
            Err(error) => guard.note(format!(
                "cannot detect clients that punch holes in their memory ({error}): raise \
                 fs.inotify.max_user_instances, and restart the daemon"
            )),
        }
        guard
    }

    /// Why it does not watch every client's memory, for health.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn note(&mut self, problem: String) {
        tracing::warn!("{problem}");
        self.problem = Some(problem);
    }

    /// Readable when [`Self::touched`] has something to report; `None` if nothing is watched.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// Starts watching `file`, which `owner` can write.
    pub fn watch(&mut self, file: BorrowedFd<'_>, owner: Owner) {
        let Some(inotify) = &self.inotify else {
            return;
        };
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        match add_watch(inotify, path, WatchFlags::MODIFY | WatchFlags::ONESHOT) {
            Ok(watch) => {
                self.owners.insert(watch, owner);
                self.problem = None;
            }
            Err(error) => self.note(format!(
                "cannot detect whether the client of attachment {} punches holes in its memory ({error}): \
                 raise fs.inotify.max_user_watches",
                owner.1
            )),
        }
    }

    /// Owners whose files were changed with a system call since the last time.
    pub fn touched(&mut self) -> Vec<Owner> {
        let mut touched = Vec::new();
        let Some(inotify) = &self.inotify else {
            return touched;
        };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(inotify, &mut buffer);
        loop {
            match events.next() {
                Ok(event) => {
                    // Each file has one event at most, then IGNORED; a file that is gone has
                    // IGNORED only.
                    let owner = self.owners.remove(&event.wd());
                    if event.events().contains(ReadFlags::MODIFY) {
                        touched.extend(owner);
                    }
                }
                Err(Errno::AGAIN) => return touched,
                Err(error) => {
                    tracing::error!(%error, "cannot read the changes to clients' memory");
                    return touched;
                }
            }
        }
    }
}

impl Default for FileGuard {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use onair_ipc::memfd::Memfd;
    use rustix::fs::{FallocateFlags, fallocate};

    use super::*;

    #[test]
    fn guard_without_an_inotify_instance_then_a_problem_with_advice() {
        assert_eq!(FileGuard::new().problem(), None);
        let guard = FileGuard::of(Err(Errno::MFILE));
        let problem = guard.problem().unwrap();
        assert!(problem.contains("max_user_instances"), "{problem}");
    }

    #[test]
    fn file_written_through_its_mapping_then_only_a_punch_is_told() {
        let mut guard = FileGuard::new();
        let files = [1, 2].map(|owner| {
            let file = Memfd::create("test", 8192, false).unwrap();
            guard.watch(file.as_fd(), (7, owner));
            file
        });
        for file in &files {
            file.mapping()
                .at::<AtomicU32>(0)
                .store(1, Ordering::Relaxed);
        }
        assert!(guard.touched().is_empty());
        let client = files[1].for_client().unwrap();
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        for _ in 0..3 {
            fallocate(&client, hole, 0, 4096).unwrap();
        }
        assert_eq!(guard.touched(), [(7, 2)]);
        fallocate(&client, hole, 0, 4096).unwrap();
        rustix::io::pwrite(&client, b"x", 0).unwrap();
        assert!(guard.touched().is_empty());
        drop(client);
        // The watch blocks neither witness W4 nor the release of the memory.
        onair_ipc::sys::ignore_sigio();
        assert!(files.iter().all(|file| file.is_sole_user().unwrap()));
        drop(files);
        assert!(guard.touched().is_empty() && guard.owners.is_empty());
    }
}
