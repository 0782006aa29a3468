//! The files of a recording: parts that follow each other, each written in blocks, synced while it
//! grows, and given its name when it is complete. Nobody here knows what the bytes mean.

pub(crate) mod careful;
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

use crate::books::{Loss, ProducerTotals};
use crate::manifest::FileReport;
use crate::spec::Spec;

pub(crate) use fault::Fault;
pub(crate) use folder::{Folder, UNFINISHED};
pub(crate) use manifest_file::ManifestFile;
use part::Part;
pub(crate) use sum::Summer;
use syncer::Done;
pub(crate) use syncer::Syncer;

/// So much is written before the disk is asked to have it: what an fsync at the end may find.
const SYNC_OCTETS: u64 = 8 << 20;
/// So much may be written and not on disk; then the drain thread waits for the disk.
const MAX_UNSYNCED: u64 = 256 << 20;
/// What the end of a file needs for each producer, at most.
const END_OCTETS: u64 = 512;
/// So many finished files may wait for the disk, each with a descriptor; then the drain thread waits.
const MAX_CLOSING: usize = 64;
/// Problems that are kept.
const MAX_PROBLEMS: usize = 100;

/// The files of one recording.
pub(crate) struct Files {
    folder: Folder,
    is_video: bool,
    split_size: Option<u64>,
    split_duration: Option<Duration>,
    accounts: Vec<Arc<ProducerTotals>>,
    /// Those that are not written whole, in their order; the last one is the present one.
    parts: VecDeque<Part>,
    next_number: u32,
    /// Those that the syncer ends.
    closing: VecDeque<Part>,
    closed: Vec<FileReport>,
    closed_bytes: u64,
    summer: Summer,
    syncer: Option<Syncer>,
    fault: Option<Fault>,
    /// The recording ends, and this is what is lost.
    giving_up: Option<Loss>,
    unsynced: u64,
    syncing: u64,
    pub(crate) problems: Vec<String>,
    pub(crate) problems_more: u64,
}

impl Files {
    pub(crate) fn new(
        spec: &Spec,
        folder: Folder,
        first: Part,
        (summer, syncer): (Summer, Syncer),
    ) -> Self {
        Self {
            folder,
            is_video: spec.format.video().is_some(),
            split_size: spec.split_size,
            split_duration: spec.split_duration,
            accounts: Vec::new(),
            next_number: first.number + 1,
            parts: VecDeque::from([first]),
            closing: VecDeque::new(),
            closed: Vec::new(),
            closed_bytes: 0,
            summer,
            syncer: Some(syncer),
            fault: None,
            giving_up: None,
            unsynced: 0,
            syncing: 0,
            problems: Vec::new(),
            problems_more: 0,
        }
    }

    /// Enters a producer; its number is the next one.
    pub(crate) fn join(&mut self, account: Arc<ProducerTotals>) {
        self.accounts.push(account);
    }

    pub(crate) fn producers(&self) -> usize {
        self.accounts.len()
    }

    pub(crate) fn account(&self, producer: usize) -> &Arc<ProducerTotals> {
        &self.accounts[producer]
    }

    pub(crate) fn accounts(&self) -> &[Arc<ProducerTotals>] {
        &self.accounts
    }

    fn present(&mut self) -> &mut Part {
        self.parts
            .back_mut()
            .expect("there is always a present part")
    }

    /// The number of the present file, from 1.
    pub(crate) fn part_number(&self) -> u32 {
        self.next_number - 1
    }

