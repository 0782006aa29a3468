//! The archive's view of the program that it is part of.

use std::fmt::Debug;
use std::time::Instant;

use onair_disk::Disk;

use crate::note::Note;

/// The machine, as the archive sees it.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Where the files are.
    pub disk: &'static dyn Disk,
    /// The time, for the pauses between retries.
    pub now: fn() -> Instant,
    /// Takes what an operator must know.
    pub tell: fn(Note),
}

/// The owner's end of a thread that does jobs one after the other, in the order in which they were
/// handed in.
pub trait Writer<J>: Debug {
    /// Jobs that are not done at the end.
    type NotDone: std::error::Error;

    /// Hands a job in. Does not wait for the disk.
    ///
    /// # Errors
    /// The job: the thread has ended.
    fn hand_in(&self, job: J) -> Result<(), J>;

    /// Returns when the jobs are done, at `deadline` at the latest.
    ///
    /// # Errors
    /// Jobs that are not done.
    fn close(self, deadline: Instant) -> Result<(), Self::NotDone>;
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::RefCell;

    use onair_disk::RealDisk;

    use super::*;

    /// A writer that does each job at once.
    pub(crate) struct Now<J>(RefCell<Box<dyn FnMut(J)>>);

    impl<J> Debug for Now<J> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Now")
        }
    }

    impl<J> Now<J> {
        pub(crate) fn new(work: impl FnMut(J) + 'static) -> Self {
            Self(RefCell::new(Box::new(work)))
        }
    }

    impl<J> Writer<J> for Now<J> {
        type NotDone = std::convert::Infallible;

        fn hand_in(&self, job: J) -> Result<(), J> {
            self.0.borrow_mut()(job);
            Ok(())
        }

        fn close(self, _: Instant) -> Result<(), Self::NotDone> {
            Ok(())
        }
    }

    /// The machine that the test runs on.
    pub(crate) fn real() -> Host {
        Host {
            disk: &RealDisk,
            now: Instant::now,
            tell: |_| (),
        }
    }
}
