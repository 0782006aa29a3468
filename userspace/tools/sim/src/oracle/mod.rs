//! The oracle: knows what is so, and compares it with what the daemon and the clients are told.

mod ends;
mod exit;
mod frames;
mod idle;
mod sending;
mod stops;

use onair_ipc::gate::is_open;
use onair_session::Event;
use onair_sim_kernel::{current, has_weak_memory, mappings};

use crate::runtime::PlayedRuntime;
use crate::world::{violation, world};

pub(crate) use self::ends::{answered, destroyed, freed, quarantined};
pub(crate) use self::exit::{
    ended_as, ended_in_turn, exit_begins, exit_forced, exit_step, no_exit, ready,
};
pub(crate) use self::frames::{
    begin_stamp, check_frame, check_kept, credited, end_of_frames, end_stamp, right, stamp,
};
pub(crate) use self::idle::{
    calls_if_empty, check_timer, examined, idle, leave_nothing, left, noted, ticked, waits,
};
pub(crate) use self::sending::{
    fill, fill_half, flush_asked, flush_begins, flushed, new_stamp, note_fates, submitted,
};
pub(crate) use self::stops::{
    announcing, closed, ended_in_parts, is_closed_for_good, polled, refused_for_good, returned,
    started, state, woken,
};

/// After an event: what clients were told in the middle of it is true by now.
pub(crate) fn after() {
    let wrong: Vec<u64> = world(|world| {
        world.is_in_event = false;
        world.clients.iter_mut().for_each(|it| it.new_kicks = 0);
        let told = std::mem::take(&mut world.told_stale);
        let wrong = told
            .into_iter()
            .filter(|of| world.clients[*of].is_honest() && !world.is_gone_for(*of));
        wrong.map(|of| world.clients[of].number).collect()
    });
    for number in wrong {
        violation(format!("{number} was told that its session is gone"));
    }
    let kept: Vec<u64> = world(|world| {
        let evicted = std::mem::take(&mut world.evicted);
        let kept = world.clients.iter().filter(|it| !it.is_withdrawn);
        kept.map(|it| it.number)
            .filter(|it| evicted.contains(it))
            .collect()
    });
    for number in kept {
        violation(format!("{number} is evicted, and its poller is not told"));
    }
}

/// A client is evicted. The poller that has its ledger is told in the same event.
pub(crate) fn evicted(index: usize, number: u64) {
    world(|world| {
        if world.sessions[index].is_runtime_out {
            world.evicted.push(number);
        }
        let mut clients = world.clients.iter_mut();
        if let Some(client) = clients.find(|it| it.number == number) {
            client.is_closed_for_good |= client.was_open;
            client.is_evicted = true;
        }
    });
}

