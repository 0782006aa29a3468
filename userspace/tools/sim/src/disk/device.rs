//! The simulated disk as the product's code sees it: each operation is a step, at which it may fail,
//! take long, or be the daemon's last.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use onair_archive::Writer;
use onair_disk::{Disk, OpenFile, Unfit};
use onair_sim_kernel as kernel;
use onair_sim_kernel::{Mortal, TaskId, below, chance, give_way, park, spawn, unpark};

use super::platter::{Entry, Inode, Platter};
use super::{now, trace};

/// How the disk is at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// It has no room for more bytes.
    pub(super) is_full: bool,
    /// Of 256 syncs so many fail.
    pub(super) sync_fails: u64,
    /// Of 256 other operations so many fail.
    pub(super) fails: u64,
    /// Of 256 operations so many take seconds.
    pub(super) hangs: u64,
}

/// The disk, and when the daemon dies of it.
#[derive(Debug, Default)]
pub(super) struct Device {
    pub(super) platter: Platter,
    pub(super) health: Health,
    /// Of 256 operations, so many have something written back.
    pub(super) write_back: u64,
    /// The daemon dies at this operation from now on.
    pub(super) dies_in: Option<u64>,
    pub(super) daemon: Mortal,
}

thread_local! {
    static DEVICE: RefCell<Device> = RefCell::default();
}

/// Looks at the device, or changes it. Makes no step.
pub(super) fn device<R>(using: impl FnOnce(&mut Device) -> R) -> R {
    DEVICE.with(|it| using(&mut it.borrow_mut()))
}

/// The daemon is killed, perhaps by the task that runs.
pub(super) fn kill() {
    let daemon = device(|it| {
        it.dies_in = None;
        it.daemon.clone()
    });
    daemon.kill();
}

/// An operation, as its faults tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// It changes nothing.
    Look,
    Change,
    Sync,
}

/// Before an operation. True: the daemon dies in the midst of it.
fn begin(operation: Operation, what: impl FnOnce() -> String) -> io::Result<bool> {
    if kernel::is_unwinding() {
        return Err(ErrorKind::Interrupted.into());
    }
    give_way();
    let health = device(|it| it.health);
    if chance(health.hangs, 256) {
        kernel::sleep(below(4_000_000_000) as u64);
    }
    let (is_last, fails) = device(|it| {
        if chance(it.write_back, 256) {
            it.platter.write_back();
        }
        let is_last = it.dies_in.is_some_and(|left| left <= 1);
        it.dies_in = it.dies_in.map(|left| left.saturating_sub(1));
        let fails = match operation {
            Operation::Look => false,
            Operation::Change => chance(health.fails, 256),
            Operation::Sync => chance(health.sync_fails, 256),
        };
        (is_last, fails)
    });
    trace(|| {
        let end = match (is_last, fails) {
            (true, _) => ": dies",
            (_, true) => ": fails",
            _ => "",
        };
        format!("disk: {}{end}", what())
    });
    match fails && !is_last {
        true if operation == Operation::Sync => Err(io::Error::other("EIO")),
        true => Err(ErrorKind::StorageFull.into()),
        false => Ok(is_last),
    }
}

/// An operation that happens whole, or not at all if the daemon dies at it.
fn whole<R>(
    operation: Operation,
    what: impl FnOnce() -> String,
    run: impl FnOnce(&mut Platter) -> io::Result<R>,
) -> io::Result<R> {
    let is_last = begin(operation, what)?;
    if is_last && chance(1, 2) {
        kill();
    }
    let done = device(|it| run(&mut it.platter));
    if is_last {
        kill();
    }
    done
}

fn name(path: &Path) -> String {
    let path = path.strip_prefix(super::STATE).unwrap_or(path);
    path.display().to_string()
}

fn regular(platter: &Platter, path: &Path) -> io::Result<Inode> {
    match platter.find(path) {
        Some(Entry::File(inode)) => Ok(inode),
        Some(Entry::Folder) => Err(ErrorKind::IsADirectory.into()),
        None => Err(ErrorKind::NotFound.into()),
    }
}

/// The simulated disk.
#[derive(Debug)]
pub(super) struct SimDisk;

/// An open file of it.
#[derive(Debug)]
struct SimFile {
    inode: Inode,
    name: String,
}

impl SimFile {
    fn boxed(inode: Inode, path: &Path) -> Box<dyn OpenFile> {
        let name = name(path);
        Box::new(Self { inode, name })
    }

