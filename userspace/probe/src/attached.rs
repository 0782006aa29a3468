//! The table of watched files: which links belong to which file, and who still needs it.
//!
//! Detaching is slow, so a file stays watched when its last client leaves and
//! goes only when its place is needed, least recently used first.

use std::collections::HashMap;
use std::sync::Arc;

use onair_ebpf::sites::Site;

use onair_ebpf::process::FileKey;

/// Keeps a file watched while it lives.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    _file: Arc<()>,
}

struct Entry<Link> {
    sites: Vec<Site>,
    links: Vec<Link>,
    held: Arc<()>,
    used_at: u64,
}

/// What the table says of a file that a client executes.
#[derive(Debug)]
pub(crate) enum Known {
    /// Watched already.
    Watched(Hold),
    /// Watched, but its sites were elsewhere then.
    Changed,
    /// Not watched.
    New,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Of files.
    Files,
    /// Of sites.
    Sites,
}

/// Links by file.
pub(crate) struct Attached<Link> {
    files: HashMap<FileKey, Entry<Link>>,
    max_files: usize,
    max_sites: usize,
    turn: u64,
}

impl<Link> Attached<Link> {
    pub(crate) fn new(max_files: usize, max_sites: usize) -> Self {
        Self {
            files: HashMap::new(),
            max_files,
            max_sites,
            turn: 0,
        }
    }

    /// Looks a file up and marks it as used.
    pub(crate) fn known(&mut self, key: FileKey, sites: &[Site]) -> Known {
        self.turn += 1;
        let Some(entry) = self.files.get_mut(&key) else {
            return Known::New;
        };
        if entry.sites != sites {
            return Known::Changed;
        }
        entry.used_at = self.turn;
        Known::Watched(Hold {
            _file: Arc::clone(&entry.held),
        })
    }

    /// Makes room for a file with so many sites: the links that have to go.
    pub(crate) fn make_room(&mut self, sites: usize) -> Result<Vec<Link>, Limit> {
        let mut idle: Vec<_> = self
            .files
            .iter()
            .filter(|(_, entry)| Arc::strong_count(&entry.held) == 1)
            .map(|(&key, entry)| (entry.used_at, key, entry.sites.len()))
            .collect();
        idle.sort_unstable();
        let (mut files, mut watched) = (self.file_count(), self.site_count());
        let mut leaving = Vec::new();
        let mut idle = idle.into_iter();
        while files >= self.max_files || watched + sites > self.max_sites {
            let limit = if files >= self.max_files {
                Limit::Files
            } else {
                Limit::Sites
            };
            // Nothing is dropped for a file that does not fit anyway.
            let (_, key, count) = idle.next().ok_or(limit)?;
            leaving.push(key);
            files -= 1;
            watched -= count;
        }
        Ok(leaving
            .into_iter()
            .flat_map(|key| self.remove(key))
            .collect())
    }

    /// Adds a watched file.
    pub(crate) fn insert(&mut self, key: FileKey, sites: Vec<Site>, links: Vec<Link>) -> Hold {
        self.turn += 1;
        let held = Arc::new(());
        let hold = Hold {
            _file: Arc::clone(&held),
        };
        self.files.insert(
            key,
            Entry {
                sites,
                links,
                held,
                used_at: self.turn,
            },
        );
        hold
    }

    /// Takes a file out: its links.
    pub(crate) fn remove(&mut self, key: FileKey) -> Vec<Link> {
        self.files
            .remove(&key)
            .map(|entry| entry.links)
            .unwrap_or_default()
    }

    /// Takes all files out.
    pub(crate) fn clear(&mut self) -> Vec<Link> {
        self.files
            .drain()
            .flat_map(|(_, entry)| entry.links)
            .collect()
    }

    pub(crate) fn max_files(&self) -> usize {
        self.max_files
    }

    pub(crate) fn max_sites(&self) -> usize {
        self.max_sites
    }

    pub(crate) fn file_count(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn site_count(&self) -> usize {
        self.files.values().map(|entry| entry.sites.len()).sum()
    }

    #[cfg(test)]
    pub(crate) fn link_count(&self) -> usize {
        self.files.values().map(|entry| entry.links.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use onair_ebpf::sites::SiteKind;

    use super::*;

    fn key(inode: u64) -> FileKey {
        FileKey { device: 1, inode }
    }

    fn sites(offset: u64) -> Vec<Site> {
        vec![
            Site {
                kind: SiteKind::WaitBegin,
                offset,
            },
            Site {
                kind: SiteKind::WaitEnd,
                offset: offset + 9,
            },
        ]
    }

    fn filled() -> (Attached<u64>, Vec<Hold>) {
        let mut table = Attached::new(3, 6);
        let holds = (1..=3)
            .map(|n| table.insert(key(n), sites(n), vec![n * 10, n * 10 + 1]))
            .collect();
        (table, holds)
    }

    #[test]
    fn make_room__all_held__then_refused_and_nothing_dropped() {
        let (mut table, _holds) = filled();
        assert_eq!(table.make_room(2), Err(Limit::Files));
        assert_eq!((table.file_count(), table.link_count()), (3, 6));
    }

    #[test]
    fn make_room__idle_ones__then_least_recently_used_goes() {
        let (mut table, mut holds) = filled();
        holds.truncate(1);
        assert!(matches!(table.known(key(2), &sites(2)), Known::Watched(_)));
        assert_eq!(table.make_room(2), Ok(vec![30, 31]));
        assert!(matches!(table.known(key(3), &sites(3)), Known::New));
    }

    #[test]
    fn make_room__more_sites_than_places__then_refused_and_nothing_dropped() {
        let (mut table, holds) = filled();
        drop(holds);
        assert_eq!(table.make_room(7), Err(Limit::Sites));
        assert_eq!(table.link_count(), 6);
        assert_eq!(table.make_room(4).map(|links| links.len()), Ok(4));
    }

    #[test]
    fn known__other_sites__then_changed() {
        let (mut table, _holds) = filled();
        assert!(matches!(table.known(key(1), &sites(2)), Known::Changed));
        assert!(matches!(table.known(key(1), &sites(1)), Known::Watched(_)));
        assert_eq!(table.remove(key(1)), [10, 11]);
        assert!(matches!(table.known(key(1), &sites(1)), Known::New));
    }
}
