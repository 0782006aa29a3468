//! A thread that waits for the disk in place of the drain thread: fdatasync while a file grows, so
//! that little remains at its end; completion of files; manifests.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use onair_mutant::mutant;

use crate::manifest::FileReport;
use crate::shared::RecordingShared;

use super::folder::Folder;
use super::manifest_file::ManifestFile;
use super::sum::Sum;

/// Jobs.
enum SyncJob {
    Sync(Arc<File>),
    Close(Arc<File>, Box<FileReport>, Sum),
    ManifestFile(Vec<u8>),
}

/// Results.
#[derive(Debug)]
pub(crate) enum Done {
    Synced(io::Result<()>),
    /// `summed`: whether the sum is known.
    Closed {
        report: Box<FileReport>,
        summed: io::Result<()>,
        result: io::Result<()>,
    },
    ManifestFile(io::Result<()>),
}

/// The drain thread's handle.
pub(crate) struct Syncer {
    jobs: Option<Sender<SyncJob>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<ManifestFile>>,
    /// Unfinished jobs.
    pub(crate) open: usize,
}

impl Syncer {
    /// Starts the thread. It wakes the drain thread after each job.
    pub(crate) fn start(
        name: &str,
        folder: Folder,
        manifest_file: ManifestFile,
        shared: Arc<RecordingShared>,
    ) -> io::Result<Self> {
        let (jobs, inbox) = channel();
        let (outbox, done) = channel();
        let thread = thread::Builder::new()
            .name(format!("sync-{name}"))
            .spawn(move || run(&inbox, &outbox, &folder, manifest_file, &shared))?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            thread: Some(thread),
            open: 0,
        })
    }

    fn give(&mut self, job: SyncJob) {
        if let Some(jobs) = &self.jobs
            && jobs.send(job).is_ok()
        {
            self.open += 1;
        }
    }

    /// Syncs what is in the file to disk.
    pub(crate) fn sync(&mut self, file: &Arc<File>) {
        self.give(SyncJob::Sync(Arc::clone(file)));
    }

    /// Syncs a finished file and renames it.
    pub(crate) fn close(&mut self, file: Arc<File>, report: FileReport, sum: Sum) {
        self.give(SyncJob::Close(file, Box::new(report), sum));
    }

    /// Writes the manifest of a running recording.
    pub(crate) fn manifest_file(&mut self, text: Vec<u8>) {
        self.give(SyncJob::ManifestFile(text));
    }

    /// The next result, without waiting.
    pub(crate) fn poll(&mut self) -> Option<Done> {
        let done = self.done.try_recv().ok()?;
        self.open -= 1;
        Some(done)
    }

    /// Waits for the next result; `None` if there is no job.
    pub(crate) fn wait(&mut self) -> Option<Done> {
        if self.open == 0 {
            return None;
        }
        let done = self.done.recv();
        self.open -= 1;
        done.ok()
    }

    /// Ends the thread and returns the manifest file.
    pub(crate) fn end(mut self) -> Option<ManifestFile> {
        self.jobs = None;
        self.thread.take()?.join().ok()
    }
}

fn run(
    inbox: &Receiver<SyncJob>,
    outbox: &Sender<Done>,
    folder: &Folder,
    mut manifest_file: ManifestFile,
    shared: &RecordingShared,
) -> ManifestFile {
    // The last file with a failed sync. The kernel reports the failure once: the fsync at the
    // file's end would succeed.
    let mut failed: Option<(Arc<File>, String)> = None;
    for job in inbox {
        let done = match job {
            SyncJob::Sync(file) => {
                let result = file.sync_data();
                if let Err(error) = &result {
                    failed = Some((file, format!("fdatasync: {error}")));
                }
                Done::Synced(result)
            }
            SyncJob::Close(file, mut report, sum) => {
                let failed = failed.take().filter(|(of, _)| Arc::ptr_eq(of, &file));
                let result = match failed {
                    Some((_, reason)) => Err(io::Error::other(reason)),
                    None => close(&file, &report, folder),
                };
                let failed = |_| Err(io::Error::other("the thread that computes it has failed"));
                let sum = sum.recv().unwrap_or_else(failed);
                let summed = sum.map(|it| report.sha256 = Some(it));
                Done::Closed {
                    report,
                    summed,
                    result,
                }
            }
            SyncJob::ManifestFile(text) => Done::ManifestFile(manifest_file.update(&text)),
        };
        if outbox.send(done).is_err() {
            break;
        }
        shared.wake();
    }
    manifest_file
}

fn close(file: &File, report: &FileReport, folder: &Folder) -> io::Result<()> {
    let early = mutant!("recording: renamed before it is synced");
    let rename = || folder.rename(&folder.unfinished(&report.name), &folder.file(&report.name));
    if early {
        rename()?;
    }
    if !mutant!("recording: not synced at its end") {
        file.sync_all()?;
    }
    if early { Ok(()) } else { rename() }
}
