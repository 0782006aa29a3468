//! The operator: does the plan's deeds, then ends every session.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use onair_api::Operation;
use onair_ipc::layout::OWN_SLOTS;
use onair_session::{Event, EvictionTicket};
use onair_sim_kernel::{below, now_ns, signal, sleep, unpark};

use crate::client;
use crate::daemon::{request, who};
use crate::kernel::{hang_up, kill_daemon, kill_process, kill_threads, post, post_after};
use crate::mail::{Channel, Message};
use crate::plan::{Deed, DeedKind, End, Manners};
use crate::requests;
use crate::runtime::PlayedRuntime;
use crate::world::{trace, violation, world};

/// Virtual time in which each session ends once no user is left, ns.
const LONGEST: u64 = 5_000_000_000;
/// Pause between two looks at the end, ns.
const PAUSE: u64 = 20_000_000;

fn ask(session: usize, event: Event<PlayedRuntime>) {
    post(Channel::Requests, 0, Message::Core(session, event));
}

/// The operator's whole work.
pub(crate) fn operate() {
    let plan = world(|world| Rc::clone(&world.plan));
    let mut of = 0;
    for (session, its) in plan.sessions.iter().enumerate() {
        for client in &its.clients {
            if !client.comes_later {
                client::attach(of);
            }
            of += 1;
        }
        start(session);
    }
    let (early, late) = plan
        .deeds
        .split_at(plan.deeds.len().saturating_sub(plan.late));
    act_all(early);
    sleep(below(500_000) as u64);
    if let End::Shutdown {
        remedy,
        grace,
        forced_after,
    } = plan.end
        && !world(|world| world.is_daemon_dead)
    {
        post(Channel::Signals, 0, Message::Exit(remedy, grace));
        if let Some(after) = forced_after {
            post_after(after, Message::ExitNow);
        }
    }
    if plan.end == End::OneByOne && !late.is_empty() {
        (0..plan.sessions.len()).for_each(|session| end(session, plan.in_turn));
    }
    act_all(late);
    end_all();
}

fn act_all(deeds: &[Deed]) {
    for deed in deeds {
        sleep(deed.after);
        trace(|| format!("{:?} of session {}", deed.kind, deed.session));
        act(deed);
    }
}

/// Ends one session.
fn end(session: usize, in_turn: bool) {
    ask(session, Event::Stop);
    destroy(session, Operation::Shutdown, Some(2 * LONGEST), in_turn);
}

fn start(session: usize) {
    ask(session, Event::Start(requests::ask("start")));
}

fn destroy(session: usize, operation: Operation, wait: Option<u64>, in_turn: bool) {
    let destroy = request(operation, wait, in_turn);
    let event = match operation {
        Operation::Abort => Event::Abort(destroy),
        _ => Event::Destroy(destroy),
    };
    ask(session, event);
}

/// The client that a deed is done to.
fn chosen(deed: &Deed) -> Option<usize> {
    world(|world| {
        let clients = world.clients.iter().enumerate();
        let its = clients.filter(|(_, it)| it.session == deed.session && it.is_let_in);
        let its: Vec<usize> = its.map(|(of, _)| of).collect();
        (!its.is_empty()).then(|| its[deed.which % its.len()])
    })
}

fn number(of: usize) -> u64 {
    world(|world| world.clients[of].number)
}

fn act(deed: &Deed) {
    let session = deed.session;
    match deed.kind {
        DeedKind::Start => start(session),
        DeedKind::Stop => ask(session, Event::Stop),
        DeedKind::Destroy => destroy(session, Operation::Destroy, None, false),
        DeedKind::DestroyWait => {
            let wait = [1_000_000, 40_000_000, 3_000_000_000][deed.which % 3];
            destroy(session, Operation::DestroyWait, Some(wait), false);
        }
        DeedKind::Abort => destroy(session, Operation::Abort, Some(5_000_000_000), false),
        DeedKind::Quarantine => ask(session, Event::Quarantine(who())),
        DeedKind::EvictAll => {
            let ticket = EvictionTicket::All(requests::ask("evict all"));
            ask(session, Event::Evict(None, ticket));
        }
        DeedKind::Verdict => {
            ask(session, Event::Verdict(requests::ask("verdict")));
        }
        DeedKind::LoseEvents => world(|world| world.loses_until = now_ns() + 1_000_000),
        DeedKind::LookForDead => ask(session, Event::LookForDead { all: true }),
        DeedKind::Attach => attach_another(session),
        DeedKind::KillDaemon => kill_daemon(),
        DeedKind::Flush => {
            let ticket = requests::ask("flush");
            let wait = Duration::from_millis([1, 500][deed.which % 2]);
            ask(session, Event::Flush(wait, ticket));
        }
        DeedKind::StrayRuntime => post(Channel::Poller(session), 0, Message::StrayRuntime(session)),
        DeedKind::KillPoller => world(|world| {
            world.sessions[session].poller_dies = true;
            unpark(world.sessions[session].poller);
        }),
        DeedKind::HangPoller => world(|world| {
            let longest = [1_000_000, 30_000_000, 400_000_000][deed.which % 3];
            world.sessions[session].poller_hangs_until = now_ns() + longest;
        }),
        DeedKind::Bounce => {
            ask(session, Event::Stop);
            if deed.which.is_multiple_of(2) {
                attach_another(session);
            }
            start(session);
        }
        DeedKind::Pause
        | DeedKind::Evict
        | DeedKind::SignalStop
        | DeedKind::SignalCall
        | DeedKind::KillTwoThreads
        | DeedKind::KillThread
        | DeedKind::KillProcess
        | DeedKind::Detach
        | DeedKind::HangUp => {
            if let Some(of) = chosen(deed) {
                act_on(deed, of);
            }
        }
    }
}

