//! A core's view of the world: the virtual clock, and the kernel's answers.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use onair_api::SessionId;
use onair_session::{Facts, PollerFact};
use onair_sim_kernel::{mappings, now_ns};

use super::seen::{Played, Seen};
use crate::world::{self, id, world};

/// The instant of the clock's zero.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// The instant of a virtual time.
pub(super) fn instant(ns: u64) -> Instant {
    epoch() + Duration::from_nanos(ns)
}

/// The virtual time of an instant, ns.
pub(super) fn ns(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(epoch()).as_nanos()).unwrap_or(u64::MAX)
}

/// One session's view.
pub(super) struct Kernel(usize);

/// The view of session `index`.
pub(super) fn view(index: usize) -> Seen<Kernel> {
    Seen(Kernel(index))
}

/// Facts for an event of session `index`.
pub(super) fn facts(index: usize) -> Facts {
    Facts {
        sent_and_dropped: world(|world| world.sessions[index].sent_and_dropped),
        poller: match world(|world| world.sessions[index].is_poller_dead) {
            true => PollerFact::Died("its poller died".to_owned()),
            false => PollerFact::Works,
        },
        ..view(index).facts()
    }
}

/// The index of the session with this id.
pub(super) fn index_of(id: SessionId) -> usize {
    usize::try_from(id.0 - world::id(0).0).expect("few sessions")
}

impl Played for Kernel {
    fn now(&self) -> Instant {
        instant(now_ns())
    }

    fn asleep(&self, session: SessionId) -> Vec<u64> {
        world(|world| {
            let clients = world.clients.iter();
            let its = clients.filter(|it| id(it.session) == session && !it.is_dead());
            let watched = its.filter(|it| it.plan.is_watched);
            watched
                .flat_map(|it| it.inside.iter().map(|_| it.number))
                .collect()
        })
    }

    fn session(&self) -> SessionId {
        id(self.0)
    }

    fn is_gone(&self, attachment: u64) -> bool {
        world(|world| {
            let mut clients = world.clients.iter();
            let client = clients.find(|it| it.number == attachment);
            client.is_none_or(|it| it.is_dead() || mappings(it.file) <= 1)
        })
    }

    fn is_ending(&self, pid: u32) -> bool {
        world(|world| {
            let mut clients = world.clients.iter();
            let client = clients.find(|it| it.tgid() == pid);
            client.is_some_and(|it| it.is_dead())
        })
    }

    fn left_behind(&self) -> u64 {
        let left = world(|world| world.sessions[self.0].given_back.clone());
        left.iter().filter(|number| !self.is_gone(**number)).count() as u64
    }
}
