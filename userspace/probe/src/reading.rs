//! Blocked callers of a session, as the kernel reports them.

use onair_ebpf::layout;
use onair_ebpf::names;
use rustix::time::{ClockId, clock_gettime};

use crate::error::ProbeError;
use crate::maps::Maps;
use crate::registry::Registry;

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
    /// Time of the reading: CLOCK_MONOTONIC, ns.
    pub at: u64,
}

impl Reading {
    /// Users to assume: the maximum of the list with the lost threads, and the counter.
    pub fn users(&self) -> u64 {
        self.counter
            .max(self.blocked.len() as u64)
            .saturating_add(self.lost)
    }
}

/// Reads the list until the counter before and after it matches, a few times at most.
pub(crate) fn read(maps: &Maps, registry: &Registry, session: u64) -> Result<Reading, ProbeError> {
    let index = registry.index_of(session);
    let counter = || match index {
        Some(index) => maps.blocked(index).map_err(ProbeError::map(names::BLOCKED)),
        None => Ok(0),
    };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let before = counter()?;
        let blocked: Vec<Waiter> = maps
            .waiters()
            .map_err(ProbeError::map(names::WAITERS))?
            .into_iter()
            .filter(|waiter| waiter.session == session)
            .map(Waiter::from)
            .collect();
        let after = counter()?;
        let settled = before == after && (index.is_none() || after == blocked.len() as u64);
        if settled || attempt == ATTEMPTS {
            let lost = registry
                .lost_in(maps, session)
                .map_err(ProbeError::map(names::ATTACHMENTS))?;
            return Ok(Reading {
                blocked,
                lost,
                counter: before.max(after),
                at: monotonic(),
            });
        }
    }
}

/// CLOCK_MONOTONIC in ns, the clock of the BPF program.
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}
