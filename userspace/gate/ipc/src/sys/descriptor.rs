//! Descriptors in a program that may close all of them and open others (closefrom(3)): the number that the library knows
//! may be another file's at any time.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};

/// Identifies an open file: its file system and its number there, which no two sockets share.
type FileId = (u64, u64);

/// Identifies the open file of a descriptor; `None`: it is closed.
fn file_id(file: BorrowedFd<'_>) -> Option<FileId> {
    let found = rustix::fs::fstat(file).ok()?;
    Some((found.st_dev, found.st_ino))
}

/// A socket of the library's. It is closed only if its number is still its own; the owner of another file that has this
/// number by now keeps it. Look at [`CheckedFd::is_own`] before each use.
#[derive(Debug)]
pub struct CheckedFd {
    file: ManuallyDrop<OwnedFd>,
    id: Option<FileId>,
}

impl CheckedFd {
    /// Of a socket or a pipe: files of other kinds, such as eventfds, share a number.
    pub fn new(file: OwnedFd) -> Self {
        Self {
            id: file_id(file.as_fd()),
            file: ManuallyDrop::new(file),
        }
    }

    /// Whether the number is still its own, in the calling thread's table of descriptors.
    pub fn is_own(&self) -> bool {
        self.id.is_some() && file_id(self.as_fd()) == self.id
    }

    /// Whether the number `other` is a duplicate of it.
    pub fn is_at(&self, other: RawFd) -> bool {
        if other < 0 {
            return false;
        }
        // SAFETY: the kernel is only asked which file it is, if any.
        let other = unsafe { BorrowedFd::borrow_raw(other) };
        self.id.is_some() && file_id(other) == self.id
    }

    /// Closes it in the calling thread's table, and leaves it open in others.
    pub fn close_here(&self) {
        if self.is_own() {
            // SAFETY: from now on it is not its own here, and is not used.
            // Not libc's: a thread sanitizer takes the number in a table of a thread's own for the program's.
            unsafe { rustix::io::close(self.file.as_raw_fd()) };
        }
    }
}

impl AsFd for CheckedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for CheckedFd {
    fn drop(&mut self) {
        self.close_here();
    }
}

/// A table of descriptors of the calling thread alone: the other threads neither close nor replace what is in it.
#[derive(Debug)]
pub struct OwnTable(());

impl OwnTable {
    /// A copy of the table that the thread has shared so far (`CLOSE_RANGE_UNSHARE`, Linux 5.9). Close what is not needed:
    /// a file stays open as long as one copy is.
    ///
    /// # Errors
    /// The kernel's; a seccomp filter may refuse it.
    pub fn copy() -> io::Result<Self> {
        const UNSHARE: libc::c_uint = 1 << 1;
        close_range(RawFd::MAX, RawFd::MAX, UNSHARE)?;
        Ok(Self(()))
    }

    /// Closes all but two.
    pub fn keep(self, kept: [BorrowedFd<'_>; 2]) {
        let [one, other] = kept.map(|it| it.as_raw_fd());
        let (first, last) = (one.min(other), one.max(other));
        for (from, to) in [
            (0, first - 1),
            (first + 1, last - 1),
            (last + 1, RawFd::MAX),
        ] {
            if from <= to {
                // The range is valid, and no other thread is concerned.
                let _ = close_range(from, to, 0);
            }
        }
    }
}

fn close_range(from: RawFd, to: RawFd, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: with the flag it closes none; without it, the table is the caller's own.
    match unsafe { libc::syscall(libc::SYS_close_range, from, to, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().unwrap()
    }

    #[test]
    fn number_of_another_file_then_not_its_own_and_left_open() {
        let (one, other) = pair();
        let mut file = CheckedFd::new(one.into());
        assert!(file.is_own() && file.is_at(file.as_fd().as_raw_fd()));
        assert!(!file.is_at(other.as_raw_fd()) && !file.is_at(-1));
        // As dup2(2) does for a program that has closed it.
        rustix::io::dup2(&other, &mut file.file).unwrap();
        assert!(!file.is_own());
        let number = file.file.as_raw_fd();
        drop(file);
        // SAFETY: it is the duplicate that was just made.
        let theirs = unsafe { BorrowedFd::borrow_raw(number) };
        assert_eq!(file_id(theirs), file_id(other.as_fd()));
        // SAFETY: the same; it is not used after this.
        unsafe { libc::close(number) };
    }

    #[test]
    fn thread_with_a_table_of_its_own_then_only_what_it_keeps() {
        let ((one, other), (third, far)) = (pair(), pair());
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                OwnTable::copy().unwrap().keep([one.as_fd(), other.as_fd()]);
                let is_open = |it: &UnixStream| file_id(it.as_fd()).is_some();
                assert!(is_open(&one) && is_open(&other) && !is_open(&third) && !is_open(&far));
            });
            thread.join().unwrap();
        });
        assert!(file_id(third.as_fd()).is_some() && file_id(far.as_fd()).is_some());
    }
}
