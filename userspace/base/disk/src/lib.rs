//! Files that exist complete or not at all, even after a power failure, and what they need of a disk.
//!
//! [`Disk`] has the operations: [`RealDisk`] is the machine's, the simulator has another.
#![forbid(unsafe_code)]

mod careful;
mod real;
mod replace;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

pub use self::careful::{Unfit, open_regular, read_named, read_regular};
pub use self::real::RealDisk;
pub use self::replace::{Parts, open_folder, remove, replace, replace_all, set_aside, sync_all};

/// The operations of a disk. What an operation changed is safe only after a sync: of the file for its
/// bytes, of the folder for its names.
pub trait Disk: Debug + Sync {
    /// Creates a folder that may be there already, and those above it. Their names are safe.
    ///
    /// # Errors
    /// The system's.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// The paths of what is in a folder, in any order.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Reads a regular file that no other user can write, if it has at most `most` bytes.
    ///
    /// # Errors
    /// [`Unfit`]: the file is unsafe or too large, or the system's error.
    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>, Unfit>;

    /// Creates an empty file, to be written.
    ///
    /// # Errors
    /// The system's; something with this name is there already.
    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;

    /// Opens a regular file that no other user can write, to be written.
    ///
    /// # Errors
    /// [`Unfit`]: the file is unsafe, or the system's error.
    fn open(&self, path: &Path) -> Result<Box<dyn OpenFile>, Unfit>;

    /// Gives a file another name, in place of what has that name.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns when the disk has all names of a folder.
    ///
    /// # Errors
    /// The system's.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// A file that was opened to be written.
pub trait OpenFile: Debug + Send {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The system's; some of them may be written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Lets the kernel begin to write to the disk: with the file's blocks allocated, the first sync of
    /// several files commits the file system's journal for all of them (ext4). Does not wait.
    fn begin_write(&self) {}

    /// Returns when the disk has the file.
    ///
    /// # Errors
    /// The system's. What was not synced before may be lost then, even if another sync succeeds.
    fn sync_all(&self) -> io::Result<()>;

    /// The same for the bytes of a file whose size has not changed.
    ///
    /// # Errors
    /// As [`Self::sync_all`].
    fn sync_data(&self) -> io::Result<()>;
}
