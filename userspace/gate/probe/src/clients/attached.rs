//! The table of watched files: the links of each file, and its users.
//!
//! Detaching is slow, so a file stays watched when its last client leaves. It is dropped only when
//! its place is needed, least recently used first.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Weak};

use onair_ebpf::sites::Site;

use onair_ebpf::process::FileKey;
use onair_shares::{Owner, Refused, Share, Usage, Used};

/// Keeps a file watched while it lives.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    _holder: Arc<()>,
}

/// A process that executes a file, as long as its hold lives.
struct Holder {
    owner: Owner,
    alive: Weak<()>,
}

struct AttachedClient<Link> {
    sites: Vec<Site>,
    links: Vec<Link>,
    holders: Vec<Holder>,
    used_at: u64,
}

impl<Link> AttachedClient<Link> {
    fn living(&self) -> impl Iterator<Item = Owner> {
        let living = self.holders.iter().filter(|it| it.alive.strong_count() > 0);
        living.map(|it| it.owner)
    }

    fn is_idle(&self) -> bool {
        self.living().next().is_none()
    }

    /// A hold for `owner`: the present one, or a new one.
    fn hold(&mut self, owner: Owner) -> Hold {
        self.holders.retain(|it| it.alive.strong_count() > 0);
        let own = self.holders.iter().find(|it| it.owner == owner);
        let holder = own.and_then(|it| it.alive.upgrade());
        let holder = holder.unwrap_or_else(|| {
            let holder = Arc::new(());
            let alive = Arc::downgrade(&holder);
            self.holders.push(Holder { owner, alive });
            holder
        });
        Hold { _holder: holder }
    }
}

/// Table entry of a file that a client executes.
#[derive(Debug)]
pub(crate) enum Known {
    /// Watched already.
    Watched(Hold),
    /// Watched, but its sites have moved.
    Changed,
    /// Not watched.
    New,
}

/// Links by file.
pub(crate) struct Attached<Link> {
    files: HashMap<FileKey, AttachedClient<Link>>,
    max_files: Share,
    max_sites: Share,
    refused: u64,
    last: Option<(Refused, usize)>,
    turn: u64,
}

impl<Link> Attached<Link> {
    pub(crate) fn new(max_files: Share, max_sites: Share) -> Self {
        Self {
            files: HashMap::new(),
            max_files,
            max_sites,
            refused: 0,
            last: None,
            turn: 0,
        }
    }

    /// Looks a file up and marks it as used.
    pub(crate) fn known(&mut self, key: FileKey, sites: &[Site], owner: Owner) -> Known {
        self.turn += 1;
        let Some(entry) = self.files.get_mut(&key) else {
            return Known::New;
        };
        if entry.sites != sites {
            return Known::Changed;
        }
        entry.used_at = self.turn;
        Known::Watched(entry.hold(owner))
    }

    /// Makes room for a file of `owner` with this many sites, and returns the links to drop. Files
    /// that no process executes occupy no place.
    ///
    /// # Errors
    /// The bound that is reached; the call then drops nothing.
    pub(crate) fn make_room(&mut self, sites: usize, owner: Owner) -> Result<Vec<Link>, Refused> {
        if let Err(refused) = self.has_room(sites, owner) {
            self.refused += 1;
            self.last = Some((refused, sites));
            return Err(refused);
        }
        let mut idle: Vec<_> = self
            .files
            .iter()
            .filter(|(_, entry)| entry.is_idle())
            .map(|(&key, entry)| (entry.used_at, key, entry.sites.len()))
            .collect();
        idle.sort_unstable();
        let (mut files, mut watched) = (self.file_count(), self.site_count());
        let mut leaving = Vec::new();
        for (_, key, count) in idle {
            if files < self.max_files.open_to(owner.rank)
                && watched + sites <= self.max_sites.open_to(owner.rank)
            {
                break;
            }
            leaving.push(key);
            files -= 1;
            watched -= count;
        }
        Ok(leaving
            .into_iter()
            .flat_map(|key| self.remove(key))
            .collect())
    }

    fn has_room(&self, sites: usize, owner: Owner) -> Result<(), Refused> {
        let (files_used, sites_used) = self.used_by(owner);
        self.max_files.check(owner, files_used, 1)?;
        self.max_sites.check(owner, sites_used, sites)
    }

