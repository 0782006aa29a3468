//! Shares of a limited table: for one process, for one user, and for all users together.
//!
//! Pure counting. A table has a limit. Some places are reserved: half of these for root and the
//! operators, half for root alone. Of the rest one user may have a part, and one process a smaller
//! part, so that no client takes everything. Users without a role fill no more than half of the rest.

#![forbid(unsafe_code)]

mod table;

use std::fmt;

use onair_mutant::mutant;

pub use self::table::{Table, Usage};

/// Key of the reserved places, percent of each limit.
pub const RESERVE_KEY: &str = "limits.reserve_percent";
/// Key of one user's share, percent of the unreserved places.
pub const UID_KEY: &str = "limits.uid_percent";
/// Key of one process's share, percent of the unreserved places.
pub const PROCESS_KEY: &str = "limits.process_percent";

/// Places open to a process, the lowest rank first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Half of the unreserved places: users without a role, all of them together.
    WithoutRole,
    /// Unreserved places.
    Other,
    /// Half of the reserved places, too.
    Operator,
    /// All places, without the shares of a user and of a process.
    Root,
}

/// The process that needs a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Its user.
    pub uid: u32,
    /// Its pid in the daemon's pid namespace; 0 if it is not visible there: then only its user
    /// counts.
    pub pid: u32,
    /// Its rank.
    pub rank: Rank,
}

impl Owner {
    /// A process of root.
    #[must_use]
    pub const fn root(pid: u32) -> Self {
        let (uid, rank) = (0, Rank::Root);
        Self { uid, pid, rank }
    }
}

/// Reserved part of a table, and the shares of one user and one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent {
    /// Percent of the limit.
    pub reserve: u32,
    /// Percent of the unreserved places.
    pub uid: u32,
    /// Percent of the unreserved places.
    pub process: u32,
}

impl Percent {
    /// No reservation and no shares.
    pub const NO_SHARES: Self = Self {
        reserve: 0,
        uid: 100,
        process: 100,
    };
}

/// How texts name the places of a table.
#[derive(Debug, PartialEq, Eq)]
pub struct Terms {
    /// Places that count as one: 1, or more for a table of bytes.
    pub unit: usize,
    /// The step that frees a place, for people.
    pub remedy: &'static str,
}

/// A table's limit with its shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Name of the places, in plural.
    pub what: &'static str,
    /// Key of the limit in the configuration.
    pub key: &'static str,
    /// Number of places.
    pub limit: usize,
    /// Of these, for root and the operators.
    pub reserve: usize,
    /// Share of one user, except root.
    pub per_uid: usize,
    /// Share of one process, except a process of root.
    pub per_process: usize,
    /// Share of one process of root.
    pub per_process_of_root: usize,
    /// How texts name places, where they are not those of a process.
    pub terms: Option<&'static Terms>,
}

impl Share {
    /// Divides `limit` places. Each user and each process may have at least one.
    #[must_use]
    pub fn new(what: &'static str, key: &'static str, limit: usize, percent: Percent) -> Self {
        let part = |of: usize, percent: u32| of * percent as usize / 100;
        // Rounded up; at least one place is unreserved.
        let reserve = (limit - part(limit, 100 - percent.reserve.min(100))).min(limit.max(1) - 1);
        let free = limit - reserve;
        let least_one = |places: usize| places.clamp(1, free.max(1));
        Self {
            what,
            key,
            limit,
            reserve,
            per_uid: least_one(part(free, percent.uid)),
            per_process: least_one(part(free, percent.process)),
            per_process_of_root: limit,
            terms: None,
        }
    }

    /// The same, with these terms in texts.
    #[must_use]
    pub const fn with_terms(mut self, terms: &'static Terms) -> Self {
        self.terms = Some(terms);
        self
    }

    /// A number of places, as texts count them.
    #[must_use]
    pub const fn shown(&self, places: usize) -> usize {
        match self.terms {
            Some(terms) => places.div_ceil(terms.unit),
            None => places,
        }
    }

    /// The same, with another share of one process, also of root.
    #[must_use]
    pub const fn with_any_process(mut self, places: usize) -> Self {
        (self.per_process, self.per_process_of_root) = (places, places);
        self
    }

    /// Places that processes of this rank and of lower ranks may fill together.
    #[must_use]
    pub const fn open_to(&self, rank: Rank) -> usize {
        match rank {
            Rank::WithoutRole => (self.limit - self.reserve).div_ceil(2),
            Rank::Other => self.limit - self.reserve,
            Rank::Operator => self.limit - self.reserve.div_ceil(2),
            Rank::Root => self.limit,
        }
    }

