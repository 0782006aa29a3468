//! Sealed memory files, given to clients as file descriptions of their own.
//!
//! A client never gets a duplicate of the daemon's descriptor. It gets its own description,
//! reopened through `/proc/self/fd`. Its `fcntl` then changes nothing of the daemon's, and the
//! kernel's lease test ([`Memfd::is_sole_user`]) can tell whether another process still has the
//! memory open or mapped.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::mapping::{Access, Mapping};
use crate::pinned_pages::PinnedPages;

/// A memory file of fixed length, mapped read-write by this process.
#[derive(Debug)]
pub struct Memfd {
    file: OwnedFd,
    /// Of a file that one client fills: read-only, so that the kernel grants a read lease on it while no process can
    /// write.
    leases: Option<OwnedFd>,
    mapping: Mapping,
    readers_only: bool,
}

impl Memfd {
    /// Creates a zeroed memory file of `len` bytes. No process can change its length. More seals are
    /// allowed: [`PinnedPages::give_back`] asks with one. A client that may write can add its own,
    /// which harm only later mappings of this file.
    ///
    /// With `readers_only` no other process can ever map it writable, not even by reopening its
    /// descriptor (`F_SEAL_FUTURE_WRITE`).
    ///
    /// # Errors
    /// The kernel's: out of memory or descriptors; `/proc` not mounted.
    pub fn create(name: &str, len: usize, readers_only: bool) -> io::Result<Self> {
        let made = make(name, len)?;
        // The lease test does not count the description that memfd_create returns: reopen the file,
        // and close the first description.
        let file = reopen(made.as_fd(), Access::ReadWrite)?;
        drop(made);
        let mapping = Mapping::new(file.as_fd(), len, Access::ReadWrite)?;
        let mut seals = rustix::fs::SealFlags::SHRINK | rustix::fs::SealFlags::GROW;
        if readers_only {
            seals |= rustix::fs::SealFlags::FUTURE_WRITE;
        }
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok(Self {
            file,
            leases: None,
            mapping,
            readers_only,
        })
    }

    /// As [`Self::create`], for a file that one client at a time fills ([`Self::for_filler`]) and others read. No
    /// seal forbids a reader to write, because it would forbid the filler: the file's mode does, for all but root.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_filled(name: &str, len: usize) -> io::Result<Self> {
        // The lease tests do not count this description, so the daemon is no writer.
        let file = make(name, len)?;
        rustix::fs::fchmod(&file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
        let leases = Some(reopen(file.as_fd(), Access::ReadOnly)?);
        let mapping = Mapping::new(file.as_fd(), len, Access::ReadWrite)?;
        let seals = rustix::fs::SealFlags::SHRINK | rustix::fs::SealFlags::GROW;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok(Self {
            file,
            leases,
            mapping,
            readers_only: false,
        })
    }

    /// The description that the lease tests are asked with, for a daemon that takes over.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn for_successor(&self) -> io::Result<OwnedFd> {
        self.leases.as_ref().unwrap_or(&self.file).try_clone()
    }

    /// The file of a daemon that has ended, from [`Self::for_successor`]. Its clients may have it: nothing writes to it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn inherit(file: OwnedFd) -> io::Result<Self> {
        let len = rustix::fs::fstat(&file)?.st_size;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let mapping = Mapping::new(file.as_fd(), len, Access::ReadOnly)?;
        Ok(Self {
            file,
            leases: None,
            mapping,
            readers_only: true,
        })
    }

    /// Whether clients can only read it.
    pub fn is_for_readers(&self) -> bool {
        self.readers_only
    }

    /// This process's mapping.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Whether one client at a time fills it, and others read.
    pub fn is_filled(&self) -> bool {
        self.leases.is_some()
    }

    /// Opens a description for a client: read-only if the file is for readers only, or filled by another.
    ///
    /// # Errors
    /// Out of descriptors; `/proc` not mounted.
    pub fn for_client(&self) -> io::Result<OwnedFd> {
        let access = if self.readers_only || self.is_filled() {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        };
        reopen(self.file.as_fd(), access)
    }

    /// Opens a description for the client that fills the file.
    ///
    /// # Errors
    /// Out of descriptors; `/proc` not mounted.
    pub fn for_filler(&self) -> io::Result<OwnedFd> {
        reopen(self.file.as_fd(), Access::ReadWrite)
    }

    /// Whether a process, or a description that is on its way to one, can write to a file of
    /// [`Self::create_filled`]. The kernel grants a read lease only while nothing can. fcntl(2), `F_SETLEASE`.
    ///
    /// # Errors
    /// The kernel's errors other than "there is a writer".
    pub fn has_writer(&self) -> io::Result<bool> {
        Ok(!self.is_granted(libc::F_RDLCK)?)
    }

    /// No process can add a seal any more, with which it would shut later writers out. Pinned pages cannot be asked for
    /// then ([`PinnedPages::give_back`]).
    ///
    /// # Errors
    /// The kernel's.
    pub fn forbid_seals(&self) -> io::Result<()> {
        use rustix::fs::SealFlags;
        let seals = rustix::fs::fcntl_get_seals(&self.file)?;
        if !seals.contains(SealFlags::SEAL) {
            rustix::fs::fcntl_add_seals(&self.file, SealFlags::SEAL)?;
        }
        Ok(())
    }

    /// The kernel's answer for witness W4: true if no other process and no other description has
    /// the memory open or mapped. It takes a write lease, which the kernel grants only then, and
    /// returns it at once. fcntl(2), `F_SETLEASE`. The process must ignore SIGIO.
    ///
    /// # Errors
    /// The kernel's errors other than "another user exists".
    pub fn is_sole_user(&self) -> io::Result<bool> {
        self.is_granted(libc::F_WRLCK)
    }

    /// Takes a lease, and returns it at once.
    fn is_granted(&self, lease: libc::c_int) -> io::Result<bool> {
        let file = self.leases.as_ref().unwrap_or(&self.file);
        let set = |lease: libc::c_int| {
            // SAFETY: fcntl with an int argument.
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, lease) }
        };
        if set(lease) == 0 {
            set(libc::F_UNLCK);
            return Ok(true);
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
            error => Err(error),
        }
    }
}

