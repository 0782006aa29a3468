//! A caller that sleeps when its session is stopped is told so, and the daemon wakes few.

use onair_api::SessionState;
use onair_ipc::caller::Refusal;
use onair_ipc::event::{Event, EventKind};
use onair_ipc::gate::is_open;
use onair_sim_kernel::{TaskId, current, sleepers};

use crate::world::{Call, World, violation, world};

/// Sleepers that the daemon may wake for one reason.
const MOST: usize = 64;

/// The running task wakes these sleepers of a futex, of at most `most`.
pub(crate) fn woken(most: usize, tasks: &[TaskId]) {
    let me = current();
    let is_too_many = world(|world| {
        let is_control = me == world.control;
        for task in tasks {
            let Some(&of) = world.of_task.get(task) else {
                continue;
            };
            let client = &world.clients[of];
            let is_stop = is_control && world.sessions[client.session].is_closing;
            // Of two that stop it, one may start it again in between.
            let is_own = client.stoppers.contains(&me) && client.is_stopped_once;
            if is_stop || is_own {
                slept(world, of, *task);
            }
        }
        let is_daemon = is_control || world.sessions.iter().any(|it| it.poller == me);
        is_daemon && most > MOST
    });
    if is_too_many {
        violation(format!("the daemon wakes up to {most} sleepers at once"));
    }
}

fn slept(world: &mut World, of: usize, task: TaskId) {
    let mut threads = world.clients[of].threads.iter_mut();
    if let Some(thread) = threads.find(|it| it.task == task) {
        thread.slept_at_stop |= matches!(thread.call, Call::Get | Call::PollEvent);
    }
}

/// The gate of a session has been closed: those that sleep behind it.
pub(crate) fn closed(index: usize) {
    world(|world| {
        world.sessions[index].is_closing = false;
        for (task, _) in sleepers() {
            let Some(&of) = world.of_task.get(&task) else {
                continue;
            };
            let client = &world.clients[of];
            if client.session == index && !is_open(client.gate()) {
                slept(world, of, task);
            }
        }
    });
}

/// A call of the running task returns.
pub(crate) fn returned(of: usize, kind: Call, refusal: Option<Refusal>) {
    let wrong = world(|world| {
        let client = &mut world.clients[of];
        let mut threads = client.threads.iter_mut();
        let thread = threads.find(|it| it.task == current())?;
        let slept = std::mem::take(&mut thread.slept_at_stop);
        let is_told = matches!(refusal, Some(Refusal::Again | Refusal::Stale))
            || kind == Call::PollEvent && refusal.is_none() && world.is_ending;
        (slept && !is_told && client.is_honest()).then_some(client.number)
    });
    if let Some(number) = wrong {
        violation(format!(
            "{kind:?} of {number} slept when it was stopped, and ends with {refusal:?}"
        ));
    }
}

/// A session has started.
pub(crate) fn started(index: usize) {
    let is_unwanted = world(|world| {
        let session = &mut world.sessions[index];
        session.has_run = true;
        session.is_unwanted
    });
    if is_unwanted {
        violation(format!(
            "session {index}: started although it was stopped since"
        ));
    }
}

/// The state of a session, after an event.
pub(crate) fn state(index: usize, state: SessionState) {
    world(|world| {
        let session = &mut world.sessions[index];
        session.is_quarantined |= state == SessionState::Quarantined;
        session.is_draining = matches!(state, SessionState::Draining | SessionState::Quarantined);
    });
}

/// A thread that asked for events has one, or a refusal. `told`: its process had been told that the daemon
/// exits as the thread began to ask. No refusal comes before that event.
pub(crate) fn polled(of: usize, told: bool, event: &Result<Event, Refusal>) {
    let wrong = world(|world| {
        let client = &mut world.clients[of];
        match event {
            Ok(event) => {
                client.knows_exit |= event.kind == EventKind::Draining;
                None
            }
            Err(Refusal::Again | Refusal::Stale) => {
                // Another thread may have taken it, and has not said so yet.
                let mut threads = client.threads.iter();
                let is_left = client.detaches
                    || client.has_left
                    || client.has_dead_thread()
                    || threads.any(|it| it.call == Call::PollEvent);
                let is_wrong = told && client.is_told && !client.knows_exit && !is_left;
                (is_wrong && client.is_honest()).then_some(client.number)
            }
            Err(_) => None,
        }
    });
    if let Some(number) = wrong {
        violation(format!("{number} is refused, and never heard of the exit"));
    }
}
