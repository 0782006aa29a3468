//! How many open file descriptions a memory file has, by the kernel's own count.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use onair_ebpf::names::OPENINGS;
use onair_ipc::sys::bpf;

use crate::error::{ProbeError, Unlinked, chain, classify};
use crate::programs::instructions::{fitted, program};
use crate::programs::types::KernelTypes;

/// Counts what fcntl(2)'s lease leaves out, too: descriptors opened with `O_PATH`.
#[derive(Debug)]
pub struct Openings(OwnedFd);

impl Openings {
    /// Loads the program.
    ///
    /// # Errors
    /// [`ProbeError::NotPermitted`]; [`ProbeError::System`] with the kernel's reason.
    pub fn load() -> Result<Self, ProbeError> {
        let what = "counting the openings of memory files";
        let loaded = || {
            let object = fitted(onair_ebpf::openings(), KernelTypes::read()?.btf())?;
            let (license, instructions) = program(&object, OPENINGS)?;
            Ok(Self(bpf::load_question(OPENINGS, license, &instructions)?))
        };
        loaded().map_err(|error: Unlinked| {
            classify(what, error, |error| ProbeError::System {
                what,
                source: io::Error::other(chain(&error)),
            })
        })
    }

    /// Open file descriptions of `file`, a memory file, in all processes, with this one. A process that looks
    /// the file up in `/proc` counts for a moment, too.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of(&self, file: BorrowedFd<'_>) -> io::Result<u32> {
        bpf::run(
            self.0.as_fd(),
            u64::try_from(file.as_raw_fd()).expect("not negative"),
        )
    }
}

#[cfg(test)]
mod tests {
    use onair_ipc::memfd::Memfd;
    use onair_ipc::sys;
    use rustix::fs::{Mode, OFlags, open};

    use super::*;

    #[test]
    fn openings_of_a_memory_file_then_each_counted_even_by_o_path() {
        sys::ignore_sigio();
        let openings = Openings::load().expect("these tests need root and a kernel with BTF");
        let file = Memfd::create("test", 8192, true).unwrap();
        let count = || openings.of(file.as_fd()).unwrap();
        assert_eq!(count(), 1);
        let client = file.for_client().unwrap();
        assert_eq!(count(), 2);
        let path = format!("/proc/self/fd/{}", client.as_raw_fd());
        let hidden = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        drop(client);
        assert!(file.is_sole_user().unwrap(), "the lease does not see it");
        assert_eq!(count(), 2);
        drop(hidden);
        assert_eq!(count(), 1);
    }
}
