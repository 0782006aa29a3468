//! Persistence: a thread of the machine writes certificates and persistent sessions, which outlive the daemon.

use std::convert::identity;
use std::fmt::Debug;
use std::time::Instant;

use futures_channel::oneshot;
use onair_archive::{CertificateJob, SessionJob, WriteError};
use onair_workers::JobsNotDone;

/// Stored certificates.
pub type Archive = onair_archive::Archive<Thread<CertificateJob>>;
/// Persisted sessions.
pub type Store = onair_archive::Store<Thread<SessionJob>>;

/// Runs jobs one after the other.
pub trait Jobs<J>: Debug + Send {
    /// Hands a job in. Does not wait for the disk.
    ///
    /// # Errors
    /// The job: nothing does it.
    fn hand_in(&self, job: J) -> Result<(), J>;
    /// Returns when the jobs are done, at `deadline` at the latest.
    ///
    /// # Errors
    /// Jobs that are not done.
    fn close(self: Box<Self>, deadline: Instant) -> Result<(), JobsNotDone>;
}

/// The machine's thread that writes.
#[derive(Debug)]
pub struct Thread<J>(pub Box<dyn Jobs<J>>);

impl<J: Debug> onair_archive::Writer<J> for Thread<J> {
    type NotDone = JobsNotDone;

    fn hand_in(&self, job: J) -> Result<(), J> {
        self.0.hand_in(job)
    }

    fn close(self, deadline: Instant) -> Result<(), JobsNotDone> {
        self.0.close(deadline)
    }
}

/// Resolves when the file of a stored session is up to date, or cannot be.
pub(crate) async fn written(
    told: oneshot::Receiver<Result<(), WriteError>>,
) -> Result<(), WriteError> {
    // A writer that has died sends nothing.
    told.await.map_or(Err(WriteError::WriterEnded), identity)
}