    fn sync(&self, what: &str) -> io::Result<()> {
        let done = begin(Operation::Sync, || format!("{what} {}", self.name));
        let is_last = done.inspect_err(|_| {
            if !kernel::is_unwinding() {
                device(|it| it.platter.fail_sync(self.inode));
            }
        })?;
        if is_last && chance(1, 2) {
            kill();
        }
        device(|it| it.platter.sync(self.inode));
        if is_last {
            kill();
        }
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        whole(
            Operation::Look,
            || format!("mkdir {}", name(folder)),
            |it| {
                if it.find(folder).is_none() {
                    it.create(folder, Some(Entry::Folder));
                    // Its name is safe: that is part of the operation.
                    it.sync_folder(folder.parent().unwrap_or(folder));
                }
                Ok(())
            },
        )
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let what = || format!("list {}", name(folder));
        whole(Operation::Look, what, |it| Ok(it.in_folder(folder)))
    }

    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>, Unfit> {
        let what = || format!("read {}", name(path));
        let bytes = whole(Operation::Look, what, |it| {
            let inode = regular(it, path)?;
            Ok(it.bytes(inode).to_vec())
        })?;
        match bytes.len() as u64 {
            length if length > most => Err(Unfit::Size(length)),
            _ => Ok(bytes),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let what = || format!("create {}", name(path));
        let inode = whole(Operation::Change, what, |it| match it.find(path) {
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
            None => Ok(it.create(path, None)),
        })?;
        Ok(SimFile::boxed(inode, path))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn OpenFile>, Unfit> {
        let what = || format!("open {}", name(path));
        let inode = whole(Operation::Look, what, |it| regular(it, path))?;
        Ok(SimFile::boxed(inode, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let what = || format!("rename {} {}", name(from), name(to));
        whole(Operation::Change, what, |it| match it.find(from) {
            Some(_) => {
                it.rename(from, to);
                Ok(())
            }
            None => Err(ErrorKind::NotFound.into()),
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let what = || format!("unlink {}", name(path));
        whole(Operation::Change, what, |it| {
            regular(it, path)?;
            it.remove(path);
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let what = || format!("fsync {}/", name(folder));
        whole(Operation::Sync, what, |it| {
            it.sync_folder(folder);
            Ok(())
        })
    }
}

impl OpenFile for SimFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let what = || format!("write {} {} at {offset}", self.name, bytes.len());
        let done = begin(Operation::Change, what);
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let is_full = |it: &Device| {
            let has_room = offset + bytes.len() <= it.platter.bytes(self.inode).len();
            it.health.is_full && !has_room
        };
        let part = match &done {
            Ok(is_last) => *is_last || device(|it| is_full(it)),
            Err(error) => error.kind() == ErrorKind::StorageFull,
        };
        let written = if part {
            below(bytes.len() + 1)
        } else {
            bytes.len()
        };
        if !kernel::is_unwinding() {
            device(|it| it.platter.write(self.inode, &bytes[..written], offset));
        }
        if done? {
            kill();
        }
        match part {
            true => Err(ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync("fsync")
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync("fdatasync")
    }
}

#[derive(Debug)]
struct Queue<J> {
    jobs: VecDeque<J>,
    is_working: bool,
}

/// The owner's end of a task that writes.
#[derive(Debug)]
pub(super) struct Desk<J> {
    queue: Rc<RefCell<Queue<J>>>,
    task: TaskId,
}

impl<J: Debug + 'static> Desk<J> {
    /// Starts the task, which does up to `most` jobs at once.
    pub(super) fn start(
        daemon: &Mortal,
        most: usize,
        mut work: impl FnMut(Vec<J>) + 'static,
    ) -> Self {
        let queue = Rc::new(RefCell::new(Queue {
            jobs: VecDeque::new(),
            is_working: false,
        }));
        let own = Rc::clone(&queue);
        let task = spawn(vec![daemon.clone()], move || {
            loop {
                let jobs: Vec<J> = {
                    let mut queue = own.borrow_mut();
                    let count = queue.jobs.len().min(most);
                    queue.is_working = count > 0;
                    queue.jobs.drain(..count).collect()
                };
                match jobs.is_empty() {
                    true => drop(park(u64::MAX)),
                    false => work(jobs),
                }
                give_way();
            }
        });
        Self { queue, task }
    }
}

/// Jobs were not done in time.
#[derive(Debug, thiserror::Error)]
#[error("not in time")]
pub(super) struct Late;

impl<J: Debug + 'static> Writer<J> for Desk<J> {
    type NotDone = Late;

    fn hand_in(&self, job: J) -> Result<(), J> {
        self.queue.borrow_mut().jobs.push_back(job);
        unpark(self.task);
        give_way();
        Ok(())
    }

    fn close(self, deadline: Instant) -> Result<(), Late> {
        let is_done = |queue: &Queue<J>| queue.jobs.is_empty() && !queue.is_working;
        while !is_done(&self.queue.borrow()) {
            if now() > deadline {
                return Err(Late);
            }
            onair_sim_kernel::sleep(1_000_000);
        }
        Ok(())
    }
}
