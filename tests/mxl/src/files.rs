//! Files that processes share.

use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr::NonNull;

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A file that is mapped.
pub(crate) struct Mapped {
    file: File,
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapped {
    /// Makes a file of so many bytes, which is locked as a writer's.
    pub(crate) fn create(path: &Path, bytes: usize) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        fallocate(&file, FallocateFlags::empty(), 0, bytes as u64)?;
        flock(&file, FlockOperation::NonBlockingLockShared)?;
        Self::of(file, true)
    }

    /// Opens a file. A writer locks it.
    pub(crate) fn open(path: &Path, is_writer: bool) -> io::Result<Self> {
        let file = File::options().read(true).write(is_writer).open(path)?;
        if is_writer {
            flock(&file, FlockOperation::NonBlockingLockShared)?;
        }
        Self::of(file, is_writer)
    }

    fn of(file: File, is_writer: bool) -> io::Result<Self> {
        let bytes = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let writes = match is_writer {
            true => ProtFlags::READ | ProtFlags::WRITE,
            false => ProtFlags::READ,
        };
        // SAFETY: a new mapping, of the whole file.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes,
                writes,
                MapFlags::SHARED,
                &file,
                0,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { file, start, bytes })
    }

    /// The place at so many bytes, if `size` bytes are there.
    pub(crate) fn at(&self, offset: usize, size: usize) -> Option<*mut u8> {
        let end = offset.checked_add(size)?;
        // SAFETY: within the mapping.
        (end <= self.bytes).then(|| unsafe { self.start.as_ptr().add(offset) })
    }

    /// Whether no other process has the file's lock: then this one has it alone.
    pub(crate) fn is_last_writer(&self) -> bool {
        flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_ok()
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's, and no reference to it is left.
        let _: rustix::io::Result<()> = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
