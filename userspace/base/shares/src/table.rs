//! A table of a limited number of places, and its use.

use std::collections::HashMap;

use super::{Bound, Owner, Rank, Refused, Share, Used};

/// Use of a table, for health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The table.
    pub share: Share,
    /// Used places.
    pub used: usize,
    /// The user with the most places, and their number.
    pub greatest: Option<(u32, usize)>,
    /// Refused processes since the start.
    pub refused: u64,
    /// The last refused process, as long as there still is no place for it.
    pub standing: Option<Refused>,
}

impl Usage {
    /// The problem with advice: a process is refused, or only reserved places are left.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let greatest = self.greatest.map_or(String::new(), |(uid, most)| {
            format!("; uid {uid} has {most} of them")
        });
        if let Some(refused) = &self.standing {
            return Some(match refused.bound {
                Bound::All => format!("{refused}{greatest}"),
                Bound::Process | Bound::Uid => refused.to_string(),
            });
        }
        let open = self.share.open_to(Rank::Other);
        if self.used < open {
            return None;
        }
        let (what, key, limit) = (self.share.what, self.share.key, self.share.limit);
        Some(format!(
            "{} of {limit} {what} are taken ({key}){greatest}: end some of them, or raise the limit",
            self.used
        ))
    }
}

/// A table in which places are taken and freed one by one.
#[derive(Debug)]
pub struct Table {
    share: Share,
    used: usize,
    by_uid: HashMap<u32, usize>,
    pub(super) by_process: HashMap<u32, usize>,
    refused: u64,
    last: Option<Refused>,
}

impl Table {
    /// An empty one.
    #[must_use]
    pub fn new(share: Share) -> Self {
        Self {
            share,
            used: 0,
            by_uid: HashMap::new(),
            by_process: HashMap::new(),
            refused: 0,
            last: None,
        }
    }

    /// Takes a place for `owner`.
    ///
    /// # Errors
    /// [`Refused`]; the call then takes nothing.
    pub fn take(&mut self, owner: Owner) -> Result<(), Refused> {
        if let Err(refused) = self.check(owner, 1) {
            self.refused += 1;
            self.last = Some(refused);
            return Err(refused);
        }
        self.count(owner.uid, owner.pid);
        Ok(())
    }

    /// Whether `wanted` more places are free for `owner`.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, owner: Owner, wanted: usize) -> Result<(), Refused> {
        self.share.check(owner, self.used_by(owner), wanted)
    }

    /// Counts a place that is already taken, without checking the bounds.
    pub fn count(&mut self, uid: u32, pid: u32) {
        self.count_all(uid, pid, 1);
    }

    /// As [`Self::count`], for several places.
    pub fn count_all(&mut self, uid: u32, pid: u32, places: usize) {
        self.used += places;
        *self.by_uid.entry(uid).or_default() += places;
        *self.by_process.entry(pid).or_default() += places;
    }

    /// Frees a place that was taken for `owner`.
    pub fn give_back(&mut self, owner: Owner) {
        self.used = self.used.saturating_sub(1);
        release(&mut self.by_uid, owner.uid);
        release(&mut self.by_process, owner.pid);
    }

    /// Used places, as far as they count for `owner`.
    #[must_use]
    pub fn used_by(&self, owner: Owner) -> Used {
        let count = |of: &HashMap<u32, usize>, key| of.get(&key).copied().unwrap_or_default();
        Used {
            by_process: count(&self.by_process, owner.pid),
            by_uid: count(&self.by_uid, owner.uid),
            by_all: self.used,
        }
    }

    /// Its use.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let greatest = self.by_uid.iter().max_by_key(|(uid, used)| (**used, **uid));
        let stands = |last: &Refused| {
            let used = self.used_by(last.owner);
            self.share.check(last.owner, used, 1).err()
        };
        Usage {
            share: self.share,
            used: self.used,
            greatest: greatest.map(|(uid, used)| (*uid, *used)),
            refused: self.refused,
            standing: self.last.as_ref().and_then(stands),
        }
    }
}

fn release(of: &mut HashMap<u32, usize>, key: u32) {
    if let Some(used) = of.get_mut(&key) {
        *used -= 1;
        if *used == 0 {
            of.remove(&key);
        }
    }
}
