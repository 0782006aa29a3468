//! Blocked callers of a session, as the kernel reports them.

use std::collections::BTreeMap;

use onair_ebpf::layout;
use onair_ebpf::names;
use rustix::time::{ClockId, clock_gettime};

use crate::clients::registry::Registry;
use crate::error::ProbeError;
use crate::programs::maps::Maps;

/// Most reads of a list that differs from the counter, before it is returned unchanged.
const ATTEMPTS: usize = 4;

/// A thread between the two sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Process, first pid namespace.
    pub tgid: u32,
    /// Thread, first pid namespace.
    pub tid: u32,
    /// Process in the daemon's pid namespace; 0 = not visible there.
    pub ns_tgid: u32,
    /// Thread in the daemon's pid namespace; 0 = not visible there.
    pub ns_tid: u32,
    /// Thread, as gettid() returns it; the thread writes it into its slot.
    pub own_tid: u32,
    /// Attachment, as registered.
    pub attachment: u64,
    /// Session.
    pub session: u64,
    /// Start of the wait: CLOCK_MONOTONIC, ns.
    pub since: u64,
    /// Start of the thread, CLOCK_BOOTTIME, ns: distinguishes it from a later one of the same
    /// number.
    pub start_boottime: u64,
    /// Name of the thread.
    pub comm: String,
    /// Inode number of the file that holds the site.
    pub inode: u64,
}

impl From<layout::Waiter> for Waiter {
    fn from(waiter: layout::Waiter) -> Self {
        Self {
            tgid: waiter.tgid,
            tid: waiter.tid,
            ns_tgid: waiter.ns_tgid,
            ns_tid: waiter.ns_tid,
            own_tid: waiter.own_tid,
            attachment: waiter.attachment,
            session: waiter.session,
            since: waiter.since,
            start_boottime: waiter.start_boottime,
            comm: layout::text(&waiter.comm),
            inode: waiter.cookie,
        }
    }
}

/// The probe's reading of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Blocked threads.
    pub blocked: Vec<Waiter>,
    /// Blocked threads missing from the full map: above 0 the list is incomplete.
    pub lost: u64,
    /// The programs' own count. Incremented before a thread is listed and decremented after: never
    /// too low.
    pub counter: u64,
    /// Whether the list was read. It need not be when both counts say zero: that of the session, and those
    /// of its attachments, which the programs keep apart from each other.
    pub listed: bool,
    /// Time of the reading: CLOCK_MONOTONIC, ns.
    pub at: u64,
}

impl Reading {
    /// Without the list.
    fn counted(counter: u64, lost: u64) -> Self {
        Self {
            blocked: Vec::new(),
            lost,
            counter,
            listed: false,
            at: monotonic(),
        }
    }

    /// Users to assume: the maximum of the list with the lost threads, and the counter.
    pub fn users(&self) -> u64 {
        self.counter
            .max(self.blocked.len() as u64)
            .saturating_add(self.lost)
    }
}

/// Reads the counts of each session; of one whose counts contradict each other, only the list tells.
pub(crate) fn counts(
    maps: &Maps,
    registry: &Registry,
    sessions: &[u64],
) -> Result<BTreeMap<u64, Reading>, ProbeError> {
    let mut readings = BTreeMap::new();
    for session in sessions {
        let Some(index) = registry.index_of(*session) else {
            continue;
        };
        let counter = maps
            .blocked(index)
            .map_err(ProbeError::map(names::BLOCKED))?;
        let of_attachments = ProbeError::map(names::ATTACHMENTS);
        if counter > 0 {
            let lost = registry.lost_in(maps, *session).map_err(of_attachments)?;
            readings.insert(*session, Reading::counted(counter, lost));
        } else if registry.is_empty(maps, *session).map_err(of_attachments)? {
            readings.insert(*session, Reading::counted(0, 0));
        }
    }
    Ok(readings)
}

/// Reads each session, with one walk of the list for all of them whose counts are not zero. The list
/// is read again, a few times at most, for the sessions whose counter before and after it does not
/// match.
pub(crate) fn read(
    maps: &Maps,
    registry: &Registry,
    sessions: &[u64],
) -> Result<BTreeMap<u64, Reading>, ProbeError> {
    let index_of = |session: &u64| registry.index_of(*session);
    let counter = |session: &u64| match index_of(session) {
        Some(index) => maps.blocked(index).map_err(ProbeError::map(names::BLOCKED)),
        None => Ok(0),
    };
    let counters = |of: &[u64]| of.iter().map(counter).collect::<Result<Vec<_>, _>>();
    let mut readings = counts(maps, registry, sessions)?;
    readings.retain(|_, it| it.users() == 0);
    let mut left = sessions.to_vec();
    left.retain(|it| !readings.contains_key(it));
    for attempt in 1..=ATTEMPTS {
        if left.is_empty() {
            break;
        }
        let before = counters(&left)?;
        let mut waiters = BTreeMap::<u64, Vec<Waiter>>::new();
        let found = maps.waiters(&left);
        for waiter in found.map_err(ProbeError::map(names::WAITERS))? {
            let of_session = waiters.entry(waiter.session).or_default();
            of_session.push(waiter.into());
        }
        let after = counters(&left)?;
        let mut unsettled = Vec::new();
        for ((session, before), after) in left.into_iter().zip(before).zip(after) {
            let blocked = waiters.remove(&session).unwrap_or_default();
            let is_listed = index_of(&session).is_none() || after == blocked.len() as u64;
            if attempt < ATTEMPTS && !(before == after && is_listed) {
                unsettled.push(session);
                continue;
            }
            let lost = registry.lost_in(maps, session);
            let reading = Reading {
                blocked,
                lost: lost.map_err(ProbeError::map(names::ATTACHMENTS))?,
                counter: before.max(after),
                listed: true,
                at: monotonic(),
            };
            readings.insert(session, reading);
        }
        left = unsettled;
    }
    Ok(readings)
}

/// CLOCK_MONOTONIC in ns, the clock of the BPF program.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}
