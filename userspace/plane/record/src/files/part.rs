//! One file in progress: buffered bytes, and the events that they belong to.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use onair_mutant::mutant;

use crate::manifest::{FileReport, Time};
use crate::totals::{Loss, ProducerTotals};

use super::behind::{WriteBehind, Written};
use super::block::{BLOCK, Block};
use super::fault::Fault;
use super::folder::Folder;
use super::sum::Summer;

/// Consecutive events of one producer share a mark up to this many bytes.
const MARK_BYTES: u64 = 64 * 1024;

/// End of one producer's consecutive bytes.
#[derive(Clone, Copy, Debug)]
struct Mark {
    begin: u64,
    end: u64,
    /// `None`: the format's own bytes.
    producer: Option<usize>,
    events: u64,
    bytes: u64,
    last_at: u64,
}

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct RecordingFile {
    pub(crate) number: u32,
    pub(crate) name: String,
    file: Option<Arc<File>>,
    staged: Block,
    /// Bytes of `staged` that are in the file.
    sent: usize,
    /// Bytes in the file.
    offset: u64,
    /// Blocks behind them, that another thread writes, and their bytes. `staged` follows.
    behind: WriteBehind,
    flying: usize,
    /// Length up to which the file has only complete events.
    whole: u64,
    marks: VecDeque<Mark>,
    events: u64,
    /// Events and bytes in the file, by producer.
    by_producer: Vec<(u64, u64)>,
    first_at: Option<u64>,
    last_at: Option<u64>,
    first_event_ns: Option<u64>,
}

impl RecordingFile {
    pub(crate) fn new(number: u32, name: String) -> Self {
        Self {
            number,
            name,
            file: None,
            staged: Block::new(),
            sent: 0,
            offset: 0,
            behind: WriteBehind::default(),
            flying: 0,
            whole: 0,
            marks: VecDeque::new(),
            events: 0,
            by_producer: Vec::new(),
            first_at: None,
            last_at: None,
            first_event_ns: None,
        }
    }

    /// Bytes of the file, including buffered bytes.
    pub(crate) fn len(&self) -> u64 {
        self.offset + self.waiting() as u64
    }

    /// Buffered bytes, also those under way.
    pub(crate) fn waiting(&self) -> usize {
        self.flying + self.staged.len() - self.sent
    }

    /// Bytes in the file.
    pub(crate) fn in_file(&self) -> u64 {
        self.offset
    }

    pub(crate) fn first_event_ns(&self) -> Option<u64> {
        self.first_event_ns
    }

    pub(crate) fn file(&self) -> Option<&Arc<File>> {
        self.file.as_ref()
    }

