//! The lock of a flow that this process writes.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;

use super::FlowFiles;

/// The obstacle of a writer.
#[derive(Debug, thiserror::Error)]
pub enum FlowLockError {
    /// Another process writes the flow.
    #[error("another process{} writes this flow: end it, or give the session another flow id", named(*.0))]
    Held(Option<u32>),
    /// The remains of an earlier flow cannot be removed.
    #[error("cannot remove the flow of an earlier writer, which had another definition: {0}")]
    Remains(io::Error),
    /// The kernel refuses.
    #[error("cannot look at the flow's files: {0}")]
    Files(io::Error),
}

fn named(process: Option<u32>) -> String {
    process.map_or_else(String::new, |it| format!(" ({it}, {})", comm(it)))
}

/// The object at a flow's name before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: the library will make it.
    Free,
    /// The flow as it will be, without a writer: that of a process that was killed. Its readers go on.
    Left,
}

/// The lock of a flow that this process writes.
#[derive(Debug)]
pub struct FlowLock {
    data: PathBuf,
    inode: u64,
    /// While it is locked, the library leaves the name alone.
    lock: File,
}

impl FlowLock {
    /// Looks at the name. What a dead writer left with another definition is removed, so that its readers are told that it is
    /// invalid.
    ///
    /// # Errors
    /// [`FlowLockError`].
    pub fn prepare(files: &FlowFiles, wanted: &Value) -> Result<Standing, FlowLockError> {
        let data = match File::open(files.data()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A folder without data is none that a library completed.
                return match files.folder().exists() {
                    true => remove(files).map(|()| Standing::Free),
                    false => Ok(Standing::Free),
                };
            }
            data => data.map_err(FlowLockError::Files)?,
        };
        if flock(&data, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(FlowLockError::Held(holder(&data)));
        }
        if files.definition().is_ok_and(|it| it == *wanted) {
            return Ok(Standing::Left);
        }
        remove(files).map(|()| Standing::Free)
    }

    /// The name, now that this process has a writer of it.
    ///
    /// # Errors
    /// [`FlowLockError::Files`].
    pub fn take(files: &FlowFiles) -> Result<Self, FlowLockError> {
        let lock = File::open(files.data()).map_err(FlowLockError::Files)?;
        flock(&lock, FlockOperation::NonBlockingLockShared)
            .map_err(|error| FlowLockError::Files(error.into()))?;
        let inode = lock.metadata().map_err(FlowLockError::Files)?.ino();
        let data = files.data();
        Ok(Self { data, inode, lock })
    }

    /// Whether the writer's flow is the one at the name.
    #[must_use]
    pub fn is_own(&self) -> bool {
        fs::metadata(&self.data).is_ok_and(|it| it.ino() == self.inode)
    }

    /// Ends with a writer: with it goes the flow, if it is the one at the name.
    pub fn leave(self, writer: crate::libmxl::FlowWriter) {
        if self.is_own() {
            drop(self.lock);
            drop(writer);
        } else {
            drop(writer);
            drop(self.lock);
        }
    }
}

/// Removes a flow at once, as readers see it: no one opens half of it.
fn remove(files: &FlowFiles) -> Result<(), FlowLockError> {
    let away = files
        .folder()
        .with_extension(format!("onair-{}", std::process::id()));
    fs::rename(files.folder(), &away)
        .and_then(|()| fs::remove_dir_all(&away))
        .map_err(FlowLockError::Remains)
}

/// The process that holds a lock of a file, if the kernel shows it (/proc/locks).
fn holder(file: &File) -> Option<u32> {
    let inode = format!(":{}", file.metadata().ok()?.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let is_of_file = words.get(1) == Some(&"FLOCK") && words.get(5)?.ends_with(&inode);
        is_of_file.then(|| words.get(4)?.parse().ok()).flatten()
    })
}

/// The name of a process.
pub(super) fn comm(process: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm"));
    name.map_or_else(|_| "?".to_owned(), |it| it.trim().to_owned())
}
