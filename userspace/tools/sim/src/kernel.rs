//! The machine's kernel: ends threads and processes, and reports it, late, twice or never.

use std::sync::Arc;

use onair_ipc::life::daemon_dies;
use onair_session::{Event, Exit};
use onair_sim_kernel::{
    Mortal, TaskId, below, chance, current, now_ns, park, sleep, spawn, unpark,
};

use crate::mail::{Channel, Message};
use crate::plan::Death;
use crate::world::{Client, trace, world};

/// The period of the daemon's own look for dead threads, ns.
const PERIOD: u64 = 1_000_000_000;

/// Sends the control thread a message that takes at most `delay`.
pub(crate) fn post(channel: Channel, delay: u64, message: Message) {
    world(|world| {
        world.mail.send(channel, delay, message);
        unpark(world.control);
    });
}

/// Sends the control thread a message that takes exactly so long.
pub(crate) fn post_after(ns: u64, message: Message) {
    world(|world| {
        world.mail.send_after(ns, message);
        unpark(world.control);
    });
}

/// A caller kicks on this descriptor.
pub(crate) fn kicked(socket: i32) {
    let found = world(|world| {
        let mut clients = world.clients.iter_mut().enumerate();
        let (of, client) = clients.find(|(_, it)| it.socket == socket)?;
        (!client.hung_up).then_some((of, client.session, client.number, world.plan.delay / 8))
    });
    if let Some((of, session, number, delay)) = found {
        let event = Event::Kicked(number);
        post(Channel::Socket(of), delay, Message::Core(session, event));
    }
}

/// Ends `count` threads of a client, the first of them by its place.
pub(crate) fn kill_threads(of: usize, which: usize, count: usize) {
    let tasks: Vec<TaskId> = world(|world| {
        let threads = &world.clients[of].threads;
        let places = (0..threads.len().min(count)).map(|at| (which + at) % threads.len());
        places.map(|at| threads[at].task).collect()
    });
    kill_tasks(of, &tasks);
}

/// A thread of which a helper is about to find out whether it lives may die meanwhile.
pub(crate) fn ask_of(number: u64, threads: impl Iterator<Item = u32>) {
    let threads: Vec<TaskId> = threads
        .filter_map(|it| Some(it as usize).filter(|it| *it > 0))
        .map(|it| it - 1)
        .collect();
    let (of, delay) = world(|world| {
        let dies = world.plan.adversity.dies_when_asked && !threads.is_empty();
        let mut clients = world.clients.iter();
        let of = clients.position(|it| it.number == number && it.is_honest());
        (of.filter(|_| dies), world.plan.delay)
    });
    if let Some(of) = of.filter(|_| chance(1, 2)) {
        let task = threads[below(threads.len())];
        spawn(vec![], move || {
            sleep(below(usize::try_from(delay).unwrap_or(0) + 1) as u64);
            kill_tasks(of, &[task]);
        });
    }
}

fn kill_tasks(of: usize, tasks: &[TaskId]) {
    let killed: Vec<(TaskId, Mortal)> = world(|world| {
        let client = &mut world.clients[of];
        if client.is_dead() {
            return Vec::new();
        }
        let threads = client.threads.iter();
        let threads = threads.filter(|it| tasks.contains(&it.task) && !it.mortal.is_dead());
        let killed = threads.map(|it| (it.task, it.mortal.clone())).collect();
        client.inside.retain(|it| !tasks.contains(it));
        killed
    });
    for (task, mortal) in &killed {
        trace(|| format!("thread {} dies", task + 1));
        mortal.kill();
    }
    let killed: Vec<TaskId> = killed.into_iter().map(|it| it.0).collect();
    if !killed.is_empty() {
        report(of, &killed);
    }
}

/// The running task passes the label of the plan's death. Its process dies there, or the thread alone.
pub(crate) fn die(death: Death) {
    let me = current();
    let of = world(|world| {
        let of = world.of_task.get(&me).copied();
        let of = of.filter(|of| world.clients[*of].is_attached && world.passes > 0)?;
        world.passes -= 1;
        if world.passes > 0 || world.deaths == 0 {
            return None;
        }
        world.deaths -= 1;
        world.passes = if world.deaths > 0 { death.pass } else { 0 };
        Some(of)
    });
    let Some(of) = of else {
        return;
    };
    world(|world| world.died_at = Some(death.label));
    trace(|| format!("task {me} dies at {}", death.label));
    spawn(vec![], move || match death.is_of_process {
        true => kill_process(of),
        false => kill_tasks(of, &[me]),
    });
    park(u64::MAX);
}

