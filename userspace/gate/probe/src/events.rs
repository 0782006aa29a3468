//! The ring of events: thread exits and execs of clients.
//!
//! Only a hint: after an overrun the reader reads the blocked callers again from the maps.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use aya::maps::{MapData, RingBuf};
use onair_ebpf::layout::{EVENT_LAST, Event, EventKind, Stat};

use crate::programs::maps::Maps;

/// An event of a registered process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeEvent {
    /// A thread ended, inside a wait or elsewhere. Also sent for every thread that an exec ends.
    Exit {
        /// Process, first pid namespace.
        tgid: u32,
        /// Thread, first pid namespace.
        tid: u32,
        /// Process in the daemon's pid namespace; 0 = not visible there.
        ns_tgid: u32,
        /// Thread in the daemon's pid namespace; 0 = not visible there.
        ns_tid: u32,
        /// Thread, as gettid() returned it.
        own_tid: u32,
        /// Session in which it was blocked; 0: none.
        session: u64,
        /// Attachment through which it was blocked.
        attachment: u64,
        /// No thread of the process is left. Two threads that end together may both report it.
        last: bool,
    },
    /// The process replaced its image: its attachments are dead although the pid lives.
    Exec {
        /// Process, first pid namespace.
        tgid: u32,
        /// Process in the daemon's pid namespace; 0 = not visible there.
        ns_tgid: u32,
    },
    /// The ring overflowed: read the sessions again.
    Overrun {
        /// Number of lost events.
        lost: u64,
    },
}

/// The reading end of the ring. Its descriptor is readable when the ring has events.
pub struct Events {
    ring: RingBuf<MapData>,
    maps: Arc<Maps>,
    overruns: u64,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    pub(crate) fn new(ring: RingBuf<MapData>, maps: Arc<Maps>) -> Self {
        Self {
            ring,
            maps,
            overruns: 0,
        }
    }

    /// Takes all events. The kernel wakes the descriptor again only after the ring was emptied, so
    /// this always empties it.
    pub fn drain(&mut self) -> Vec<ProbeEvent> {
        let mut events = Vec::new();
        while let Some(item) = self.ring.next() {
            events.extend(Event::from_slice(&item).as_ref().and_then(decode));
        }
        // After the ring: an overrun found now happened before the events of the next drain.
        if let Ok(overruns) = self.maps.stat(Stat::RingFull)
            && overruns > self.overruns
        {
            events.push(ProbeEvent::Overrun {
                lost: overruns - self.overruns,
            });
            self.overruns = overruns;
        }
        events
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

fn decode(event: &Event) -> Option<ProbeEvent> {
    match EventKind::of(event.kind)? {
        EventKind::Exit => Some(ProbeEvent::Exit {
            tgid: event.tgid,
            tid: event.tid,
            ns_tgid: event.ns_tgid,
            ns_tid: event.ns_tid,
            own_tid: event.own_tid,
            session: event.session,
            attachment: event.attachment,
            last: event.flags & EVENT_LAST != 0,
        }),
        EventKind::Exec => Some(ProbeEvent::Exec {
            tgid: event.tgid,
            ns_tgid: event.ns_tgid,
        }),
    }
}
