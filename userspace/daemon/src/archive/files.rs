//! The files of the archive: one for each certificate, named after its session.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use onair_record::{Unfit, read_regular};
use onair_types::{Certificate, SessionId, Unverifiable};
use serde::Deserialize as _;
use serde_json::Value;

use super::ArchiveJob;
use crate::disk;
use crate::unwritten::{Change, Unwritten, WriteError};

/// Largest file that is read, in bytes; the daemon's own files have a tenth of it.
const MOST_BYTES: u64 = 1 << 20;

/// Why a file is not a certificate of this archive.
#[derive(Debug, thiserror::Error)]
pub(super) enum Foreign {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("its name is not a certificate's name (ID.json)")]
    Name,
    #[error("its content is not a complete certificate: {0}")]
    Form(#[from] serde_json::Error),
    #[error(transparent)]
    Format(#[from] Unverifiable),
    #[error("it contains the certificate of session {0}")]
    Other(SessionId),
}

/// Whether a file is a part that the writer creates beside the file that it replaces.
pub(super) fn is_own_part(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    let id = name.and_then(|name| name.strip_suffix(".json.part"));
    let is_id = id.is_some_and(|id| id.parse::<SessionId>().is_ok());
    is_id && std::fs::symlink_metadata(file).is_ok_and(|about| about.is_file())
}

/// Reads a file of the folder. One with a wrong digest or invalid claims is kept unchanged:
/// verifying it shows the fault.
pub(super) fn read(file: &Path) -> Result<Certificate, Foreign> {
    if file.extension().is_none_or(|extension| extension != "json") {
        return Err(Foreign::Name);
    }
    let document: Value = serde_json::from_slice(&read_regular(file, MOST_BYTES)?)?;
    let found = onair_types::verify(&document)?;
    let certificate = Certificate::deserialize(&document)?;
    let session = certificate.session;
    if file.file_name() != path(Path::new(""), session).file_name() {
        return Err(Foreign::Other(session));
    }
    for check in found.checks {
        if check.outcome == onair_types::CheckOutcome::Fails {
            tracing::warn!(
                path = %file.display(), check = check.name, reason = check.detail,
                "a certificate does not hold: `onairctl certificate verify` tells more"
            );
        }
    }
    Ok(certificate)
}

/// Runs the jobs in order, and consecutive writes together. A failed write is kept in `unwritten`;
/// it is not one of the failures counted here.
pub(super) fn work(
    dir: &Path,
    unwritten: &Unwritten<SessionId>,
    jobs: &[ArchiveJob],
) -> Vec<io::Result<()>> {
    let both_write = |a: &ArchiveJob, b: &ArchiveJob| {
        matches!((a, b), (ArchiveJob::Write(_), ArchiveJob::Write(_)))
    };
    let done = jobs.chunk_by(both_write).flat_map(|alike| match alike {
        [ArchiveJob::Remove(session)] => vec![remove(dir, unwritten, *session)],
        writes => {
            for (job, result) in writes.iter().zip(write(dir, writes)) {
                if let ArchiveJob::Write(certificate) = job {
                    note(dir, unwritten, certificate, &result);
                }
            }
            writes.iter().map(|_| Ok(())).collect()
        }
    });
    done.collect()
}

fn remove(dir: &Path, unwritten: &Unwritten<SessionId>, session: SessionId) -> io::Result<()> {
    unwritten.forget(&session);
    disk::remove(&path(dir, session)).inspect_err(|error| {
        tracing::error!(%session, %error, dir = %dir.display(), "cannot remove an old certificate");
    })
}

/// Records the result of a write, and logs what an operator must know.
fn note(
    dir: &Path,
    unwritten: &Unwritten<SessionId>,
    certificate: &Certificate,
    result: &Result<(), WriteError>,
) {
    let (session, name) = (certificate.session, &certificate.name);
    let error = result.as_ref().err().map(tracing::field::display);
    match unwritten.end(&session, result, Instant::now()) {
        Change::None => {}
        Change::Failed => tracing::error!(
            %session, %name, error, dir = %dir.display(),
            "cannot write a certificate: it stays in memory, and the daemon retries until it is on disk"
        ),
        Change::Recovered(tries) => {
            tracing::info!(%session, %name, tries, "the certificate is on disk now");
        }
    }
}

/// Writes certificates; of several for one session, only the last form.
fn write(dir: &Path, jobs: &[ArchiveJob]) -> Vec<Result<(), WriteError>> {
    let certificates = jobs.iter().filter_map(|job| match job {
        ArchiveJob::Write(certificate) => Some(certificate),
        ArchiveJob::Remove(_) => None,
    });
    let latest: BTreeMap<u64, _> = certificates.clone().map(|it| (it.session.0, it)).collect();
    let files = latest.values().map(|&certificate| {
        let certificate: &Certificate = certificate;
        let mut text = serde_json::to_vec_pretty(certificate).expect("maps have text keys");
        text.push(b'\n');
        (path(dir, certificate.session), text)
    });
    let written = disk::replace_all(dir, &files.collect::<Vec<_>>());
    let written = written
        .into_iter()
        .map(|result| result.map_err(WriteError::from));
    let results: BTreeMap<u64, _> = latest.into_keys().zip(written).collect();
    certificates
        .map(|certificate| results[&certificate.session.0].clone())
        .collect()
}

fn path(dir: &Path, session: SessionId) -> PathBuf {
    dir.join(file_name(session))
}

/// File name of a session's certificate in the archive's folder.
pub fn file_name(session: SessionId) -> String {
    format!("{session}.json")
}