/// The probe reports the ends of threads.
fn report(of: usize, tasks: &[usize]) {
    let (session, tgid, is_seen, delay) = world(|world| {
        let is_lost = now_ns() < world.loses_until;
        let client = &mut world.clients[of];
        let is_seen = client.plan.is_watched && !is_lost;
        client.lost_events |= !is_seen;
        (client.session, client.tgid(), is_seen, world.plan.delay)
    });
    if !is_seen {
        let event = Event::LookForDead { all: true };
        return post_after(PERIOD, Message::Core(session, event));
    }
    let exits = || {
        let exit = |task: &usize| {
            let tid = u32::try_from(task + 1).unwrap_or(0);
            Exit { own_tid: tid, tid }
        };
        tasks.iter().map(exit).collect()
    };
    for _ in 0..1 + usize::from(chance(1, 8)) {
        let event = Event::ThreadsEnded {
            tgid,
            exits: exits(),
        };
        post(Channel::Probe, delay, Message::Core(session, event));
    }
}

/// Ends a client's process.
pub(crate) fn kill_process(of: usize) {
    let killed = world(|world| {
        let client = &mut world.clients[of];
        if client.is_dead() {
            return None;
        }
        client.inside.clear();
        client.holding.clear();
        let tasks = client.threads.iter().filter(|it| !it.mortal.is_dead());
        let tasks: Vec<usize> = tasks.map(|it| it.task).collect();
        Some((client.mortal.clone(), tasks, client.number))
    });
    let Some((mortal, tasks, number)) = killed else {
        return;
    };
    trace(|| format!("process {number} dies"));
    mortal.kill();
    if world(|world| world.clients[of].is_attached) {
        report_process(of, &tasks);
    }
}

/// The kernel reports the end of a process to the daemon.
fn report_process(of: usize, tasks: &[TaskId]) {
    report(of, tasks);
    hang_up(of);
    let (session, number, delay) = world(|world| {
        let client = &world.clients[of];
        (client.session, client.number, world.plan.delay)
    });
    let ended = Message::Core(session, Event::ProcessEnded(number));
    post(Channel::Process(of), delay, ended);
}

/// A client is let in. Its process may have ended while its request was on its way.
pub(crate) fn let_in(number: u64) {
    let ended = world(|world| {
        let mut clients = world.clients.iter_mut();
        let of = clients.position(|it| it.number == number)?;
        world.clients[of].is_let_in = true;
        if !world.clients[of].is_dead() {
            return None;
        }
        let threads = world.clients[of].threads.iter();
        Some((of, threads.map(|it| it.task).collect::<Vec<_>>()))
    });
    if let Some((of, tasks)) = ended {
        report_process(of, &tasks);
    }
}

/// Ends the daemon: the kernel marks each attachment's life word, and wakes one of its sleepers.
pub(crate) fn kill_daemon() {
    let (mortal, memories) = world(|world| {
        world.is_daemon_dead = true;
        world.sessions.iter_mut().for_each(|it| it.is_over = true);
        let memories = world.clients.iter().map(|it| Arc::clone(&it.memory));
        (world.daemon.clone(), memories.collect::<Vec<_>>())
    });
    trace(|| "the daemon dies".into());
    mortal.kill();
    memories.iter().for_each(|memory| daemon_dies(memory));
    crate::requests::clear();
}

/// The daemon exits by itself, and has told its clients. Called in its control thread.
pub(crate) fn exit_daemon() {
    world(|world| {
        world.is_daemon_dead = true;
        world.sessions.iter_mut().for_each(|it| it.is_over = true);
        world.sessions.iter().for_each(|it| unpark(it.poller));
    });
    crate::requests::clear();
}

/// A client's connection closes.
pub(crate) fn hang_up(of: usize) {
    let told = world(|world| {
        let client: &mut Client = &mut world.clients[of];
        let is_new = client.is_attached && !std::mem::replace(&mut client.hung_up, true);
        is_new.then_some((client.session, client.number, world.plan.delay / 8))
    });
    if let Some((session, number, delay)) = told {
        let event = Event::HungUp(number);
        post(Channel::Socket(of), delay, Message::Core(session, event));
    }
}