    /// Where the present file's next bytes are put.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        self.present().out()
    }

    /// What was put in since the last mark is an event of `producer`.
    pub(crate) fn mark(&mut self, producer: usize, events: u64, bytes: u64, at_ns: u64) {
        self.present()
            .mark(Some(producer), (events, 0), bytes, Some(at_ns));
    }

    /// What was put in since the last mark is a frame, of so many packets of `producer`.
    pub(crate) fn mark_frame(&mut self, producer: usize, packets: u64, bytes: u64, at_ns: u64) {
        self.present()
            .mark(Some(producer), (packets, 1), bytes, Some(at_ns));
    }

    /// What was put in since the last mark is the format's own.
    pub(crate) fn mark_own(&mut self) {
        self.present().mark(None, (0, 0), 0, None);
    }

    /// Whether so many more bytes, of an event at `at_ns`, belong into another file.
    pub(crate) fn must_split(&self, octets: usize, at_ns: u64) -> bool {
        let Some(part) = self.parts.back() else {
            return false;
        };
        let Some(first) = part.first_event_ns() else {
            // A file has one event at least, however long that is.
            return false;
        };
        let is_long = self.split_size.is_some_and(|most| {
            let end = (self.accounts.len() as u64 * END_OCTETS).min(most / 2);
            part.len() + octets as u64 + end > most
        });
        let is_old = self
            .split_duration
            .is_some_and(|most| u128::from(at_ns.saturating_sub(first)) >= most.as_nanos());
        is_long || is_old
    }

    /// Begins another file. What waits for the one before is written first.
    pub(crate) fn next_part(&mut self) {
        let is_taken = |number: &u32| {
            let file = self.folder.file(&self.folder.part_name(*number));
            file.symlink_metadata().is_ok()
        };
        // Files of somebody else are left alone, and their numbers left out.
        let mut numbers = self.next_number..;
        let number = numbers.find(|it| !is_taken(it)).unwrap_or(u32::MAX);
        self.next_number = number + 1;
        let name = self.folder.part_name(number);
        self.parts.push_back(Part::new(number, name, self.is_video));
    }

    /// Bytes of all files, with those that wait.
    pub(crate) fn len(&self) -> u64 {
        let parts = self.closing.iter().chain(&self.parts);
        self.closed_bytes + parts.map(Part::len).sum::<u64>()
    }

    /// Bytes that wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.parts.iter().map(Part::waiting).sum()
    }

    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Writes whole blocks, or with `all` everything. `false` while there is a fault.
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
        let result = part.write(all, &self.folder, &self.accounts);
        self.unsynced += part.in_file() - before;
        // Also over a fault: some of it may be in the file.
        if let Some(octets) = part.take_written(|| self.summer.spare()) {
            self.summer.add(octets);
        }
        self.ask_sync();
        result
    }

    /// What waits will be in no file.
    fn drop_waiting(&mut self, loss: Loss) {
        for part in &mut self.parts {
            match (part.give_up(loss, &self.accounts), part.file()) {
                (Ok(Some(octets)), Some(file)) => self.summer.cut(file, octets),
                (Ok(_), _) => {}
                (Err(error), _) => {
                    let text = format!("cutting {} back to whole events: {error}", part.name);
                    note(&mut self.problems, &mut self.problems_more, text);
                }
            }
        }
    }

    /// From now on nothing is written: the recording ends over a fault.
    pub(crate) fn give_up(&mut self) {
        if self.giving_up.is_none()
            && let Some(fault) = &self.fault
        {
            let text = format!("ended while this kept it from writing: {fault}");
            self.giving_up = Some(fault.loss());
            self.problem(text);
            self.pump(true);
        }
    }

    fn close(&mut self, mut part: Part) {
        let (Some(file), Some(syncer)) = (part.file(), &mut self.syncer) else {
            return;
        };
        let sum = self.summer.finish();
        if part.number > 1 && part.in_file() == 0 {
            // It was made, and then there was no space: an empty file would open in no tool.
            if let Err(error) = std::fs::remove_file(self.folder.unfinished(&part.name)) {
                self.problem(format!("removing the empty {}: {error}", part.name));
            }
            return;
        }
        syncer.close(Arc::clone(file), part.report(), sum);
        part.seal();
        self.closing.push_back(part);
    }

    /// Takes note of what the syncer has done.
    pub(crate) fn collect(&mut self) {
        while let Some(done) = self.syncer.as_mut().and_then(Syncer::poll) {
            self.done(done);
        }
    }

    /// Waits for the disk until it has not too much before it.
    pub(crate) fn catch_up(&mut self) {
        while self.unsynced >= MAX_UNSYNCED || self.closing.len() >= MAX_CLOSING {
            self.ask_sync();
            match self.syncer.as_mut().and_then(Syncer::wait) {
                Some(done) => self.done(done),
                // There is no file that could be synced.
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
            && self.unsynced >= SYNC_OCTETS
            && let Some(syncer) = &mut self.syncer
            && let Some(file) = part.and_then(Part::file)
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
                        "fdatasync: {error}: what was written before may not be on disk, and counts as lost when the file ends"
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
                        let events = part.lose(Loss::DiskFault, &self.accounts);
                        self.problem(format!(
                            "completing {}: {error}: its {events} events may not be on disk, and count as lost",
                            report.name
                        ));
                        self.closed(FileReport {
                            name: format!("{}.{UNFINISHED}", report.name),
                            events: 0,
                            by_producer: Vec::new(),
                            frames: report.frames.map(|_| 0),
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

    /// How many files there are.
    pub(crate) fn count(&self) -> usize {
        self.closed.len() + self.closing.len() + self.parts.len()
    }

    /// Whether the present file was removed by somebody: then another one is begun, and the
    /// encoder has to begin it.
    pub(crate) fn replace_removed(&mut self) -> bool {
        // Those behind the first one have no file yet.
        if !self.parts.front().is_some_and(Part::is_removed) {
            return false;
        }
        if let Some(part) = self.parts.pop_front() {
            self.note_removed(part);
        }
        // Nobody wants the sum of what is no more.
        self.summer.finish();
        let was_present = self.parts.is_empty();
        if was_present {
            self.next_part();
        }
        was_present
    }

    fn note_removed(&mut self, part: Part) {
        let name = part.name.clone();
        let events = part.lose(Loss::Removed, &self.accounts);
        self.problem(format!(
            "{name} was removed by somebody else while it was written, with {events} events"
        ));
    }

    pub(crate) fn problem(&mut self, text: String) {
        note(&mut self.problems, &mut self.problems_more, text);
    }

    /// Has the manifest of a recording that runs written, unless the syncer has enough to do.
    pub(crate) fn manifest_file(&mut self, text: Vec<u8>) {
        if let Some(syncer) = &mut self.syncer
            && syncer.open < 4
        {
            syncer.manifest_file(text);
        }
    }

    /// Ends all files, and waits until they are on disk under their names. Gives the manifest's
    /// place back.
    pub(crate) fn end(&mut self) -> Option<ManifestFile> {
        while let Some(part) = self.parts.pop_front() {
            self.close(part);
        }
        while let Some(done) = self.syncer.as_mut().and_then(Syncer::wait) {
            self.done(done);
        }
        self.syncer.take().and_then(Syncer::end)
    }

    /// All files, in their order.
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

/// The first part, made at once, so that whoever starts the recording learns of a fault.
pub(crate) fn first_part(folder: &Folder, is_video: bool) -> Result<Part, Fault> {
    let mut part = Part::new(1, folder.part_name(1), is_video);
    part.open(folder)?;
    Ok(part)
}
