//! The host's part of IGMPv3 (RFC 3376 §5 and §7.2) or MLDv2 (RFC 3810 §6 and §8.2) on one port.
//!
//! MLDv2 has the rules, times and records of IGMPv3, and MLDv1 those of IGMPv2.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::IpAddr;

use super::report::{Kind, Record};
use super::{Filter, MembershipReport, Query, Version};

const MS: u64 = 1_000_000;
/// Sources of a group that queries ask about, until the answer is due. Anybody can ask.
const PENDING_SOURCES: usize = 256;
/// Transmissions of each change if the querier does not tell (RFC 3376 §8.1).
const ROBUSTNESS: u8 = 2;
/// Most time between two transmissions of a change: of IGMPv3 (§8.11), and of older ones (RFC 2236
/// §8.10).
const UNSOLICITED_MS: u64 = 1_000;
const OLDER_UNSOLICITED_MS: u64 = 10_000;
/// Interval of general queries if the querier does not tell (§8.2).
const QUERY_INTERVAL_MS: u64 = 125_000;
/// Time for an answer if the querier does not tell (§8.3).
const RESPONSE_MS: u64 = 10_000;

/// The querier of a port's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Querier {
    /// Its address; unspecified if it has none.
    pub address: IpAddr,
    /// Version of its last query.
    pub version: Version,
    /// When that arrived, in nanoseconds.
    pub seen_ns: u64,
}

/// A host's state for one group.
#[derive(Debug)]
struct Group {
    filter: Filter,
    /// Transmissions of a change of the mode that are still to come.
    mode_changes: u8,
    /// Sources that were added or removed, with the transmissions that are still to come.
    changed: BTreeMap<IpAddr, u8>,
    /// When the next transmission of a change is due.
    change_ns: Option<u64>,
    /// When a query about the group is answered, and the sources that it asks about: none for all.
    answer: Option<(u64, BTreeSet<IpAddr>)>,
}

impl Group {
    const fn new() -> Self {
        Self {
            filter: Filter::NONE,
            mode_changes: 0,
            changed: BTreeMap::new(),
            change_ns: None,
            answer: None,
        }
    }

    fn is_over(&self) -> bool {
        !self.filter.is_member() && self.change_ns.is_none()
    }
}

/// A host's memberships of one family of addresses on one port, and what it reports of them.
///
/// Give it each query, and call [`Host::turn`] when it is due.
#[derive(Debug)]
pub struct Host {
    groups: BTreeMap<IpAddr, Group>,
    querier: Option<Querier>,
    robustness: u8,
    interval_ms: u64,
    /// Until when queriers of the older versions count as present (§7.2.1).
    v1_until_ns: u64,
    v2_until_ns: u64,
    /// The version that it spoke last.
    version: Version,
    /// When a general query is answered.
    general_ns: Option<u64>,
    random: u64,
}

