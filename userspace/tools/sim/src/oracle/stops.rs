//! A caller that sleeps when its session is stopped is told so, and the daemon wakes few.

use onair_api::SessionState;
use onair_ipc::caller::Refusal;
use onair_ipc::event::{Event, EventKind};
use onair_ipc::gate::is_open;
use onair_sim_kernel::{TaskId, current, has_weak_memory, sleepers};

use crate::world::{Call, Client, Thread, World, violation, world};

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
    let client = &mut world.clients[of];
    let mut threads = client.threads.iter_mut();
    let thread = threads.find(|it| it.task == task && it.call.is_stoppable());
    if let Some(thread) = thread {
        thread.slept_at_stop.get_or_insert(client.stops);
    }
}

/// A caller that slept at a stop returns because of it: it has woken all others that slept then. Returns one that
/// still sleeps.
fn is_left_asleep(client: &Client, kind: Call, stop: u64) -> Option<TaskId> {
    let asleep = sleepers();
    let is_asleep = |it: &&Thread| asleep.iter().any(|(task, _)| *task == it.task);
    let slept =
        |it: &&Thread| it.call.sleeps_beside(kind) && it.slept_at_stop.is_some_and(|at| at <= stop);
    client
        .threads
        .iter()
        .filter(slept)
        .find(is_asleep)
        .map(|it| it.task)
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
        let stop = std::mem::take(&mut thread.slept_at_stop);
        let is_passed = matches!(refusal, None | Some(Refusal::TimedOut));
        thread.has_passed |= is_passed && kind != Call::WaitStarted && !world.is_ending;
        let is_told = matches!(refusal, Some(Refusal::Again | Refusal::Stale))
            || kind == Call::PollEvent && refusal.is_none() && world.is_ending;
        let (stop, number) = (stop.filter(|_| client.is_honest())?, client.number);
        if !is_told {
            return Some(format!(
                "{kind:?} of {number} slept when it was stopped, and ends with {refusal:?}"
            ));
        }
        let left =
            is_left_asleep(client, kind, stop).filter(|_| refusal == Some(Refusal::Again))?;
        Some(format!(
            "{kind:?} of {number} leaves task {left} asleep, which a stop has ended"
        ))
    });
    wrong.into_iter().for_each(violation);
}

/// Whether the running task's client was evicted while its gate was open, and nothing else has closed it. In a
/// weak memory a thread that has not passed the gate may see it as it was before.
pub(crate) fn is_closed_for_good(of: usize) -> bool {
    world(|world| {
        let client = &world.clients[of];
        let mut threads = client.threads.iter().filter(|it| it.task == current());
        let has_passed = threads.any(|it| it.has_passed);
        let has_stopped = world.sessions[client.session].has_stopped;
        let may_be_old = has_weak_memory() && (has_stopped || !has_passed);
        client.is_closed_for_good && client.is_honest() && !client.has_paused && !may_be_old
    })
}

/// A call that such a client began after that ends.
pub(crate) fn refused_for_good(of: usize, refusal: Option<Refusal>) {
    let (number, has_paused) =
        world(|world| (world.clients[of].number, world.clients[of].has_paused));
    if refusal == Some(Refusal::Again) && !has_paused {
        violation(format!("{number} is evicted, and told to wait for a start"));
    }
}

/// A call in parts ends. `has_moved`: the gate is another than after its first part.
pub(crate) fn ended_in_parts(of: usize, has_moved: bool, result: &Result<Event, Refusal>) {
    let is_told = match result {
        Ok(_) => world(|world| world.is_ending),
        Err(refusal) => matches!(refusal, Refusal::Again | Refusal::Stale),
    };
    let (number, is_honest) =
        world(|world| (world.clients[of].number, world.clients[of].is_honest()));
    if has_moved && !is_told && is_honest && !has_weak_memory() {
        violation(format!(
            "a stop between two parts of a call of {number}, which ends with {result:?}"
        ));
    }
}

/// The client of this attachment is about to be told that the daemon exits: its sleepers hear of it.
pub(crate) fn announcing(number: u64) {
    world(|world| {
        let asleep = sleepers();
        let mut clients = world.clients.iter_mut();
        if let Some(client) = clients.find(|it| it.number == number) {
            let threads = client.threads.iter_mut();
            let polls = threads.filter(|it| it.call == Call::PollEvent);
            let slept = polls.filter(|it| asleep.iter().any(|(task, _)| *task == it.task));
            slept.for_each(|it| it.slept_at_exit = true);
        }
    });
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
        let mut threads = client.threads.iter_mut();
        let me = threads.find(|it| it.task == current());
        let told = me.is_some_and(|it| std::mem::take(&mut it.slept_at_exit)) || told;
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
                    || threads.any(|it| it.polls);
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
