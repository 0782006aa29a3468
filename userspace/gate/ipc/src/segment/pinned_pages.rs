//! Pages of a memory file that no process has open or mapped, and that the kernel still uses.

use std::os::fd::OwnedFd;

use onair_mutant::mutant;
use rustix::fs::{SealFlags, fcntl_add_seals};
use rustix::io::Errno;

/// A memory file with pages in a pipe (vmsplice(2)), registered with io_uring, or under a device's
/// or a socket's transfer. The kernel frees them when that ends.
#[derive(Debug)]
pub struct PinnedPages {
    file: OwnedFd,
    bytes: usize,
}

impl PinnedPages {
    pub(crate) fn new(file: OwnedFd, bytes: usize) -> Self {
        Self { file, bytes }
    }

    /// Size of the file in bytes: of all its pages, since the kernel does not count the pinned ones.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Closes the file if the kernel uses none of its pages.
    ///
    /// The kernel refuses `F_SEAL_WRITE` (fcntl(2)) while a page has users that it does not know; before
    /// that it waits for short ones, 0.15 s (`memfd_wait_for_pins`, mm/memfd.c).
    ///
    /// A process that could write to the memory could also forbid more seals: then the answer is that
    /// none is pinned.
    ///
    /// # Errors
    /// Itself, if a page is pinned.
    pub fn give_back(self) -> Result<(), Self> {
        let sealed = fcntl_add_seals(&self.file, SealFlags::WRITE);
        if sealed == Err(Errno::BUSY) && !mutant!("memory: pinned pages are not counted") {
            return Err(self);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _};

    use rustix::fs::fcntl_get_seals;
    use rustix::pipe::{IoSliceRaw, SpliceFlags, pipe, vmsplice};

    use crate::mapping::{Access, Mapping};
    use crate::memfd::Memfd;

    use super::*;

    const BYTES: usize = 64 * 4096;
    /// `IORING_REGISTER_BUFFERS`.
    const REGISTER_BUFFERS: libc::c_uint = 0;

    /// As a client maps it, that closes its descriptor.
    fn mapped(memory: &Memfd, access: Access) -> Mapping {
        Mapping::new(memory.for_client().unwrap().as_fd(), BYTES, access).unwrap()
    }

    #[test]
    fn page_in_a_pipe_then_pinned_until_it_is_read() {
        crate::sys::ignore_sigio();
        for readers_only in [true, false] {
            let memory = Memfd::create("test", BYTES, readers_only).unwrap();
            let client = mapped(&memory, Access::ReadOnly);
            let (reader, writer) = pipe().unwrap();
            // SAFETY: the range is mapped, and never unmapped while the kernel reads it: it holds the page.
            let moved = unsafe {
                let page = std::slice::from_raw_parts(client.base().as_ptr(), 4096);
                vmsplice(
                    &writer,
                    &[IoSliceRaw::from_slice(page)],
                    SpliceFlags::empty(),
                )
            };
            assert_eq!(moved, Ok(4096));
            drop(client);
            assert!(memory.is_sole_user().unwrap(), "no process has it");
            let pinned = memory.give_back().unwrap_err();
            assert_eq!(pinned.bytes(), BYTES);
            let pinned = pinned.give_back().unwrap_err();
            rustix::io::read(&reader, &mut [0; 4096]).unwrap();
            pinned.give_back().unwrap();
        }
    }

    #[test]
    fn page_registered_with_io_uring_then_pinned_until_ring_closes() {
        crate::sys::ignore_sigio();
        let memory = Memfd::create("test", BYTES, false).unwrap();
        let client = mapped(&memory, Access::ReadWrite);
        let mut parameters = [0u8; 120];
        // SAFETY: io_uring_setup(2) writes to the parameters, which have the size of its structure.
        let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
        let ring = i32::try_from(ring).unwrap();
        assert!(ring >= 0, "{}", io::Error::last_os_error());
        // SAFETY: a new descriptor.
        let ring = unsafe { OwnedFd::from_raw_fd(ring) };
        let buffer = libc::iovec {
            iov_base: client.base().as_ptr().cast(),
            iov_len: 4096,
        };
        // SAFETY: io_uring_register(2) reads one iovec; the kernel holds the page.
        let done = unsafe {
            let ring = ring.as_raw_fd();
            libc::syscall(
                libc::SYS_io_uring_register,
                ring,
                REGISTER_BUFFERS,
                &raw const buffer,
                1,
            )
        };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
        drop(client);
        assert!(memory.is_sole_user().unwrap(), "no process has it");
        let mut pinned = memory.give_back().unwrap_err();
        drop(ring);
        // The kernel takes a ring down in the background.
        for _ in 0..100 {
            match pinned.give_back() {
                Ok(()) => return,
                Err(still) => pinned = still,
            }
        }
        panic!("still pinned");
    }

    #[test]
    fn memory_that_is_used_as_usual_then_given_back_at_once() {
        crate::sys::ignore_sigio();
        for _ in 0..50 {
            let memory = Memfd::create("test", BYTES, true).unwrap();
            let client = mapped(&memory, Access::ReadOnly);
            // SAFETY: in bounds of the mapping, which the daemon's side writes only here.
            unsafe { memory.mapping().base().as_ptr().write_bytes(1, BYTES) };
            // SAFETY: as above.
            assert_eq!(unsafe { client.base().as_ptr().add(BYTES - 1).read() }, 1);
            drop(client);
            memory.give_back().unwrap();
        }
    }

    #[test]
    fn client_adds_seals_then_only_its_own_file_takes_them() {
        let memory = Memfd::create("test", BYTES, false).unwrap();
        let client = memory.for_client().unwrap();
        assert_eq!(
            fcntl_add_seals(&client, SealFlags::WRITE),
            Err(Errno::BUSY),
            "the daemon writes to it"
        );
        fcntl_add_seals(&client, SealFlags::FUTURE_WRITE | SealFlags::SEAL).unwrap();
        // SAFETY: in bounds of the mapping.
        unsafe { memory.mapping().base().as_ptr().write_bytes(1, BYTES) };
        drop(client);
        memory.give_back().unwrap();

        let memory = Memfd::create("test", BYTES, true).unwrap();
        let client = memory.for_client().unwrap();
        let before = fcntl_get_seals(&client).unwrap();
        assert_eq!(fcntl_add_seals(&client, SealFlags::SEAL), Err(Errno::PERM));
        assert_eq!(fcntl_get_seals(&client), Ok(before));
    }
}
