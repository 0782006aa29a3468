//! Notices the client that works on its shared memory with system calls.
//!
//! A client writes to its memory through a mapping, and nothing else. With `fallocate(2)`,
//! `madvise(2)` (`MADV_REMOVE`) or `write(2)` it could punch holes in it or fill it as often as it likes, and
//! whoever reads there next pays with page faults. The kernel tells of each such call (inotify(7),
//! `IN_MODIFY`), and of no store through a mapping. A watch is good for one event (`IN_ONESHOT`), so a
//! client cannot flood the control thread, and it goes with its file.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

/// One attachment: the session's id, and its own number.
pub type Owner = (u64, u64);

/// The memory files that are watched, and whose they are.
#[derive(Debug)]
pub struct FileGuard {
    inotify: Option<OwnedFd>,
    owners: HashMap<i32, Owner>,
}

impl FileGuard {
    /// Watches nothing yet. Where the kernel gives no inotify instance, nothing ever, and that is logged.
    #[must_use]
    pub fn new() -> Self {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        if let Err(error) = &inotify {
            tracing::warn!(
                %error,
                "clients that punch holes in their memory will not be noticed: raise fs.inotify.max_user_instances"
            );
        }
        Self {
            inotify: inotify.ok(),
            owners: HashMap::new(),
        }
    }

    /// What is readable when [`Self::touched`] has something to say; `None` where nothing is watched.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// Watches `file`, which `owner` can write, from now on.
    pub fn watch(&mut self, file: BorrowedFd<'_>, owner: Owner) {
        let Some(inotify) = &self.inotify else {
            return;
        };
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        match add_watch(inotify, path, WatchFlags::MODIFY | WatchFlags::ONESHOT) {
            Ok(watch) => {
                self.owners.insert(watch, owner);
            }
            Err(error) => tracing::warn!(
                %error, attachment = owner.1,
                "if this client punches holes in its memory, it will not be noticed: raise fs.inotify.max_user_watches"
            ),
        }
    }

    /// Those whose files were worked on with a system call since the last time.
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
                    // Each file has one event at most, and then IGNORED; one that is gone, IGNORED only.
                    let owner = self.owners.remove(&event.wd());
                    if event.events().contains(ReadFlags::MODIFY) {
                        touched.extend(owner);
                    }
                }
                Err(Errno::AGAIN) => return touched,
                Err(error) => {
                    tracing::error!(%error, "cannot read what was done to clients' memory");
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
    fn file_written_through_its_mapping_then_nothing_and_punched_then_its_owner_once() {
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
        // It holds up neither witness W4 nor the memory.
        onair_ipc::sys::ignore_sigio();
        assert!(files.iter().all(|file| file.is_sole_user().unwrap()));
        drop(files);
        assert!(guard.touched().is_empty() && guard.owners.is_empty());
    }
}
