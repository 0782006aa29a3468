//! The oracle: knows what is so, and compares it with what the daemon and the clients are told.

mod ends;
mod frames;
mod idle;
mod labels;

use onair_api::SessionState;
use onair_session::Event;

pub(crate) use self::ends::{destroyed, freed, quarantined};
pub(crate) use self::frames::{check_frame, end_of_frames, stamp};
pub(crate) use self::idle::{check_timer, idle};
pub(crate) use self::labels::{check_released, passed};

use crate::ledgers::Ledgers;
use crate::world::{violation, world};

/// After an event: what clients were told in the middle of it is true by now.
pub(crate) fn after() {
    let wrong: Vec<u64> = world(|world| {
        world.is_in_event = false;
        let told = std::mem::take(&mut world.told_stale);
        let wrong = told
            .into_iter()
            .filter(|of| world.clients[*of].is_honest() && !world.is_gone_for(*of));
        wrong.map(|of| world.clients[of].number).collect()
    });
    for number in wrong {
        violation(format!("{number} was told that its session is gone"));
    }
}

/// Before a core gets an event.
pub(crate) fn before(index: usize, event: &Event<Ledgers>) {
    world(|world| {
        world.is_in_event = true;
        let its = world.clients.iter_mut().filter(|it| it.session == index);
        match event {
            Event::Admit(admission) => {
                for client in its.filter(|it| it.number == admission.number) {
                    client.is_attached = true;
                }
            }
            Event::ThreadsEnded { tgid, exits } => {
                for client in its.filter(|it| it.tgid() == *tgid) {
                    let all = client.threads.iter_mut();
                    let told =
                        |task: usize| exits.iter().any(|exit| exit.own_tid as usize == task + 1);
                    all.filter(|it| told(it.task))
                        .for_each(|it| it.is_reported = true);
                }
            }
            Event::ProcessEnded(number) => {
                its.filter(|it| it.number == *number)
                    .for_each(|it| it.is_reaped = true);
            }
            Event::Evict(None, _) | Event::Abort(_) => {
                its.for_each(|it| it.is_evicted |= it.is_attached);
            }
            Event::Evict(Some(number), _)
            | Event::Violated(number)
            | Event::MemoryTouched(number) => {
                let mut its = its;
                if let Some(client) = its.find(|it| it.number == *number) {
                    client.is_evicted = true;
                }
            }
            _ => {}
        }
    });
}

/// A session has stopped: each client's kicks count again.
pub(crate) fn stopped(index: usize) {
    world(|world| {
        let its = world.clients.iter_mut().filter(|it| it.session == index);
        its.for_each(|it| it.kicks = 0);
    });
}

/// The state of a session, after an event.
pub(crate) fn state(index: usize, state: SessionState) {
    world(|world| {
        let session = &mut world.sessions[index];
        session.is_quarantined |= state == SessionState::Quarantined;
        session.is_draining = matches!(state, SessionState::Draining | SessionState::Quarantined);
    });
}

/// A client did not fit in.
pub(crate) fn not_admitted(index: usize, why: &str) {
    violation(format!("session {index}: not admitted: {why}"));
}

/// A client is not let in.
pub(crate) fn refused(number: u64) {
    world(|world| {
        let mut clients = world.clients.iter_mut();
        if let Some(client) = clients.find(|it| it.number == number) {
            client.is_refused = true;
        }
    });
}