impl Host {
    /// A host without memberships; `seed` should differ from host to host.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            groups: BTreeMap::new(),
            querier: None,
            robustness: ROBUSTNESS,
            interval_ms: QUERY_INTERVAL_MS,
            v1_until_ns: 0,
            v2_until_ns: 0,
            version: Version::V3,
            general_ns: None,
            random: seed | 1,
        }
    }

    /// The querier of the last query.
    #[must_use]
    pub const fn querier(&self) -> Option<Querier> {
        self.querier
    }

    /// The version that the host speaks: the oldest of a present querier (§7.2.1).
    #[must_use]
    pub const fn version_at(&self, now_ns: u64) -> Version {
        if now_ns < self.v1_until_ns {
            Version::V1
        } else if now_ns < self.v2_until_ns {
            Version::V2
        } else {
            Version::V3
        }
    }

    /// Whether a querier asked, and none has asked for as long as another would wait before it takes over
    /// (§8.5).
    #[must_use]
    pub fn misses_querier(&self, now_ns: u64) -> bool {
        let present_ms = u64::from(self.robustness) * self.interval_ms + RESPONSE_MS / 2;
        self.querier.is_some_and(|querier| {
            now_ns.saturating_sub(querier.seen_ns) > present_ms.saturating_mul(MS)
        })
    }

    /// Wants the sources of `filter` of `group` from now on. The first report is due at once.
    pub fn set(&mut self, group: IpAddr, filter: Filter, now_ns: u64) {
        let robustness = self.robustness;
        let state = self.groups.entry(group).or_insert_with(Group::new);
        let before = mem::replace(&mut state.filter, filter);
        match (&before, &state.filter) {
            (Filter::Include(old), Filter::Include(new)) => {
                let differ = old.symmetric_difference(new);
                let changed: Vec<_> = differ.map(|source| (*source, robustness)).collect();
                if changed.is_empty() {
                    return;
                }
                state.changed.extend(changed);
            }
            (Filter::Any, Filter::Any) => return,
            // The record of a change of the mode has all the sources.
            _ => {
                state.mode_changes = robustness;
                state.changed.clear();
            }
        }
        state.change_ns = Some(now_ns);
        if !state.filter.is_member() {
            state.answer = None;
        }
    }

    /// Reports all memberships as if they began now: the link is back, or is another one.
    pub fn announce(&mut self, now_ns: u64) {
        let robustness = self.robustness;
        for state in self.groups.values_mut() {
            match &state.filter {
                Filter::Any => state.mode_changes = robustness,
                Filter::Include(sources) => {
                    let all = sources.iter().map(|source| (*source, robustness));
                    state.changed.extend(all);
                }
            }
            state.change_ns = Some(now_ns);
        }
    }

    /// Handles a query.
    pub fn query(&mut self, query: &Query, now_ns: u64) {
        self.querier = Some(Querier {
            address: query.querier,
            version: query.version,
            seen_ns: now_ns,
        });
        if query.version == Version::V3 {
            self.robustness = query.robustness.unwrap_or(ROBUSTNESS);
            self.interval_ms = query.interval_ms.unwrap_or(QUERY_INTERVAL_MS);
        }
        let present_ms = u64::from(self.robustness) * self.interval_ms + query.response_ms;
        let until_ns = now_ns.saturating_add(present_ms.saturating_mul(MS));
        match query.version {
            Version::V1 => self.v1_until_ns = until_ns,
            Version::V2 => self.v2_until_ns = until_ns,
            Version::V3 => {}
        }
        self.settle_version(now_ns);
        let at_ns = now_ns.saturating_add(self.random_ms(query.response_ms) * MS);
        if self
            .general_ns
            .is_some_and(|general_ns| general_ns <= at_ns)
        {
            return;
        }
        let Some(group) = query.group else {
            self.general_ns = Some(at_ns);
            return;
        };
        let Some(state) = self.groups.get_mut(&group) else {
            return;
        };
        if !state.filter.is_member() {
            return;
        }
        let asked: BTreeSet<_> = query.sources.iter().copied().collect();
        state.answer = Some(match state.answer.take() {
            None => (at_ns, asked),
            Some((pending_ns, sources)) => {
                let mut all = &sources | &asked;
                // Too many to keep: then the answer is for the whole group, too (§5.2).
                if sources.is_empty() || asked.is_empty() || all.len() > PENDING_SOURCES {
                    all.clear();
                }
                (pending_ns.min(at_ns), all)
            }
        });
    }

    /// When [`Self::turn`] next has something to report.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        let of_groups = self.groups.values().flat_map(|state| {
            let answer = state.answer.as_ref().map(|(at_ns, _)| *at_ns);
            [state.change_ns, answer].into_iter().flatten()
        });
        of_groups.chain(self.general_ns).min()
    }

    /// The reports that are due.
    pub fn turn(&mut self, now_ns: u64) -> Vec<MembershipReport> {
        self.settle_version(now_ns);
        let reports = match self.version {
            Version::V3 => MembershipReport::of_records(self.records(now_ns)),
            older => self.older_reports(older, now_ns),
        };
        self.groups.retain(|_, state| !state.is_over());
        reports
    }

    /// Speaks the oldest version of a present querier. A change of it cancels what is pending
    /// (§7.2.1).
    fn settle_version(&mut self, now_ns: u64) {
        let version = self.version_at(now_ns);
        if mem::replace(&mut self.version, version) == version {
            return;
        }
        self.general_ns = None;
        for state in self.groups.values_mut() {
            state.answer = None;
            // The first transmission of a change is not a retransmission.
            if state.change_ns.is_some_and(|at_ns| at_ns > now_ns) {
                state.mode_changes = 0;
                state.changed.clear();
                state.change_ns = None;
            }
        }
        self.groups.retain(|_, state| !state.is_over());
    }

    fn records(&mut self, now_ns: u64) -> Vec<Record> {
        let is_due = |at_ns: u64| at_ns <= now_ns;
        let mut records = Vec::new();
        let general = self.general_ns.take_if(|at_ns| is_due(*at_ns)).is_some();
        let mut pauses = Vec::new();
        for (group, state) in &mut self.groups {
            if general {
                records.extend(current(*group, &state.filter, &BTreeSet::new()));
            }
            if let Some((_, asked)) = state.answer.take_if(|(at_ns, _)| is_due(*at_ns))
                && !general
            {
                records.extend(current(*group, &state.filter, &asked));
            }
            if state.change_ns.is_some_and(is_due) {
                records.extend(changes(*group, state));
                let rest = state.mode_changes > 0 || !state.changed.is_empty();
                state.change_ns = None;
                if rest {
                    pauses.push(*group);
                }
            }
        }
        self.pause(&pauses, UNSOLICITED_MS, now_ns);
        records
    }

    fn older_reports(&mut self, version: Version, now_ns: u64) -> Vec<MembershipReport> {
        let is_due = |at_ns: u64| at_ns <= now_ns;
        let mut reports = Vec::new();
        let general = self.general_ns.take_if(|at_ns| is_due(*at_ns)).is_some();
        let mut pauses = Vec::new();
        for (group, state) in &mut self.groups {
            let asked = state.answer.take_if(|(at_ns, _)| is_due(*at_ns)).is_some();
            let changed = state.change_ns.take_if(|at_ns| is_due(*at_ns)).is_some();
            if !state.filter.is_member() {
                state.mode_changes = 0;
                state.changed.clear();
                // IGMPv1 has no leave message.
                if changed && version == Version::V2 {
                    reports.push(MembershipReport::of_leave(*group));
                }
                continue;
            }
            if changed {
                count_down(state);
                if state.mode_changes > 0 || !state.changed.is_empty() {
                    pauses.push(*group);
                }
            }
            if general || asked || changed {
                reports.push(MembershipReport::of_member(*group, version));
            }
        }
        self.pause(&pauses, OLDER_UNSOLICITED_MS, now_ns);
        reports
    }

    /// The groups transmit their change again after a random time.
    fn pause(&mut self, groups: &[IpAddr], most_ms: u64, now_ns: u64) {
        for group in groups {
            let pause_ms = self.random_ms(most_ms).max(1);
            if let Some(state) = self.groups.get_mut(group) {
                state.change_ns = Some(now_ns.saturating_add(pause_ms * MS));
            }
        }
    }

    /// 0 to `most` milliseconds, `most` excluded unless it is 0 (xorshift, Marsaglia 2003).
    fn random_ms(&mut self, most: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % most.max(1)
    }
}