impl Memfd {
    /// Unmaps the memory, of which [`Self::is_sole_user`] has said that no other process has it, and
    /// closes the file unless the kernel still uses pages of it: [`PinnedPages::give_back`].
    ///
    /// # Errors
    /// The pages that the kernel still uses.
    pub fn give_back(self) -> Result<(), PinnedPages> {
        let Self { file, mapping, .. } = self;
        let bytes = mapping.len();
        drop(mapping);
        PinnedPages::new(file, bytes).give_back()
    }
}

impl AsFd for Memfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A memory file of `len` bytes without seals, with the description that the lease tests do not count.
fn make(name: &str, len: usize) -> io::Result<OwnedFd> {
    let name = CString::new(name)?;
    // SAFETY: the name is a valid C string.
    let made =
        unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that no other code owns.
    let made = unsafe { OwnedFd::from_raw_fd(made) };
    rustix::fs::ftruncate(&made, len as u64)?;
    Ok(made)
}

fn reopen(file: BorrowedFd<'_>, access: Access) -> io::Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    let flags = match access {
        Access::ReadOnly => OFlags::RDONLY,
        Access::ReadWrite => OFlags::RDWR,
    };
    Ok(rustix::fs::open(
        format!("/proc/self/fd/{}", file.as_raw_fd()),
        flags | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memfd_client_description_then_not_sole_until_fully_closed() {
        crate::sys::ignore_sigio();
        for readers_only in [true, false] {
            let memfd = Memfd::create("test", 8192, readers_only).unwrap();
            assert!(memfd.is_sole_user().unwrap());
            let client = memfd.for_client().unwrap();
            assert!(!memfd.is_sole_user().unwrap(), "open elsewhere");
            let mapped = Mapping::new(client.as_fd(), 8192, Access::ReadOnly).unwrap();
            drop(client);
            assert!(!memfd.is_sole_user().unwrap(), "mapped elsewhere");
            drop(mapped);
            assert!(memfd.is_sole_user().unwrap());
        }
    }

    #[test]
    fn memfd_readers_only_then_no_writable_mapping_even_reopened() {
        let memfd = Memfd::create("test", 4096, true).unwrap();
        let client = memfd.for_client().unwrap();
        assert!(Mapping::new(client.as_fd(), 4096, Access::ReadWrite).is_err());
        let again = reopen(client.as_fd(), Access::ReadWrite).unwrap();
        assert!(Mapping::new(again.as_fd(), 4096, Access::ReadWrite).is_err());
    }

    #[test]
    fn memfd_filled_then_one_writer_is_told_from_readers() {
        crate::sys::ignore_sigio();
        let memfd = Memfd::create_filled("test", 8192).unwrap();
        assert!(memfd.is_sole_user().unwrap() && !memfd.has_writer().unwrap());
        let reader = memfd.for_client().unwrap();
        assert!(Mapping::new(reader.as_fd(), 8192, Access::ReadWrite).is_err());
        let mode = rustix::fs::fstat(&reader).unwrap().st_mode;
        assert_eq!(mode & 0o777, 0o600, "another user cannot reopen it");
        assert!(!memfd.is_sole_user().unwrap() && !memfd.has_writer().unwrap());
        let filler = memfd.for_filler().unwrap();
        let mapped = Mapping::new(filler.as_fd(), 8192, Access::ReadWrite).unwrap();
        drop(filler);
        assert!(memfd.has_writer().unwrap(), "mapped by the filler");
        drop(mapped);
        assert!(!memfd.has_writer().unwrap());
        memfd.forbid_seals().and(memfd.forbid_seals()).unwrap();
        let hostile = memfd.for_filler().unwrap();
        let sealed = rustix::fs::fcntl_add_seals(&hostile, rustix::fs::SealFlags::FUTURE_WRITE);
        assert_eq!(sealed, Err(rustix::io::Errno::PERM));
        drop((reader, hostile));
        assert!(memfd.is_sole_user().unwrap());
        memfd.give_back().unwrap();
    }

    #[test]
    fn memfd_hole_punched_then_refused_to_readers() {
        use rustix::fs::{FallocateFlags, fallocate};
        for readers_only in [true, false] {
            let memfd = Memfd::create("test", 8192, readers_only).unwrap();
            let word = memfd.mapping().at::<core::sync::atomic::AtomicU32>(4096);
            word.store(1, core::sync::atomic::Ordering::Relaxed);
            let client = reopen(memfd.as_fd(), Access::ReadWrite).unwrap();
            let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let punched = fallocate(&client, punch, 4096, 4096);
            assert_eq!(punched.is_err(), readers_only, "{punched:?}");
            let left = word.load(core::sync::atomic::Ordering::Relaxed);
            assert_eq!(left, u32::from(readers_only));
        }
    }

    #[test]
    fn memfd_truncate_then_refused_by_the_seal() {
        let memfd = Memfd::create("test", 4096, false).unwrap();
        let client = memfd.for_client().unwrap();
        assert!(rustix::fs::ftruncate(&client, 0).is_err());
        assert!(rustix::fs::ftruncate(&client, 8192).is_err());
    }
}
