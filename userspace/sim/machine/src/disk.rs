//! The state directory: real files, written at once.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use onair_api::{SessionSpec, Who};
use onair_archive::{CertificateJob, Host, LOG_BYTES, Note, Retention, SessionJob};
use onair_disk::RealDisk;
use onair_engine::persistence::{Archive, Jobs, Store, Thread};
use onair_workers::JobsNotDone;

const HOST: Host = Host {
    disk: &RealDisk,
    now: Instant::now,
    tell,
};

/// The tests look at what is kept.
fn tell(_: Note) {}

/// Does a job when it is handed in.
struct AtOnce<J>(Mutex<Box<dyn FnMut(J) + Send>>);

impl<J> Debug for AtOnce<J> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AtOnce")
    }
}

impl<J: Debug + Send> Jobs<J> for AtOnce<J> {
    fn hand_in(&self, job: J) -> Result<(), J> {
        let mut work = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(job);
        Ok(())
    }

    fn close(self: Box<Self>, _: Instant) -> Result<(), JobsNotDone> {
        Ok(())
    }
}

fn at_once<J: Debug + Send + 'static>(work: impl FnMut(J) + Send + 'static) -> Thread<J> {
    Thread(Box::new(AtOnce(Mutex::new(Box::new(work)))))
}

/// The certificates in the folder `state`.
///
/// # Errors
/// The disk's.
pub fn open_archive(state: &Path) -> io::Result<Archive> {
    let retention = Retention {
        count: 1000,
        age: None,
    };
    Archive::open(HOST, state, LOG_BYTES, retention, |mut files| {
        Ok(at_once(move |job: CertificateJob| {
            // A failure is kept for the archive.
            let _ = files.work(&[job]);
        }))
    })
}

/// The persistent sessions in the folder `state`.
///
/// # Errors
/// The disk's.
pub fn open_store(state: &Path, daemon: &Who) -> io::Result<Store> {
    Store::open(HOST, state, Vec::<SessionSpec>::new(), daemon, |files| {
        Ok(at_once(move |job: SessionJob| files.work(&job)))
    })
}