fn act_on(deed: &Deed, of: usize) {
    match deed.kind {
        DeedKind::Evict => {
            let number = number(of);
            let ticket = EvictionTicket::One(requests::ask(format!("evict {number}")));
            ask(deed.session, Event::Evict(Some(number), ticket));
        }
        DeedKind::Pause if world(|world| !world.clients[of].is_dead()) => {
            client::thread(of, move || client::pause(of));
        }
        DeedKind::KillThread => kill_threads(of, deed.which / 4, 1),
        DeedKind::KillTwoThreads => kill_threads(of, deed.which / 4, 2),
        DeedKind::SignalStop => interrupt(deed, of, client::stop_in_handler),
        DeedKind::SignalCall => interrupt(deed, of, client::call_in_handler),
        DeedKind::KillProcess => kill_process(of),
        DeedKind::HangUp if leaves_at_once(of) => client::thread(of, move || client::hang_up(of)),
        DeedKind::HangUp => hang_up(of),
        DeedKind::Detach => {
            let may = world(|world| {
                let it = &world.clients[of];
                it.is_honest() && !it.is_dead() && !it.detaches && !it.hung_up
            });
            if may {
                client::thread(of, move || client::detach(of));
            }
        }
        _ => {}
    }
}

fn leaves_at_once(of: usize) -> bool {
    world(|world| {
        let it = &world.clients[of];
        let may = it.is_honest() && !it.is_dead() && !it.detaches && !it.hung_up;
        may && world.plan.adversity.leaves_at_once
    })
}

/// A signal for one thread of a client.
fn interrupt(deed: &Deed, of: usize, handler: fn(usize)) {
    let task = world(|world| {
        let client = &world.clients[of];
        let is_apt = client.is_honest() && !client.is_dead() && !client.threads.is_empty();
        is_apt.then(|| client.threads[deed.which / 4 % client.threads.len()].task)
    });
    if let Some(task) = task {
        signal(task, move || handler(of));
    }
}

fn attach_another(session: usize) {
    let waiting = world(|world| {
        let mut clients = world.clients.iter();
        clients.position(|it| {
            it.session == session && it.plan.comes_later && !it.is_attached && it.threads.is_empty()
        })
    });
    if let Some(of) = waiting {
        client::attach(of);
    }
}

/// Ends every session, and with it this life.
fn end_all() {
    let (begun, until) = (now_ns(), now_ns() + 2 * LONGEST);
    let plan = world(|world| Rc::clone(&world.plan));
    let (sessions, in_turn) = (plan.sessions.len(), plan.in_turn);
    loop {
        let left: Vec<usize> = (0..sessions)
            .filter(|at| world(|world| !world.sessions[*at].is_over))
            .collect();
        if left.is_empty() {
            return;
        }
        if now_ns() > until {
            let users = users_of(&left);
            return violation(format!("sessions {left:?} do not end: {users}"));
        }
        if now_ns() >= begun + plan.patience {
            clear_the_way();
        }
        for session in left {
            let exits = plan.end != End::OneByOne;
            if !exits && !world(|world| world.sessions[session].is_draining) {
                end(session, in_turn);
            }
        }
        sleep(PAUSE);
    }
}

/// Who seems to use these sessions: for people who look for the reason.
fn users_of(sessions: &[usize]) -> String {
    let clients = world(|world| {
        let its = world.clients.iter();
        let its = its.filter(|it| sessions.contains(&it.session) && it.is_attached);
        let seen = its.map(|it| {
            let truth = (it.is_dead(), it.inside.clone(), it.holding.clone());
            (it.number, truth, Arc::clone(&it.memory))
        });
        seen.collect::<Vec<_>>()
    });
    let seen = clients.iter().map(|(number, (is_dead, inside, holding), memory)| {
        let (users, held) = (memory.users(), memory.held());
        format!("{number}: dead {is_dead}, inside {inside:?}, holding {holding:?}, slots {users:?}, held {held:?}")
    });
    seen.collect::<Vec<_>>().join("; ")
}

/// Ends the processes that would use their session for ever.
fn clear_the_way() {
    let suspects: Vec<_> = world(|world| {
        let clients = world.clients.iter().enumerate();
        let suspects = clients.filter(|(_, it)| !it.is_dead() && it.has_dead_thread());
        let suspects = suspects.map(|(of, it)| (of, Arc::clone(&it.memory)));
        suspects.collect()
    });
    for (of, memory) in suspects {
        let held = memory.held();
        let users = memory.users();
        // Who died in the shared slot, only the end of the process tells.
        let is_shared_used = users.iter().any(|it| it.index == OWN_SLOTS);
        let is_stuck = world(|world| {
            let it = &world.clients[of];
            // The thread that left for its process died before it hung up: what others counted then stays.
            let is_half_gone = it.is_out && !it.hung_up && !users.is_empty();
            is_half_gone || it.has_orphan(&held)
        });
        if is_shared_used || is_stuck {
            kill_process(of);
        }
    }
    let doomed: Vec<usize> = world(|world| {
        let clients = world.clients.iter().enumerate();
        let doomed = clients.filter(|(_, it)| {
            it.plan.manners != Manners::Honest || world.sessions[it.session].is_quarantined
        });
        doomed.map(|(of, _)| of).collect()
    });
    doomed.into_iter().for_each(kill_process);
}
