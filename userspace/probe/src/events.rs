//! The ring of events: thread exits and execs of clients.
//!
//! Only a hint: when it overran, who waits is read anew from the maps.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use aya::maps::{MapData, RingBuf};
use onair_ebpf::layout::{EVENT_LAST, Event, EventKind, Stat};

use crate::maps::Maps;

/// Something that happened to a registered process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeEvent {
    /// A thread ended, inside a wait or elsewhere. Also told of every thread that an exec ends.
    Exit {
        /// Process, first pid namespace.
        tgid: u32,
        /// Thread, first pid namespace.
        tid: u32,
        /// Process in the daemon's pid namespace; 0 = not visible there.
        ns_tgid: u32,
        /// Thread in the daemon's pid namespace; 0 = not visible there.
        ns_tid: u32,
        /// Thread as gettid() told it.
        own_tid: u32,
        /// Session in which it was blocked; 0 = it was not.
        session: u64,
        /// Attachment through which it was blocked.
        attachment: u64,
        /// No thread of the process is left. Two that end together may both say so.
        last: bool,
    },
    /// The process replaced its image: its attachments are dead although the pid lives.
    Exec {
        /// Process, first pid namespace.
        tgid: u32,
        /// Process in the daemon's pid namespace; 0 = not visible there.
        ns_tgid: u32,
    },
    /// Events were lost: read the sessions anew.
    Overrun {
        /// How many.
        lost: u64,
    },
}

/// The reading end of the ring. Its descriptor is readable when there is something to drain.
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

    /// Takes everything that is there. The kernel wakes the descriptor again only after the ring
    /// was emptied, so this always empties it.
    pub fn drain(&mut self) -> Vec<ProbeEvent> {
        let mut events = Vec::new();
        while let Some(item) = self.ring.next() {
            events.extend(Event::from_slice(&item).as_ref().and_then(decode));
        }
        // After the ring: an overrun found now was before what the next drain finds.
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
