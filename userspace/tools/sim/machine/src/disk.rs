//! The state directory: files in memory, of the thread that lives, and the threads that write them.
//!
//! Everything is there twice: as the daemon sees it, and as it would be after a power cut. A file's bytes get into the
//! second with a sync of the file, the names in a folder with a sync of the folder. What is not synced is lost: that
//! some of it may be there is the part of the lives of the disk alone (`sim/src/disk`).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Debug};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use onair_api::{SessionSpec, Who};
use onair_archive::{CertificateFiles, CertificateJob, Host, Note, Retention, SessionJob};
use onair_disk::{Disk, OpenFile, Unfit};
use onair_engine::persistence::{Archive, Jobs, Store, Thread};
use onair_workers::JobsNotDone;

use crate::time;

/// Bytes of the certificates' log: a life has few certificates.
const LOG_BYTES: usize = 32 << 10;

/// The state directory.
pub(crate) const STATE: &str = "/state";

const HOST: Host = Host {
    disk: &MemoryDisk,
    now: time::now,
    tell,
};

/// The tests look at what is kept.
fn tell(_: Note) {}

/// How the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskState {
    /// It does at once what is asked.
    #[default]
    Works,
    /// It has no room for more bytes.
    Full,
    /// The threads that write wait for it.
    Hangs,
}

thread_local! {
    static STATE_OF_DISK: Cell<DiskState> = const { Cell::new(DiskState::Works) };
    static ENTRIES: RefCell<BTreeMap<PathBuf, Entry>> = const { RefCell::new(BTreeMap::new()) };
    /// The names that were synced.
    static SYNCED: RefCell<BTreeMap<PathBuf, Entry>> = const { RefCell::new(BTreeMap::new()) };
    static WRITERS: RefCell<Vec<Weak<dyn Work>>> = const { RefCell::new(Vec::new()) };
}

/// Makes the disk empty.
pub(crate) fn format() {
    STATE_OF_DISK.set(DiskState::Works);
    load(BTreeMap::from([(PathBuf::from(STATE), Entry::Folder)]));
}

/// The disk after a power cut.
#[derive(Debug)]
pub(crate) struct Synced(BTreeMap<PathBuf, Entry>);

/// The disk after a power cut at this moment.
pub(crate) fn synced() -> Synced {
    let mut left = SYNCED.with_borrow(BTreeMap::clone);
    for entry in left.values_mut() {
        if let Entry::File(file) = entry {
            let bytes = file.content().synced.clone();
            *entry = Entry::File(MemoryFile::of(bytes));
        }
    }
    Synced(left)
}

/// The power is back.
pub(crate) fn power_on(left: Synced) {
    load(left.0);
}

fn load(all: BTreeMap<PathBuf, Entry>) {
    SYNCED.set(all.clone());
    ENTRIES.set(all);
}

/// The daemon is gone, and its threads with it.
pub(crate) fn end_writers() {
    WRITERS.take();
}

pub(crate) fn set(state: DiskState) {
    STATE_OF_DISK.set(state);
}

/// The threads that write do what waits for them, if the disk lets them. Returns whether there was anything.
pub(crate) fn work() -> bool {
    if STATE_OF_DISK.get() == DiskState::Hangs {
        return false;
    }
    let writers = WRITERS.with_borrow(|it| it.clone());
    let mut worked = false;
    for writer in writers.iter().filter_map(Weak::upgrade) {
        worked |= writer.work();
    }
    worked
}

/// Gives a file or a folder another name.
///
/// # Errors
/// There is none of that name.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    ENTRIES.with_borrow_mut(|all| {
        let is_in = |path: &PathBuf| path.starts_with(from);
        let moved: Vec<PathBuf> = all.keys().filter(|it| is_in(it)).cloned().collect();
        if moved.is_empty() {
            return Err(ErrorKind::NotFound.into());
        }
        for path in moved {
            let rest = path.strip_prefix(from).map_err(io::Error::other)?;
            let new = if rest.as_os_str().is_empty() {
                to.to_owned()
            } else {
                to.join(rest)
            };
            if let Some(entry) = all.remove(&path) {
                all.insert(new, entry);
            }
        }
        Ok(())
    })
}

/// The bytes of a file.
///
/// # Errors
/// There is none of that name.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    Ok(find(path)?.content().bytes.clone())
}

/// Writes a file anew.
///
/// # Errors
/// There is none of that name.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    *find(path)?.content() = Content::of(bytes.to_vec());
    Ok(())
}

/// An entry with a name.
#[derive(Clone, Debug)]
enum Entry {
    Folder,
    File(MemoryFile),
}

/// The disk of this thread.
#[derive(Debug)]
pub(crate) struct MemoryDisk;

#[derive(Clone, Debug, Default)]
struct MemoryFile(Arc<Mutex<Content>>);

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// As they were at the last sync.
    synced: Vec<u8>,
}

impl Content {
    fn of(bytes: Vec<u8>) -> Self {
        let synced = bytes.clone();
        Self { bytes, synced }
    }
}

