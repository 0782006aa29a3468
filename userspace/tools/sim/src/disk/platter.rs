//! A disk and the page cache before it: what a power cut leaves.
//!
//! Bytes reach the platter in sectors and names one by one, at a sync or by chance before it, in any
//! order. A power cut tears what was on its way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use onair_sim_kernel::{below, chance};

/// Bytes that the disk takes together, or not.
const SECTOR: usize = 512;

/// Identity of a file, whatever its name.
pub(super) type Inode = usize;

/// An entry with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File(Inode),
}

#[derive(Clone, Debug, Default)]
struct File {
    cached: Vec<u8>,
    platter: Vec<u8>,
    /// Sectors of the cache that differ.
    dirty: BTreeSet<usize>,
}

/// Names that change together, in one folder.
#[derive(Clone, Debug)]
struct Change(Vec<(PathBuf, Option<Entry>)>);

/// The disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Platter {
    files: Vec<File>,
    names: BTreeMap<PathBuf, Entry>,
    durable_names: BTreeMap<PathBuf, Entry>,
    /// Changes that are not on the platter, in order.
    pending: Vec<Change>,
}

impl Platter {
    pub(super) fn find(&self, path: &Path) -> Option<Entry> {
        self.names.get(path).copied()
    }

    pub(super) fn in_folder(&self, folder: &Path) -> Vec<PathBuf> {
        let all = self.names.keys();
        all.filter(|it| it.parent() == Some(folder))
            .cloned()
            .collect()
    }

    /// The bytes that a reader sees.
    pub(super) fn bytes(&self, file: Inode) -> &[u8] {
        &self.files[file].cached
    }

    pub(super) fn create(&mut self, path: &Path, entry: Option<Entry>) -> Inode {
        self.files.push(File::default());
        let inode = self.files.len() - 1;
        self.change(vec![(
            path.to_owned(),
            Some(entry.unwrap_or(Entry::File(inode))),
        )]);
        inode
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        let entry = self.names[from];
        self.change(vec![(from.to_owned(), None), (to.to_owned(), Some(entry))]);
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.change(vec![(path.to_owned(), None)]);
    }

    fn change(&mut self, names: Vec<(PathBuf, Option<Entry>)>) {
        for (path, entry) in &names {
            set(&mut self.names, path, *entry);
        }
        self.pending.push(Change(names));
    }

    pub(super) fn write(&mut self, file: Inode, bytes: &[u8], offset: usize) {
        if bytes.is_empty() {
            return;
        }
        let file = &mut self.files[file];
        let end = offset + bytes.len();
        if file.cached.len() < end {
            resize(&mut file.cached, end);
        }
        file.cached[offset..end].copy_from_slice(bytes);
        file.dirty.extend(offset / SECTOR..=(end - 1) / SECTOR);
    }

    /// All of a file reaches the platter.
    pub(super) fn sync(&mut self, file: Inode) {
        let file = &mut self.files[file];
        let sectors: Vec<_> = std::mem::take(&mut file.dirty).into_iter().collect();
        resize(&mut file.platter, file.cached.len());
        sectors.into_iter().for_each(|sector| file.put(sector));
    }

    /// A sync failed: some sectors reached the platter. The kernel counts the others as written, too:
    /// no later sync writes them.
    pub(super) fn fail_sync(&mut self, file: Inode) {
        let file = &mut self.files[file];
        for sector in std::mem::take(&mut file.dirty) {
            if chance(1, 2) {
                file.put(sector);
            }
        }
    }

    pub(super) fn sync_folder(&mut self, folder: &Path) {
        let all = std::mem::take(&mut self.pending);
        let is_in = |it: &Change| it.0.iter().any(|(path, _)| path.parent() == Some(folder));
        let (now, later): (Vec<_>, _) = all.into_iter().partition(is_in);
        self.pending = later;
        for change in now {
            self.apply(change);
        }
    }

    fn apply(&mut self, change: Change) {
        for (path, entry) in change.0 {
            set(&mut self.durable_names, &path, entry);
        }
    }

    /// Something reaches the platter by itself.
    pub(super) fn write_back(&mut self) {
        if !self.pending.is_empty() && chance(1, 3) {
            let at = below(self.pending.len());
            let change = self.pending.remove(at);
            // What the same names were before is no longer to come.
            for older in &mut self.pending[..at] {
                let is_newer = |path: &PathBuf| change.0.iter().any(|(it, _)| it == path);
                older.0.retain(|(path, _)| !is_newer(path));
            }
            return self.apply(change);
        }
        if self.files.is_empty() {
            return;
        }
        // Young files more often: the others are synced.
        let back = below(self.files.len().min(6));
        let at = self.files.len() - 1 - back;
        let file = &mut self.files[at];
        let dirty: Vec<_> = file.dirty.iter().copied().collect();
        if let Some(sector) = dirty.get(below(dirty.len())) {
            file.dirty.remove(sector);
            file.put(*sector);
        }
    }

    /// The machine loses its power.
    pub(super) fn cut_power(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            if chance(1, 2) {
                self.apply(change);
            }
        }
        self.names = self.durable_names.clone();
        for file in &mut self.files {
            for sector in std::mem::take(&mut file.dirty) {
                match below(3) {
                    0 => file.put(sector),
                    1 => file.tear(sector),
                    _ => {}
                }
            }
            file.cached.clone_from(&file.platter);
        }
    }

    /// One byte of a file changes, wherever it is.
    pub(super) fn damage(&mut self, path: &Path) {
        if let Some(Entry::File(inode)) = self.find(path) {
            let file = &mut self.files[inode];
            let at = below(file.cached.len());
            if let Some(byte) = file.cached.get_mut(at) {
                *byte ^= 1 << below(8);
            }
            file.platter.clone_from(&file.cached);
            file.dirty.clear();
        }
    }
}

impl File {
    fn put(&mut self, sector: usize) {
        self.put_until(sector, SECTOR);
    }

    /// A part of a sector is new.
    fn tear(&mut self, sector: usize) {
        self.put_until(sector, below(SECTOR));
    }

    fn put_until(&mut self, sector: usize, bytes: usize) {
        let begin = sector * SECTOR;
        let end = (begin + bytes).min(self.cached.len());
        if end > begin {
            if self.platter.len() < end {
                resize(&mut self.platter, end);
            }
            self.platter[begin..end].copy_from_slice(&self.cached[begin..end]);
        }
    }
}

/// As `Vec::resize` with zeros, which writes each by itself where the compiler does not optimise much.
fn resize(bytes: &mut Vec<u8>, len: usize) {
    match len.checked_sub(bytes.len()) {
        Some(more) => bytes.extend_from_slice(&vec![0; more]),
        None => bytes.truncate(len),
    }
}

fn set(names: &mut BTreeMap<PathBuf, Entry>, path: &Path, entry: Option<Entry>) {
    match entry {
        Some(entry) => drop(names.insert(path.to_owned(), entry)),
        None => drop(names.remove(path)),
    }
}