    /// Whether `wanted` more places are free for `owner`.
    ///
    /// # Errors
    /// [`Refused`], with the bound that is reached.
    pub fn check(&self, owner: Owner, used: Used, wanted: usize) -> Result<(), Refused> {
        let is_root = owner.rank == Rank::Root;
        let all = is_root || mutant!("shares: one user may take all");
        let per_uid = if all { self.limit } else { self.per_uid };
        let per_process = if is_root {
            self.per_process_of_root
        } else {
            self.per_process
        };
        let open = self.open_to(owner.rank);
        let bounds = [
            (Bound::Process, used.by_process, per_process),
            (Bound::Uid, used.by_uid, per_uid),
            (Bound::All, used.by_all, open),
        ];
        let counts = |bound, most| match bound {
            Bound::Process => owner.pid != 0 && most < open,
            Bound::Uid => most < open,
            Bound::All => true,
        };
        let reached = bounds
            .into_iter()
            .filter(|(bound, _, most)| counts(*bound, *most))
            .find(|(_, used, most)| used + wanted > *most);
        match reached {
            None => Ok(()),
            Some((bound, used, most)) => Err(Refused {
                share: *self,
                owner,
                bound,
                used,
                most,
            }),
        }
    }
}

/// Used places of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// By the process.
    pub by_process: usize,
    /// By all processes of its user.
    pub by_uid: usize,
    /// By all.
    pub by_all: usize,
}

/// The bound that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The process's share.
    Process,
    /// The user's share.
    Uid,
    /// All places open to it.
    All,
}

/// Why a process gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The table.
    pub share: Share,
    /// The process.
    pub owner: Owner,
    /// The bound.
    pub bound: Bound,
    /// Used places, as that bound counts them.
    pub used: usize,
    /// Limit of that bound.
    pub most: usize,
}

