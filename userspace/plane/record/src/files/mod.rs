//! Files of a recording: consecutive parts, each written in blocks, synced while it grows, and
//! renamed when it is complete. This module does not interpret the bytes.

mod behind;
mod block;
mod fault;
mod folder;
mod manifest_file;
pub(crate) mod part;
pub(crate) mod sum;
mod syncer;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::manifest::{FileReport, Manifest};
use crate::spec::Spec;
use crate::spec::UNFINISHED;
use crate::totals::{Loss, ProducerTotals};

pub(crate) use fault::Fault;
pub(crate) use folder::Folder;
pub(crate) use manifest_file::ManifestFile;
use part::RecordingFile;
pub(crate) use sum::Summer;
use syncer::Done;
pub(crate) use syncer::Syncer;

/// Bytes written between two syncs; also the most that the fsync at the end has to write.
const SYNC_BYTES: u64 = 8 << 20;
/// Most unsynced bytes; above it the drain thread waits for the disk.
const MAX_UNSYNCED: u64 = 256 << 20;
/// Most bytes at the end of a file for each producer.
const END_BYTES: u64 = 512;
/// Most finished files that wait for the disk, each with a descriptor; above it the drain thread
/// waits.
const MAX_CLOSING: usize = 64;
/// Most problems kept.
const MAX_PROBLEMS: usize = 100;

/// The files of one recording.
pub(crate) struct Files {
    folder: Folder,
    split_size: Option<u64>,
    split_duration: Option<Duration>,
    producers: Vec<Arc<ProducerTotals>>,
    /// Parts not completely written, in order; the last one is the current one.
    parts: VecDeque<RecordingFile>,
    next_number: u32,
    /// Parts that the syncer completes.
    closing: VecDeque<RecordingFile>,
    closed: Vec<FileReport>,
    closed_bytes: u64,
    summer: Summer,
    syncer: Option<Syncer>,
    fault: Option<Fault>,
    /// The recording ends during a fault; unwritten events are lost for this reason.
    giving_up: Option<Loss>,
    /// No event comes any more: see [`Self::write_directly`].
    directly: bool,
    unsynced: u64,
    syncing: u64,
    pub(crate) problems: Vec<String>,
    pub(crate) problems_more: u64,
}

impl Files {
    pub(crate) fn new(
        spec: &Spec,
        folder: Folder,
        first: RecordingFile,
        (summer, syncer): (Summer, Syncer),
        before: Option<&Manifest>,
    ) -> Self {
        Self {
            folder,
            split_size: spec.split_size,
            split_duration: spec.split_duration,
            producers: Vec::new(),
            next_number: first.number + 1,
            parts: VecDeque::from([first]),
            closing: VecDeque::new(),
            closed: before.map_or_else(Vec::new, |it| it.files.clone()),
            closed_bytes: before.map_or(0, Manifest::bytes),
            summer,
            syncer: Some(syncer),
            fault: None,
            giving_up: None,
            directly: false,
            unsynced: 0,
            syncing: 0,
            problems: before.map_or_else(Vec::new, |it| it.problems.clone()),
            problems_more: 0,
        }
    }

    /// Registers a producer under the next number.
    pub(crate) fn join(&mut self, totals: Arc<ProducerTotals>) {
        self.producers.push(totals);
    }

    pub(crate) fn totals(&self, producer: usize) -> &Arc<ProducerTotals> {
        &self.producers[producer]
    }

    pub(crate) fn producers(&self) -> &[Arc<ProducerTotals>] {
        &self.producers
    }

    fn present(&mut self) -> &mut RecordingFile {
        self.parts
            .back_mut()
            .expect("there is always a present part")
    }

    /// Number of the current file, from 1.
    pub(crate) fn part_number(&self) -> u32 {
        self.next_number - 1
    }