impl MemoryFile {
    fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Content::of(bytes))))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(path: &Path) -> io::Result<MemoryFile> {
    match ENTRIES.with_borrow(|it| it.get(path).cloned()) {
        Some(Entry::File(file)) => Ok(file),
        Some(Entry::Folder) => Err(ErrorKind::IsADirectory.into()),
        None => Err(ErrorKind::NotFound.into()),
    }
}

impl Disk for MemoryDisk {
    /// Its name is safe: that is part of the operation.
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let all = folder.ancestors().take_while(|it| *it != Path::new("/"));
        for path in all {
            for entries in [&ENTRIES, &SYNCED] {
                entries.with_borrow_mut(|it| {
                    it.entry(path.to_owned()).or_insert(Entry::Folder);
                });
            }
        }
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        ENTRIES.with_borrow(|entries| {
            let all = entries.keys();
            Ok(all
                .filter(|it| it.parent() == Some(folder))
                .cloned()
                .collect())
        })
    }

    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>, Unfit> {
        let bytes = read(path)?;
        match bytes.len() as u64 {
            length if length > most => Err(Unfit::Size(length)),
            _ => Ok(bytes),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        ENTRIES.with_borrow_mut(|entries| {
            let folder = path.parent().and_then(|it| entries.get(it));
            if !matches!(folder, Some(Entry::Folder)) {
                return Err(ErrorKind::NotFound.into());
            }
            if entries.contains_key(path) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            let file = MemoryFile::default();
            entries.insert(path.to_owned(), Entry::File(file.clone()));
            Ok(Box::new(file) as Box<dyn OpenFile>)
        })
    }

    fn open(&self, path: &Path) -> Result<Box<dyn OpenFile>, Unfit> {
        Ok(Box::new(find(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        find(from)?;
        rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        find(path)?;
        ENTRIES.with_borrow_mut(|it| it.remove(path));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let is_in = |path: &Path| path.parent() == Some(folder);
        let now: Vec<_> = ENTRIES.with_borrow(|all| {
            if !all.contains_key(folder) {
                return Err(io::Error::from(ErrorKind::NotFound));
            }
            let own = all.iter().filter(|(path, _)| is_in(path));
            Ok(own.map(|(path, it)| (path.clone(), it.clone())).collect())
        })?;
        SYNCED.with_borrow_mut(|all| {
            all.retain(|path, _| !is_in(path));
            all.extend(now);
        });
        Ok(())
    }
}

impl OpenFile for MemoryFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let file = &mut self.content().bytes;
        let end = offset + bytes.len();
        if end > file.len() {
            if STATE_OF_DISK.get() == DiskState::Full {
                return Err(ErrorKind::StorageFull.into());
            }
            file.resize(end, 0);
        }
        file[offset..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        let file = &mut *self.content();
        file.bytes.clone_into(&mut file.synced);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync_all()
    }
}

/// A thread that writes, as the world has it.
trait Work {
    /// Returns whether it had anything to do.
    fn work(&self) -> bool;
}

/// Jobs, in the order in which they were handed in.
struct Queue<J> {
    waiting: Mutex<VecDeque<J>>,
    run: Mutex<Box<dyn FnMut(J) + Send>>,
}

impl<J> Work for Queue<J> {
    fn work(&self) -> bool {
        let mut worked = false;
        let next = || {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.pop_front()
        };
        while let Some(job) = next() {
            worked = true;
            let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
            run(job);
        }
        worked
    }
}

/// The engine's end of a queue.
struct Writer<J>(Arc<Queue<J>>);

impl<J> Debug for Writer<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl<J: Debug + Send> Jobs<J> for Writer<J> {
    fn hand_in(&self, job: J) -> Result<(), J> {
        let waiting = self.0.waiting.lock();
        waiting
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(job);
        if STATE_OF_DISK.get() != DiskState::Hangs {
            self.0.work();
        }
        Ok(())
    }

    fn close(self: Box<Self>, _: Instant) -> Result<(), JobsNotDone> {
        Ok(())
    }
}

fn thread<J: Debug + Send + 'static>(run: impl FnMut(J) + Send + 'static) -> Thread<J> {
    let queue = Arc::new(Queue {
        waiting: Mutex::default(),
        run: Mutex::new(Box::new(run)),
    });
    let weak: Weak<Queue<J>> = Arc::downgrade(&queue);
    WRITERS.with_borrow_mut(|it| it.push(weak));
    Thread(Box::new(Writer(queue)))
}

/// The certificates in the state directory.
///
/// # Errors
/// The disk's.
pub(crate) fn open_archive() -> io::Result<Archive> {
    let retention = Retention {
        count: 1000,
        age: None,
    };
    let start = |mut files: CertificateFiles| {
        Ok(thread(move |job: CertificateJob| {
            // A failure is kept for the archive.
            let _ = files.work(&[job]);
        }))
    };
    let (mut archive, unread) = Archive::open(HOST, Path::new(STATE), LOG_BYTES, retention, start)?;
    archive.take_in(unread.read());
    Ok(archive)
}

/// The persistent sessions in the state directory.
///
/// # Errors
/// The disk's.
pub(crate) fn open_store(daemon: &Who) -> io::Result<Store> {
    let none = Vec::<SessionSpec>::new();
    Store::open(HOST, Path::new(STATE), none, daemon, |files| {
        Ok(thread(move |job: SessionJob| files.work(&job)))
    })
}