/// Before a core gets an event.
pub(crate) fn before(index: usize, event: &Event<PlayedRuntime>) {
    if let Event::Flush(_, ticket) = event {
        flush_asked(index, ticket);
    }
    let mut violations = Vec::new();
    world(|world| {
        world.is_in_event = true;
        let session = &mut world.sessions[index];
        let all = world.clients.iter_mut().filter(|it| it.session == index);
        all.for_each(|it| it.was_open = is_open(it.gate()));
        match event {
            Event::Stop => {
                session.has_stopped = true;
                session.is_closing = true;
                session.is_unwanted = true;
            }
            Event::Start(_) => session.is_unwanted = false,
            Event::HandedBack(_) => {
                session.is_runtime_out = false;
                session.has_stopped = true;
            }
            _ => {}
        }
        let its = world.clients.iter_mut().filter(|it| it.session == index);
        match event {
            Event::Stop => its.for_each(|it| it.stops += 1),
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
            Event::Kicked(number) => {
                its.filter(|it| it.number == *number)
                    .for_each(|it| it.kicks += 1);
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
            Event::Evicted(evicted) if evicted.lender.loaned() > 0 => {
                let number = evicted.lender.attachment();
                violations.push(format!("{number} is evicted, and has frames on loan"));
            }
            _ => {}
        }
    });
    violations.into_iter().for_each(violation);
}

/// A session has stopped: each client's kicks count again.
pub(crate) fn stopped(index: usize) {
    world(|world| {
        let its = world.clients.iter_mut().filter(|it| it.session == index);
        its.for_each(|it| it.kicks = 0);
    });
}

/// The client of this attachment was told that the daemon exits. In a weak memory a caller whose gate was
/// closed before may see that later.
pub(crate) fn announced(number: u64) {
    world(|world| {
        let mut clients = world.clients.iter_mut();
        if let Some(client) = clients.find(|it| it.number == number) {
            let is_closed = !is_open(client.gate()) || client.pauses > 0;
            client.is_told = !(is_closed && has_weak_memory());
        }
    });
}

/// The poller is told to remove a client.
pub(crate) fn withdrawn(number: u64) {
    world(|world| {
        let mut clients = world.clients.iter_mut();
        if let Some(client) = clients.find(|it| it.number == number) {
            client.is_withdrawn = true;
        }
    });
}

/// The runtime is with its session, and no ledger of attachment `missing` is in it. It may be on its way.
pub(crate) fn has_ledgers(index: usize, missing: Option<u64>) {
    if let Some(number) = missing
        && world(|world| world.mail.is_empty())
    {
        violation(format!("session {index}: the ledger of {number} is lost"));
    }
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

/// The running task passes a label of a call.
pub(crate) fn passed(name: &'static str) {
    match name {
        "wait.before_begin" => enter(),
        "wait.ended" => {
            world(|world| {
                let task = current();
                if let Some(&of) = world.of_task.get(&task) {
                    world.clients[of].inside.remove(&task);
                }
            });
        }
        "call.begun" => world(|world| {
            if let Some(&of) = world.of_task.get(&current()) {
                world.sessions[world.clients[of].session].calls += 1;
            }
        }),
        "put.begun" => world(|world| {
            if let Some(&of) = world.of_task.get(&current()) {
                world.clients[of].puts += 1;
            }
        }),
        "kick.taken" => kicks(),
        "leave.frames_gone" => released(false),
        "leave.seg_gone" => released(true),
        _ => {}
    }
}

/// It has taken the request for a kick. The control thread makes the next one as it handles an event.
fn kicks() {
    let twice = world(|world| {
        let &of = world.of_task.get(&current())?;
        let client = &mut world.clients[of];
        client.new_kicks += u32::from(!world.is_in_event);
        (client.new_kicks > 1 && client.is_honest()).then_some(client.number)
    });
    if let Some(number) = twice {
        violation(format!("{number} kicks twice for one request"));
    }
}

/// The process has released its frames, and then its words.
fn released(is_all: bool) {
    let wrong = world(|world| {
        let &of = world.of_task.get(&current())?;
        let client = &mut world.clients[of];
        let has_words = mappings(client.file) > 1;
        let is_twice = is_all && std::mem::replace(&mut client.is_released, true);
        let is_wrong = is_twice || !is_all && !has_words && !client.is_released;
        (is_wrong && client.is_honest()).then_some(client.number)
    });
    if let Some(number) = wrong {
        violation(format!(
            "{number} releases its words before its frames, or twice"
        ));
    }
}

/// The life is over: a process whose threads have all left has released the memory.
pub(crate) fn check_released() {
    let kept = world(|world| {
        let clients = world
            .clients
            .iter()
            .filter(|it| it.is_honest() && !it.is_dead() && it.has_left && !it.has_dead_thread());
        let kept = clients.filter(|it| !it.is_released);
        kept.map(|it| it.number).collect::<Vec<_>>()
    });
    for number in kept {
        violation(format!("{number} has left, and never releases the memory"));
    }
}

/// It is past the gates, and will sleep.
fn enter() {
    let wrong = world(|world| {
        let task = current();
        let &of = world.of_task.get(&task)?;
        let client = &mut world.clients[of];
        client.inside.insert(task);
        let is_over = world.sessions[client.session].is_over && !world.is_daemon_dead;
        (is_over && client.is_honest() && !client.is_evicted).then_some(client.number)
    });
    if let Some(number) = wrong {
        violation(format!(
            "a caller of {number} is past the gates of a session that has ended"
        ));
    }
}