    /// Files in use, and their sites, as far as they count for `owner`.
    fn used_by(&self, owner: Owner) -> (Used, Used) {
        let (mut files, mut sites) = (Used::default(), Used::default());
        for entry in self.files.values() {
            let by_uid = entry.living().any(|it| it.uid == owner.uid);
            let by_process = entry.living().any(|it| it.pid == owner.pid);
            for (used, places) in [(&mut files, 1), (&mut sites, entry.sites.len())] {
                used.by_process += usize::from(by_process) * places;
                used.by_uid += usize::from(by_uid) * places;
                used.by_all += usize::from(!entry.is_idle()) * places;
            }
        }
        (files, sites)
    }

    /// The processes that execute watched files, each once.
    pub(crate) fn processes(&self) -> BTreeSet<u32> {
        let living = self.files.values().flat_map(AttachedClient::living);
        living.map(|it| it.pid).collect()
    }

    /// Files and sites that are in use, for health.
    pub(crate) fn usage(&self) -> [Usage; 2] {
        let mut by_uid: HashMap<u32, (usize, usize)> = HashMap::new();
        let (mut files, mut sites) = (0, 0);
        for entry in self.files.values() {
            let uids: HashSet<u32> = entry.living().map(|it| it.uid).collect();
            if !uids.is_empty() {
                files += 1;
                sites += entry.sites.len();
            }
            for uid in uids {
                let has = by_uid.entry(uid).or_default();
                *has = (has.0 + 1, has.1 + entry.sites.len());
            }
        }
        let last = self.last.as_ref();
        let standing = last.and_then(|(last, sites)| self.has_room(*sites, last.owner).err());
        let of_this = |share: Share| standing.filter(|it| it.share == share);
        let greatest = |places: fn((usize, usize)) -> usize| {
            let all = by_uid.iter().map(|(uid, has)| (*uid, places(*has)));
            all.max_by_key(|(uid, has)| (*has, *uid))
        };
        [
            Usage {
                share: self.max_files,
                used: files,
                greatest: greatest(|has| has.0),
                refused: self.refused,
                standing: of_this(self.max_files),
            },
            Usage {
                share: self.max_sites,
                used: sites,
                greatest: greatest(|has| has.1),
                refused: self.refused,
                standing: of_this(self.max_sites),
            },
        ]
    }

    /// Adds a watched file.
    pub(crate) fn insert(
        &mut self,
        key: FileKey,
        sites: Vec<Site>,
        links: Vec<Link>,
        owner: Owner,
    ) -> Hold {
        self.turn += 1;
        let mut entry = AttachedClient {
            sites,
            links,
            holders: Vec::new(),
            used_at: self.turn,
        };
        let hold = entry.hold(owner);
        self.files.insert(key, entry);
        hold
    }

    /// Removes a file and returns its links.
    pub(crate) fn remove(&mut self, key: FileKey) -> Vec<Link> {
        self.files
            .remove(&key)
            .map(|entry| entry.links)
            .unwrap_or_default()
    }