    /// Buffer for the next bytes.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        self.staged.out()
    }

    /// Marks the bytes since the last mark as an event of `producer`, or as the format's own.
    pub(crate) fn mark(&mut self, producer: Option<usize>, bytes: u64, at_ns: Option<u64>) {
        let end = self.len();
        if let Some(at) = at_ns {
            self.first_event_ns.get_or_insert(at);
        }
        let events = u64::from(producer.is_some());
        let last_at = at_ns.unwrap_or_default();
        if let Some(last) = self.marks.back_mut()
            && last.producer == producer
            && end - last.begin < MARK_BYTES
        {
            last.end = end;
            last.events += events;
            last.bytes += bytes;
            last.last_at = last_at;
            return;
        }
        let begin = self.marks.back().map_or(self.whole, |it| it.end);
        self.marks.push_back(Mark {
            begin,
            end,
            producer,
            events,
            bytes,
            last_at,
        });
    }

    /// Creates the file if it does not exist.
    pub(crate) fn open(&mut self, folder: &Folder) -> Result<&Arc<File>, Fault> {
        if self.file.is_none() {
            let path = folder.unfinished(&self.name);
            let failed = |error| Fault::system(format!("creating {}", path.display()), error);
            folder.make().map_err(failed)?;
            let file = folder.create(&path).map_err(failed)?;
            self.file = Some(Arc::new(file));
        }
        Ok(self.file.as_ref().expect("just made"))
    }

    /// Writes whole blocks, or with `all` everything.
    pub(crate) fn write(
        &mut self,
        all: bool,
        folder: &Folder,
        producers: &[Arc<ProducerTotals>],
    ) -> Result<(), Fault> {
        // What is buffered comes behind what is under way.
        while self.flying == 0 {
            let waiting = self.staged.len() - self.sent;
            let place = usize::try_from(self.offset % BLOCK as u64).expect("below a block");
            let size = match BLOCK - place {
                room if waiting >= room => room,
                _ if all && waiting > 0 => waiting,
                _ => break,
            };
            let result = self.write_some(size, folder);
            // Also after a failure: counts what was written of the block.
            self.settle(producers);
            result?;
        }
        Ok(())
    }

    /// Has whole blocks written past the page cache, where that is possible, and takes the results.
    /// With `all` it waits for them. What remains is for [`Self::write`].
    pub(crate) fn write_behind(
        &mut self,
        all: bool,
        folder: &Folder,
        producers: &[Arc<ProducerTotals>],
        summer: &Summer,
    ) -> Result<(), Fault> {
        let file = Arc::clone(self.open(folder)?);
        let whole = self.staged.len() / BLOCK * BLOCK;
        let at = self.offset + self.flying as u64;
        let bytes = &self.staged.bytes()[..whole];
        if whole > 0 && self.sent == 0 && self.behind.takes(folder.stem(), &file, (bytes, at)) {
            folder.has_place(&file, self.flying + whole)?;
            let mut block = std::mem::replace(&mut self.staged, summer.spare());
            let rest = &block.bytes()[whole..];
            self.staged.out().extend_from_slice(rest);
            block.truncate(whole);
            self.flying += whole;
            self.behind.give(block, at);
        }
        // Whole blocks that were not given are written behind those under way.
        let all = all && !mutant!("direct writes: the end does not wait for them");
        self.land(all || self.staged.len() >= BLOCK, producers, summer);
        Ok(())
    }

    /// Takes the results of what is under way, with `all` of all of it.
    pub(crate) fn land(&mut self, all: bool, producers: &[Arc<ProducerTotals>], summer: &Summer) {
        while let Some(Written { block, is_written }) = self.behind.next(all) {
            if !is_written {
                self.take_back(block);
                return;
            }
            self.flying -= block.len();
            self.offset += block.len() as u64;
            self.settle(producers);
            summer.add(block);
        }
    }

    /// `first` and what is under way behind it was not written: [`Self::write`] writes it.
    fn take_back(&mut self, first: Block) {
        let mut staged = first;
        while let Some(next) = self.behind.next(true) {
            if !mutant!("direct writes: those behind a refused one are lost") {
                staged.out().extend_from_slice(next.block.bytes());
            }
        }
        staged.out().extend_from_slice(self.staged.bytes());
        (self.staged, self.flying) = (staged, 0);
        self.behind.refuse();
        if let Some(file) = &self.file {
            // Some of it may be in the file. If this fails, so does the write.
            let _ = rustix::fs::ftruncate(file.as_fd(), self.offset);
        }
    }

    /// Takes the bytes of `staged` that are in the file, for its sum; the rest moves into `spare`.
    pub(crate) fn take_written(&mut self, spare: impl FnOnce() -> Block) -> Option<Block> {
        if self.sent == 0 {
            return None;
        }
        let mut written = std::mem::replace(&mut self.staged, spare());
        let rest = &written.bytes()[self.sent..];
        self.staged.out().extend_from_slice(rest);
        written.truncate(self.sent);
        self.sent = 0;
        Some(written)
    }

    fn write_some(&mut self, size: usize, folder: &Folder) -> Result<(), Fault> {
        let file = Arc::clone(self.open(folder)?);
        folder.has_place(&file, size)?;
        let end = self.sent + size;
        while self.sent < end {
            match file.write_at(&self.staged.bytes()[self.sent..end], self.offset) {
                Ok(0) => {
                    let error = io::Error::from(io::ErrorKind::WriteZero);
                    return Err(Fault::system(format!("writing {}", self.name), error));
                }
                Ok(size) => {
                    self.sent += size;
                    self.offset += size as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Fault::system(format!("writing {}", self.name), error));
                }
            }
        }
        Ok(())
    }

    /// Updates the counts with what is in the file.
    fn settle(&mut self, producers: &[Arc<ProducerTotals>]) {
        while let Some(mark) = self.marks.front()
            && mark.end <= self.offset
        {
            self.whole = mark.end;
            if let Some(producer) = mark.producer {
                producers[producer].write(mark.events, mark.bytes);
                if self.by_producer.len() <= producer {
                    self.by_producer.resize(producer + 1, (0, 0));
                }
                self.by_producer[producer].0 += mark.events;
                self.by_producer[producer].1 += mark.bytes;
                self.events += mark.events;
                self.first_at = self.first_at.or(self.first_event_ns);
                self.last_at = Some(mark.last_at);
            }
            self.marks.pop_front();
        }
    }

    /// Gives up the buffered bytes: they are lost, and the file is truncated to complete events.
    /// Returns the new length if it was truncated.
    pub(crate) fn give_up(
        &mut self,
        loss: Loss,
        producers: &[Arc<ProducerTotals>],
    ) -> io::Result<Option<u64>> {
        for mark in self.marks.drain(..) {
            if let Some(producer) = mark.producer {
                producers[producer].lose(loss, mark.events);
            }
        }
        self.staged.truncate(0);
        self.sent = 0;
        match &self.file {
            Some(file) if self.offset > self.whole => {
                rustix::fs::ftruncate(file.as_fd(), self.whole)?;
                self.offset = self.whole;
                Ok(Some(self.whole))
            }
            _ => Ok(None),
        }
    }

    /// Counts everything in the file and its buffer as lost. Returns the number of events.
    pub(crate) fn lose(mut self, loss: Loss, producers: &[Arc<ProducerTotals>]) -> u64 {
        // Not truncated: no reader relies on it.
        self.file = None;
        let _ = self.give_up(loss, producers);
        for (producer, (events, bytes)) in self.by_producer.iter().enumerate() {
            producers[producer].unwrite(loss, *events, *bytes);
        }
        self.events
    }

    /// No bytes follow: frees the buffer and ends the thread.
    pub(crate) fn seal(&mut self) {
        self.staged.free();
        self.behind.refuse();
    }

    /// Whether the file was removed from outside.
    pub(crate) fn is_removed(&self) -> bool {
        let links = |file: &Arc<File>| rustix::fs::fstat(file.as_fd()).map(|about| about.st_nlink);
        self.file.as_ref().is_some_and(|file| links(file) == Ok(0))
    }

    /// Report of the file, without its sum.
    pub(crate) fn report(&self) -> FileReport {
        FileReport {
            name: self.name.clone(),
            bytes: self.offset,
            events: self.events,
            by_producer: self.by_producer.iter().map(|(events, _)| *events).collect(),
            sha256: None,
            first_at: self.first_at.map(Time::from_unix_ns),
            last_at: self.last_at.map(Time::from_unix_ns),
        }
    }
}

#[cfg(test)]
mod tests;