/// The record of what is received now, of the asked sources (§5.2).
fn current(group: IpAddr, filter: &Filter, asked: &BTreeSet<IpAddr>) -> Option<Record> {
    let (kind, sources): (_, Vec<_>) = match filter {
        Filter::Include(wanted) if asked.is_empty() => {
            (Kind::IsInclude, wanted.iter().copied().collect())
        }
        Filter::Include(wanted) => (Kind::IsInclude, (wanted & asked).into_iter().collect()),
        Filter::Any if asked.is_empty() => (Kind::IsExclude, Vec::new()),
        Filter::Any => (Kind::IsInclude, asked.iter().copied().collect()),
    };
    let says_something = kind == Kind::IsExclude || !sources.is_empty();
    says_something.then_some(Record {
        kind,
        group,
        sources,
    })
}

/// The records of the next transmission of a change (§5.1).
fn changes(group: IpAddr, state: &mut Group) -> Vec<Record> {
    let record = |kind, sources| Record {
        kind,
        group,
        sources,
    };
    let mut records = Vec::new();
    if state.mode_changes > 0 {
        records.push(match &state.filter {
            Filter::Any => record(Kind::ToExclude, Vec::new()),
            Filter::Include(wanted) => record(Kind::ToInclude, wanted.iter().copied().collect()),
        });
    } else if let Filter::Include(wanted) = &state.filter {
        let (allowed, blocked): (Vec<_>, Vec<_>) = state
            .changed
            .keys()
            .copied()
            .partition(|source| wanted.contains(source));
        let both = [(Kind::Allow, allowed), (Kind::Block, blocked)];
        let both = both.into_iter().filter(|(_, sources)| !sources.is_empty());
        records.extend(both.map(|(kind, sources)| record(kind, sources)));
    }
    count_down(state);
    records
}

/// One transmission of a change less.
fn count_down(state: &mut Group) {
    if state.mode_changes > 0 {
        state.mode_changes -= 1;
        return;
    }
    state.changed.retain(|_, left| {
        *left -= 1;
        *left > 0
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_about_ever_more_sources_then_whole_group_is_answered() {
        let group = IpAddr::from([239, 1, 2, 3]);
        let mut host = Host::new(1);
        host.set(group, Filter::Any, 0);
        for number in 0..10_000u32 {
            let query = Query {
                querier: [10, 0, 0, 9].into(),
                version: Version::V3,
                group: Some(group),
                sources: [IpAddr::from(number.to_be_bytes())].into_iter().collect(),
                response_ms: 3_000_000,
                robustness: None,
                interval_ms: None,
            };
            host.query(&query, 0);
            let (_, asked) = host.groups[&group].answer.as_ref().unwrap();
            assert!(asked.len() <= PENDING_SOURCES);
        }
        let (_, asked) = host.groups[&group].answer.as_ref().unwrap();
        assert!(asked.is_empty());
    }
}