    /// Buffer for the current file's next bytes.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        self.present().out()
    }

    /// Marks the bytes since the last mark as an event of `producer` with `bytes` captured bytes.
    pub(crate) fn mark(&mut self, producer: usize, bytes: u64, at_ns: u64) {
        self.present().mark(Some(producer), bytes, Some(at_ns));
    }

    /// Marks the bytes since the last mark as the format's own.
    pub(crate) fn mark_own(&mut self) {
        self.present().mark(None, 0, None);
    }

    /// Whether `bytes` more bytes, of an event at `at_ns`, belong in another file.
    pub(crate) fn must_split(&self, size: usize, at_ns: u64) -> bool {
        let Some(part) = self.parts.back() else {
            return false;
        };
        let Some(first) = part.first_event_ns() else {
            // A file has at least one event, however long.
            return false;
        };
        let is_long = self.split_size.is_some_and(|most| {
            let end = (self.producers.len() as u64 * END_BYTES).min(most / 2);
            part.len() + size as u64 + end > most
        });
        let is_old = self
            .split_duration
            .is_some_and(|most| u128::from(at_ns.saturating_sub(first)) >= most.as_nanos());
        is_long || is_old
    }

    /// Starts another file. Buffered bytes of the previous file are written first.
    pub(crate) fn next_part(&mut self) {
        let is_taken = |number: &u32| {
            let file = self.folder.file(&self.folder.part_name(*number));
            file.symlink_metadata().is_ok()
        };
        // Leaves foreign files unchanged and skips their numbers.
        let mut numbers = self.next_number..;
        let number = numbers.find(|it| !is_taken(it)).unwrap_or(u32::MAX);
        self.next_number = number + 1;
        let name = self.folder.part_name(number);
        self.parts.push_back(RecordingFile::new(number, name));
    }

    /// Bytes of all files, including buffered bytes.
    pub(crate) fn len(&self) -> u64 {
        let parts = self.closing.iter().chain(&self.parts);
        self.closed_bytes + parts.map(RecordingFile::len).sum::<u64>()
    }

    /// Buffered bytes.
    pub(crate) fn waiting(&self) -> usize {
        self.parts.iter().map(RecordingFile::waiting).sum()
    }

    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// From now on whole blocks are written past the page cache, where that is possible: no
    /// processor copies them. While events come it is not done: the page cache takes up what a disk
    /// is late, the few blocks under way do not.
    pub(crate) fn write_directly(&mut self) {
        self.directly = true;
    }

    /// Writes whole blocks, or with `all` everything. `false` during a fault.
    pub(crate) fn pump(&mut self, all: bool) -> bool {
        if let Some(loss) = self.giving_up {
            self.drop_waiting(loss);
            return true;
        }
        self.fault = self.try_pump(all).err();
        self.fault.is_none()
    }

    fn try_pump(&mut self, all: bool) -> Result<(), Fault> {
        while self.parts.len() > 1 {
            self.write_front(true)?;
            if let Some(part) = self.parts.pop_front() {
                self.close(part);
            }
        }
        self.write_front(all)
    }

    fn write_front(&mut self, all: bool) -> Result<(), Fault> {
        let part = self
            .parts
            .front_mut()
            .expect("there is always a present part");
        let before = part.in_file();
        let (folder, producers) = (&self.folder, &self.producers[..]);
        let given = match self.directly {
            true => part.write_behind(all, folder, producers, &self.summer),
            false => Ok(()),
        };
        let result = given.and_then(|()| part.write(all, folder, producers));
        self.unsynced += part.in_file() - before;
        // Also during a fault: some of it may be in the file.
        if let Some(written) = part.take_written(|| self.summer.spare()) {
            self.summer.add(written);
        }
        self.ask_sync();
        result
    }

    /// Drops the buffered bytes: they will be in no file.
    fn drop_waiting(&mut self, loss: Loss) {
        for part in &mut self.parts {
            part.land(true, &self.producers, &self.summer);
            match (part.give_up(loss, &self.producers), part.file()) {
                (Ok(Some(size)), Some(file)) => self.summer.cut(file, size),
                (Ok(_), _) => {}
                (Err(error), _) => {
                    let text = format!("cutting {} back to whole events: {error}", part.name);
                    note(&mut self.problems, &mut self.problems_more, text);
                }
            }
        }
    }

    /// Stops writing: the recording ends during a fault.
    pub(crate) fn give_up(&mut self) {
        if self.giving_up.is_none()
            && let Some(fault) = &self.fault
        {
            let text = format!("ended during a fault: {fault}");
            self.giving_up = Some(fault.loss());
            self.problem(text);
            self.pump(true);
        }
    }

    fn close(&mut self, mut part: RecordingFile) {
        let (Some(file), Some(syncer)) = (part.file(), &mut self.syncer) else {
            return;
        };
        let sum = self.summer.finish();
        if part.number > 1 && part.in_file() == 0 {
            // It was created, and then there was no space: no tool opens an empty file.
            if let Err(error) = std::fs::remove_file(self.folder.unfinished(&part.name)) {
                self.problem(format!("removing the empty {}: {error}", part.name));
            }
            return;
        }
        syncer.close(Arc::clone(file), part.report(), sum);
        part.seal();
        self.closing.push_back(part);
    }

    /// Handles the syncer's results.
    pub(crate) fn collect(&mut self) {
        while let Some(done) = self.syncer.as_mut().and_then(Syncer::poll) {
            self.done(done);
        }
    }

    /// Waits until the disk has fewer unsynced bytes.
    pub(crate) fn catch_up(&mut self) {
        while self.unsynced >= MAX_UNSYNCED || self.closing.len() >= MAX_CLOSING {
            self.ask_sync();
            match self.syncer.as_mut().and_then(Syncer::wait) {
                Some(done) => self.done(done),
                // There is no file to sync.
                None => {
                    self.unsynced = 0;
                    return;
                }
            }
        }
    }

    fn ask_sync(&mut self) {
        let part = self.parts.front();
        if self.syncing == 0
            && self.unsynced >= SYNC_BYTES
            && let Some(syncer) = &mut self.syncer
            && let Some(file) = part.and_then(RecordingFile::file)
        {
            syncer.sync(file);
            self.syncing = self.unsynced;
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Synced(result) => {
                self.unsynced = self.unsynced.saturating_sub(self.syncing);
                self.syncing = 0;
                if let Err(error) = result {
                    self.problem(format!(
                        "fdatasync: {error}: earlier writes may not be on disk and count as lost when the file ends"
                    ));
                }
            }
            Done::ManifestFile(Ok(())) => {}
            Done::ManifestFile(Err(error)) => {
                self.problem(format!("writing the manifest: {error}"))
            }
            Done::Closed {
                report,
                summed,
                result,
            } => {
                let Some(part) = self.closing.pop_front() else {
                    return;
                };
                if let Err(error) = summed {
                    self.problem(format!("{} has no SHA-256: {error}", report.name));
                }
                match result {
                    Ok(()) => self.closed(*report),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        self.note_removed(part);
                    }
                    Err(error) => {
                        let events = part.lose(Loss::DiskFault, &self.producers);
                        self.problem(format!(
                            "completing {}: {error}: its {events} events may not be on disk, and count as lost",
                            report.name
                        ));
                        self.closed(FileReport {
                            name: format!("{}.{UNFINISHED}", report.name),
                            events: 0,
                            by_producer: Vec::new(),
                            sha256: None,
                            ..*report
                        });
                    }
                }
            }
        }
    }

    fn closed(&mut self, report: FileReport) {
        self.closed_bytes += report.bytes;
        self.closed.push(report);
    }

    /// Number of files.
    pub(crate) fn count(&self) -> usize {
        self.closed.len() + self.closing.len() + self.parts.len()
    }

    /// If the current file was removed from outside, starts another one and returns true: the
    /// encoder must then begin it.
    pub(crate) fn replace_removed(&mut self) -> bool {
        // Later parts have no file yet.
        if !self.parts.front().is_some_and(RecordingFile::is_removed) {
            return false;
        }
        if let Some(part) = self.parts.pop_front() {
            self.note_removed(part);
        }
        // The removed file needs no sum.
        self.summer.finish();
        let was_present = self.parts.is_empty();
        if was_present {
            self.next_part();
        }
        was_present
    }

    fn note_removed(&mut self, part: RecordingFile) {
        let name = part.name.clone();
        let events = part.lose(Loss::Removed, &self.producers);
        self.problem(format!(
            "{name} was removed from outside while onaird wrote it, with {events} events"
        ));
    }

    pub(crate) fn problem(&mut self, text: String) {
        note(&mut self.problems, &mut self.problems_more, text);
    }

    /// Writes the manifest of a running recording, unless the syncer is busy.
    pub(crate) fn manifest_file(&mut self, text: Vec<u8>) {
        if let Some(syncer) = &mut self.syncer
            && syncer.open < 4
        {
            syncer.manifest_file(text);
        }
    }

    /// Waits for all that the syncer has to do.
    pub(crate) fn settle(&mut self) {
        while let Some(done) = self.syncer.as_mut().and_then(Syncer::wait) {
            self.done(done);
        }
    }

    /// Completes all files: waits until they are on disk under their names. Returns the manifest
    /// file.
    pub(crate) fn end(&mut self) -> Option<ManifestFile> {
        while let Some(part) = self.parts.pop_front() {
            self.close(part);
        }
        self.settle();
        self.syncer.take().and_then(Syncer::end)
    }

    /// All files, in order.
    pub(crate) fn reports(&self) -> Vec<FileReport> {
        let open = self.closing.iter().chain(&self.parts);
        let open = open.filter(|part| part.file().is_some());
        let open = open.map(|part| {
            let mut report = part.report();
            report.name = format!("{}.{UNFINISHED}", report.name);
            report
        });
        self.closed.iter().cloned().chain(open).collect()
    }
}

fn note(problems: &mut Vec<String>, more: &mut u64, text: String) {
    if problems.last() == Some(&text) {
        return;
    }
    if problems.len() < MAX_PROBLEMS {
        problems.push(text);
    } else {
        *more += 1;
    }
}

/// The part after those of an earlier daemon. The drain thread creates it as soon as the disk takes it.
pub(crate) fn later_part(folder: &Folder, before: usize) -> RecordingFile {
    let is_taken = |name: &str| {
        let files = [folder.file(name), folder.unfinished(name)];
        files.iter().any(|it| it.symlink_metadata().is_ok())
    };
    let first = u32::try_from(before + 1).unwrap_or(u32::MAX).max(2);
    let mut parts = (first..).map(|number| (number, folder.part_name(number)));
    let (number, name) = parts
        .find(|(_, name)| !is_taken(name))
        .expect("there are fewer files than numbers");
    RecordingFile::new(number, name)
}

/// Creates the first part at once, so that the requester of the recording gets the error.
pub(crate) fn first_part(folder: &Folder) -> Result<RecordingFile, Fault> {
    let mut part = RecordingFile::new(1, folder.part_name(1));
    part.open(folder)?;
    Ok(part)
}
