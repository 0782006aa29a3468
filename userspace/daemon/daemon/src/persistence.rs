//! Files that outlive the daemon: certificates and persistent sessions, with their threads and the log.
//!
//! `onair_archive` decides what is written. Not here: recordings (`onair_record`), and the journal of
//! resources ([`crate::resources`]).

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::time::Instant;

use onair_api::{SessionSpec, Who};
use onair_archive::{BATCH, Host, LOG_BYTES, Note, Retention, SessionJob, Unread};
use onair_disk::RealDisk;
use onair_engine::persistence::{Archive, Jobs, Store, Thread};
use onair_workers::{JobsNotDone, ThreadRegistry, Worker};

const HOST: Host = Host {
    disk: &RealDisk,
    now: Instant::now,
    tell,
};

/// A thread that writes.
#[derive(Debug)]
struct Writer<J>(Worker<J>);

impl<J: Debug + Send + 'static> Jobs<J> for Writer<J> {
    fn hand_in(&self, job: J) -> Result<(), J> {
        self.0.hand_in(job)
    }

    fn close(self: Box<Self>, deadline: Instant) -> Result<(), JobsNotDone> {
        self.0.close(deadline)
    }
}

fn thread<J: Debug + Send + 'static>(worker: Worker<J>) -> Thread<J> {
    Thread(Box::new(Writer(worker)))
}

/// Opens the certificates in the folder `state`, and starts their thread, one of the daemon's `threads`.
///
/// # Errors
/// The disk's, or the thread cannot be started.
pub fn open_archive(
    state: &Path,
    retention: Retention,
    threads: &ThreadRegistry,
) -> io::Result<(Archive, Unread)> {
    Archive::open(HOST, state, LOG_BYTES, retention, |mut files| {
        let work = move |jobs: Vec<_>| files.work(&jobs);
        Worker::start_in_batches(threads, "archive", BATCH, work).map(thread)
    })
}

/// Opens the sessions in the folder `state`, with those that are `configured`, the `daemon`'s, and starts
/// their thread, one of the daemon's `threads`.
///
/// # Errors
/// As [`open_archive`].
pub(crate) fn open_store(
    state: &Path,
    configured: Vec<SessionSpec>,
    daemon: &Who,
    threads: &ThreadRegistry,
) -> io::Result<Store> {
    Store::open(HOST, state, configured, daemon, |files| {
        let work = move |job: SessionJob| {
            files.work(&job);
            Ok(())
        };
        Worker::start(threads, "store", work).map(thread)
    })
}

/// Logs what an operator must know.
fn tell(note: Note) {
    match note {
        Note::PartRemoved(path) => {
            let path = path.display();
            tracing::info!(%path, "removed an incomplete certificate of a killed daemon");
        }
        Note::NotCertificate { path, reason } => {
            let path = path.display();
            tracing::warn!(%path, reason, "ignored a file that is not a certificate");
        }
        Note::Invalid {
            path,
            check,
            reason,
        } => tracing::warn!(
            path = %path.display(), check, reason,
            "a certificate is invalid: `onairctl certificate verify` tells more"
        ),
        Note::TornLog { path, records } => tracing::warn!(
            path = %path.display(), records,
            "the last record in the log of certificates is not whole: no answer has mentioned it"
        ),
        Note::LogSetAside { path, reason } => tracing::error!(
            path = %path.display(), reason,
            "set aside a file that is not the log of certificates"
        ),
        Note::LogFailed { path, error } => tracing::warn!(
            path = %path.display(), %error,
            "the log of certificates cannot be written: each certificate is synced by itself, which takes longer"
        ),
        Note::CertificateFailed {
            session,
            name,
            error,
        } => tracing::error!(
            %session, %name, %error,
            "cannot write a certificate: it stays in memory, and the daemon retries until it is on disk"
        ),
        Note::CertificateWritten {
            session,
            name,
            tries,
        } => tracing::info!(%session, %name, tries, "the certificate is on disk now"),
        Note::ArchiveFills(it) => tracing::warn!(
            kept = it.used,
            limit = it.limit,
            "{} fill their places: then the oldest one of the user with the most is removed: copy them elsewhere, or \
             raise state.certificates",
            it.kind.what()
        ),
        Note::CertificateStays { session, error } => {
            tracing::error!(%session, %error, "cannot remove an old certificate");
        }
        Note::SessionSetAside { path, reason } => tracing::error!(
            path = %path.display(), reason,
            "set aside a file that is not a session"
        ),
        Note::SessionNotConfigured(name) => {
            tracing::info!(%name, "a session is no longer in the configuration");
        }
        Note::SessionFailed {
            name,
            is_removal,
            error,
        } => {
            let what = if is_removal { "remove" } else { "write" };
            tracing::error!(
                %name, %error,
                "cannot {what} the file of a session: the daemon retries until it succeeds"
            );
        }
        Note::SessionWritten { name, tries } => {
            tracing::info!(%name, tries, "the file of the session is up to date now");
        }
        Note::WriterEnded(what) => {
            tracing::error!(what, "the thread that writes has ended: this is not stored");
        }
    }
}