impl std::error::Error for Refused {}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { share, owner, .. } = self;
        let (what, key, uid) = (share.what, share.key, owner.uid);
        let [used, limit, most] = [self.used, share.limit, self.most].map(|it| share.shown(it));
        let end = match (share.terms, self.bound) {
            (Some(terms), _) => terms.remedy,
            (None, Bound::Uid) => "end some of its processes",
            (None, Bound::Process | Bound::All) => "end some of them",
        };
        match self.bound {
            Bound::Process => write!(
                f,
                "process {} of uid {uid} has {used} of {most} {what} that one process may have \
                 ({key} = {limit}, {PROCESS_KEY}): {end}, or raise the limit",
                owner.pid
            ),
            Bound::Uid => write!(
                f,
                "uid {uid} has {used} of {most} {what} that one user may have ({key} = {limit}, \
                 {UID_KEY}): {end}, or raise the limit",
            ),
            Bound::All if owner.rank == Rank::WithoutRole => write!(
                f,
                "all users have {used} of {limit} {what} ({key}); uid {uid} has no role, and users without \
                 one may only fill {most}: give it a role ([control] roles), or raise the limit"
            ),
            Bound::All if owner.rank == Rank::Root => write!(
                f,
                "all users have {used} of {most} {what} ({key} = {limit}): {end}, or raise the limit"
            ),
            Bound::All => write!(
                f,
                "all users have {used} of {most} {what} that are not reserved ({key} = {limit}, \
                 {RESERVE_KEY}), uid {uid} wants more: {end}, or raise the limit"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERCENT: Percent = Percent {
        reserve: 10,
        uid: 80,
        process: 50,
    };

    fn share(limit: usize) -> Share {
        Share::new("places", "limits.places", limit, PERCENT)
    }

    fn owner(uid: u32, pid: u32, rank: Rank) -> Owner {
        Owner { uid, pid, rank }
    }

    /// Takes places until none is left; returns their number.
    fn fill(table: &mut Table, owner: Owner) -> usize {
        std::iter::from_fn(|| table.take(owner).ok()).count()
    }

    #[test]
    fn share_of_any_limit_then_adds_up_and_everyone_may_have_one() {
        for limit in 1..2000 {
            let share = share(limit);
            assert!(
                share.reserve < limit && share.reserve * 10 < limit + 10,
                "{share:?}"
            );
            assert!(
                1 <= share.per_process && share.per_process <= share.per_uid,
                "{share:?}"
            );
            assert!(share.per_uid <= share.open_to(Rank::Other), "{share:?}");
            assert!(share.open_to(Rank::Other) <= share.open_to(Rank::Operator));
            assert!(share.open_to(Rank::Operator) <= share.open_to(Rank::Root));
        }
        let share = share(1024);
        assert_eq!(
            (share.reserve, share.per_uid, share.per_process),
            (103, 736, 460)
        );
    }

    #[test]
    fn share_none_then_everyone_may_have_all() {
        let share = Share::new("places", "limits.places", 7, Percent::NO_SHARES);
        let mut table = Table::new(share);
        assert_eq!(fill(&mut table, owner(1, 1, Rank::Other)), 7);
    }

    #[test]
    fn table_filled_rank_by_rank_then_each_finds_its_reserve() {
        let mut table = Table::new(share(40));
        // 4 are reserved.
        assert_eq!(fill(&mut table, owner(8, 10, Rank::WithoutRole)), 18);
        assert_eq!(fill(&mut table, owner(9, 11, Rank::WithoutRole)), 0);
        let refused = table.usage().problem().unwrap();
        assert!(refused.contains("uid 9 has no role"), "{refused}");
        for _ in 0..18 {
            table.give_back(owner(8, 10, Rank::WithoutRole));
        }
        assert_eq!(fill(&mut table, owner(1, 10, Rank::Other)), 18);
        assert_eq!(fill(&mut table, owner(1, 11, Rank::Other)), 10);
        assert_eq!(fill(&mut table, owner(2, 12, Rank::Other)), 8);
        assert_eq!(fill(&mut table, owner(3, 13, Rank::Operator)), 2);
        assert_eq!(fill(&mut table, Owner::root(14)), 2);
        assert_eq!(fill(&mut table, Owner::root(15)), 0);
    }

    #[test]
    fn table_one_process_of_root_then_it_may_have_all_by_default() {
        assert_eq!(fill(&mut Table::new(share(40)), Owner::root(1)), 40);
        let bounded = share(40).with_any_process(20);
        assert_eq!(fill(&mut Table::new(bounded), Owner::root(1)), 20);
    }

    #[test]
    fn table_process_that_is_not_visible_then_only_its_user_counts() {
        assert_eq!(
            fill(&mut Table::new(share(40)), owner(1, 0, Rank::Other)),
            28
        );
    }

    #[test]
    fn table_given_back_then_empty_and_the_refusal_stands_no_more() {
        let mut table = Table::new(share(40));
        let greedy = owner(1, 10, Rank::Other);
        assert_eq!(fill(&mut table, greedy), 18);
        let usage = table.usage();
        assert_eq!(
            (usage.used, usage.refused, usage.greatest),
            (18, 1, Some((1, 18)))
        );
        let problem = usage.problem().unwrap();
        for words in [
            "process 10 of uid 1",
            "18 of 18",
            "limits.places = 40",
            PROCESS_KEY,
        ] {
            assert!(problem.contains(words), "{problem}");
        }
        table.give_back(greedy);
        assert_eq!(table.usage().problem(), None);
        (1..18).for_each(|_| table.give_back(greedy));
        assert_eq!((table.usage().used, table.usage().greatest), (0, None));
        assert!(table.by_process.is_empty());
    }

    #[test]
    fn table_of_bytes_one_user_has_its_share_then_it_is_refused() {
        const MIB: usize = 1 << 20;
        const TERMS: &Terms = &Terms {
            unit: MIB,
            remedy: "destroy some of its sessions",
        };
        let share = share(100 * MIB).with_terms(TERMS);
        let mut table = Table::new(share);
        let greedy = owner(1, 0, Rank::Other);
        assert_eq!(table.check(greedy, 72 * MIB), Ok(()));
        table.count_all(1, 0, 72 * MIB);
        let refused = table.check(greedy, 1).unwrap_err().to_string();
        for words in [
            "uid 1 has 72 of 72",
            UID_KEY,
            "destroy some of its sessions",
        ] {
            assert!(refused.contains(words), "{refused}");
        }
        assert_eq!(table.check(owner(2, 0, Rank::Other), 18 * MIB), Ok(()));
        table.count_all(2, 0, 18 * MIB);
        assert_eq!(
            table.check(owner(3, 0, Rank::Other), 1).unwrap_err().bound,
            Bound::All
        );
        assert_eq!(table.check(owner(4, 0, Rank::Operator), 5 * MIB), Ok(()));
        assert_eq!(table.check(Owner::root(0), 10 * MIB), Ok(()));
    }

    #[test]
    fn usage_only_reserved_places_left_then_a_problem_not_refusal() {
        let mut table = Table::new(share(20));
        for pid in 1..=18 {
            assert_eq!(table.usage().problem(), None);
            table.take(Owner::root(pid)).unwrap();
        }
        let problem = table.usage().problem().unwrap();
        assert!(problem.contains("18 of 20 places"), "{problem}");
        assert!(problem.contains("uid 0 has 18"), "{problem}");
    }
}
