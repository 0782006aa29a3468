//! Notices that a watched file is written to.
//!
//! The kernel keeps the breakpoint at an offset of the file, whatever its contents. A new program
//! copied over an old one, in place, would get breakpoints in the middle of its instructions: so
//! the probe drops the file at the first write. While a file is executed it cannot be written
//! (ETXTBSY), shared libraries excepted.

use std::collections::HashMap;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

use onair_ebpf::process::FileKey;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::error::ProbeError;
use crate::programs::maps::locked;

/// Watches files for writes; ends when dropped.
pub(crate) struct ModifiedFiles {
    inotify: Arc<OwnedFd>,
    keys: Arc<Mutex<HashMap<i32, FileKey>>>,
    /// Closing it ends the thread.
    _alive: OwnedFd,
}

impl ModifiedFiles {
    /// Calls `modified` for each watched file that is written to, once.
    pub(crate) fn start(modified: impl Fn(FileKey) + Send + 'static) -> Result<Self, ProbeError> {
        let failed = ProbeError::system("watching files for changes");
        let inotify = Arc::new(
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
                .map_err(|error| failed(error.into()))?,
        );
        let (ended, alive) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
        let keys = Arc::default();
        let watch = FileWatch {
            inotify: Arc::clone(&inotify),
            ended,
            keys: Arc::clone(&keys),
        };
        spawn("onair-modified", move || watch.run(&modified))?;
        Ok(Self {
            inotify,
            keys,
            _alive: alive,
        })
    }

    /// Watches one more. A file system without inotify does not refuse a client.
    pub(crate) fn add(&self, file: &File, key: FileKey) {
        let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut keys = locked(&self.keys);
        match inotify::add_watch(&self.inotify, itself, WatchFlags::MODIFY) {
            Ok(watch) => {
                keys.insert(watch, key);
            }
            Err(error) => tracing::debug!(%error, "a file cannot be watched for changes"),
        }
    }
}

struct FileWatch {
    inotify: Arc<OwnedFd>,
    ended: OwnedFd,
    keys: Arc<Mutex<HashMap<i32, FileKey>>>,
}

impl FileWatch {
    fn run(&self, modified: &impl Fn(FileKey)) {
        loop {
            let mut ready = [
                PollFd::new(&self.inotify, PollFlags::IN),
                PollFd::new(&self.ended, PollFlags::empty()),
            ];
            match poll(&mut ready, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return,
            }
            if !ready[1].revents().is_empty() {
                return;
            }
            self.read(modified);
        }
    }

    fn read(&self, modified: &impl Fn(FileKey)) {
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            let (watch, flags) = (event.wd(), event.events());
            let key = if flags.contains(ReadFlags::IGNORED) {
                locked(&self.keys).remove(&watch);
                None
            } else {
                locked(&self.keys).get(&watch).copied()
            };
            if let Some(key) = key {
                // One write is enough; IGNORED reports the end of the watch.
                let _ = inotify::remove_watch(&self.inotify, watch);
                modified(key);
            }
        }
    }
}

pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, ProbeError> {
    Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(ProbeError::system("starting a thread of the probe"))
}