    /// Removes all files.
    pub(crate) fn clear(&mut self) -> Vec<Link> {
        self.files
            .drain()
            .flat_map(|(_, entry)| entry.links)
            .collect()
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
    use onair_shares::{Bound, Percent, Rank};

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

    const ROOT: Owner = Owner::root(1);

    fn share(limit: usize) -> Share {
        Share::new("things", "probe.max_things", limit, Percent::NO_SHARES)
    }

    fn filled() -> (Attached<u64>, Vec<Hold>) {
        let mut table = Attached::new(share(3), share(6));
        let holds = (1..=3)
            .map(|n| table.insert(key(n), sites(n), vec![n * 10, n * 10 + 1], ROOT))
            .collect();
        (table, holds)
    }

    #[test]
    fn processes_of_holds_that_live_then_each_once() {
        let (mut table, mut holds) = filled();
        let other = table.insert(key(4), sites(4), Vec::new(), Owner::root(2));
        assert_eq!(table.processes(), BTreeSet::from([1, 2]));
        drop(other);
        holds.truncate(1);
        assert_eq!(table.processes(), BTreeSet::from([1]));
    }

    #[test]
    fn make_room_all_held_then_refused_and_nothing_dropped() {
        let (mut table, _holds) = filled();
        let refused = table.make_room(2, ROOT).unwrap_err();
        assert_eq!((refused.share, refused.bound), (share(3), Bound::All));
        assert_eq!((table.file_count(), table.link_count()), (3, 6));
    }

    #[test]
    fn make_room_idle_ones_then_least_recently_used_goes() {
        let (mut table, mut holds) = filled();
        holds.truncate(1);
        assert!(matches!(
            table.known(key(2), &sites(2), ROOT),
            Known::Watched(_)
        ));
        assert_eq!(table.make_room(2, ROOT), Ok(vec![30, 31]));
        assert!(matches!(table.known(key(3), &sites(3), ROOT), Known::New));
    }

    #[test]
    fn make_room_more_sites_than_places_then_refused_without_a_drop() {
        let (mut table, holds) = filled();
        drop(holds);
        let refused = table.make_room(7, ROOT).unwrap_err();
        assert_eq!((refused.share, refused.bound), (share(6), Bound::All));
        assert_eq!(table.link_count(), 6);
        assert_eq!(table.make_room(4, ROOT).map(|links| links.len()), Ok(4));
    }

    #[test]
    fn known_other_sites_then_changed() {
        let (mut table, _holds) = filled();
        assert!(matches!(
            table.known(key(1), &sites(2), ROOT),
            Known::Changed
        ));
        assert!(matches!(
            table.known(key(1), &sites(1), ROOT),
            Known::Watched(_)
        ));
        assert_eq!(table.remove(key(1)), [10, 11]);
        assert!(matches!(table.known(key(1), &sites(1), ROOT), Known::New));
    }

    fn of(uid: u32, pid: u32) -> Owner {
        let rank = Rank::Other;
        Owner { uid, pid, rank }
    }

    #[test]
    fn make_room_one_user_has_its_share_then_only_it_is_refused() {
        let percent = Percent {
            reserve: 10,
            uid: 80,
            process: 50,
        };
        let files = Share::new("files", "probe.max_files", 10, percent);
        let sites_share = Share::new("sites", "probe.max_sites", 100, percent);
        let mut table = Attached::new(files, sites_share);
        let mut holds = Vec::new();
        let mut fill = |table: &mut Attached<u64>, owner: Owner, inode: u64| {
            let room = table.make_room(2, owner);
            room.map(|_| holds.push(table.insert(key(inode), sites(inode), vec![inode], owner)))
        };
        for pid in 1..=7 {
            fill(&mut table, of(5, pid), u64::from(pid)).unwrap();
        }
        let refused = fill(&mut table, of(5, 8), 8).unwrap_err();
        assert_eq!(
            (refused.bound, refused.used, refused.most),
            (Bound::Uid, 7, 7)
        );
        assert_eq!(table.usage()[0].standing, Some(refused));
        assert_eq!(table.usage()[0].greatest, Some((5, 7)));
        fill(&mut table, of(6, 9), 9).unwrap();
        fill(&mut table, of(6, 9), 10).unwrap();
        let refused = fill(&mut table, of(7, 10), 11).unwrap_err();
        assert_eq!(refused.bound, Bound::All);
        fill(&mut table, ROOT, 12).unwrap();
        // A file that is already watched takes no place.
        let hold = table.known(key(9), &sites(9), of(5, 8));
        assert!(matches!(hold, Known::Watched(_)));
        drop(holds);
        assert_eq!(table.usage()[0].problem(), None);
    }

    #[test]
    fn file_held_by_two_processes_then_counted_once_until_both_end() {
        let mut table = Attached::new(share(3), share(6));
        let first = table.insert(key(1), sites(1), vec![1], of(5, 1));
        let Known::Watched(second) = table.known(key(1), &sites(1), of(5, 2)) else {
            panic!("just inserted");
        };
        let used = table.used_by(of(5, 2)).0;
        assert_eq!((used.by_process, used.by_uid, used.by_all), (1, 1, 1));
        drop(first);
        let used = table.used_by(of(5, 1)).0;
        assert_eq!((used.by_process, used.by_uid, used.by_all), (0, 1, 1));
        drop(second);
        assert_eq!(table.used_by(of(5, 1)).0, Used::default());
    }
}
