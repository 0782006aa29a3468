//! The clients: real callers of the library, each thread a task.

mod calls;
mod hindrance;
mod honest;
mod hostile;
mod kept;
#[expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]
#[path = "../../../../gate/ipc/tests/rig/pair.rs"]
mod pair;
mod watch;

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;

use onair_api::{Via, Who};
use onair_ipc::caller::Attachment;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{CTL_GATE, SLOTS};
use onair_ipc::pins::End;
use onair_ipc::slot::Slot;
use onair_ipc::sync::{AtomicU32, Ordering};
use onair_session::{Admission, Event};
use onair_sim_kernel::{Mortal, TaskId, current, fence, sleep, slow_calls, spawn, spawn_apart};

use crate::kernel::post;
use crate::mail::{Channel, Message};
use crate::plan::{ClientPlan, Manners, Plan};
use crate::world::{Call, Client, Thread, world};
use crate::{oracle, requests};
use calls::{resume, start, stop};

pub(crate) use self::calls::stop_in_handler;
pub(crate) use self::hindrance::hinder;
pub(crate) use self::honest::call_in_handler;

/// The last value of a closed gate, before the first one comes again.
const LAST_GATE: u32 = u32::MAX - 1;
/// A thread that makes no call.
const FOREIGN: u32 = 99_999;
/// Frames that a client may have at a time.
const QUOTA: u32 = 2;

/// The client of attachment `number`, not admitted yet.
pub(crate) fn new(
    number: u64,
    session: usize,
    plan: ClientPlan,
    frames: &FrameMemory,
    life: &Plan,
) -> Client {
    let sends = life.sessions[session].sends;
    let pair::Pair {
        memory,
        client,
        socket,
    } = pair::Pair::new(number, sends, frames, plan.is_plain);
    memory.stop();
    for at in 0..usize::from(plan.taken_slots) {
        let slots = memory.files()[1].mapping();
        let slots = slots.slice::<Slot>(memory.geometry().seg_slots(), SLOTS);
        let _ = slots[at].claim(FOREIGN, 1);
    }
    if life.has_old_gates {
        let gate: &AtomicU32 = memory.files()[0].mapping().at(CTL_GATE);
        gate.store(LAST_GATE, Ordering::SeqCst);
    }
    let seg = rustix::fs::fstat(memory.writable()).expect("a file of ours");
    Client {
        number,
        session,
        plan,
        socket: client.as_fd().as_raw_fd(),
        memory,
        attachment: client,
        _daemons_end: socket,
        file: seg.st_ino,
        mortal: Mortal::default(),
        threads: Vec::new(),
        holding: Default::default(),
        kept: Vec::new(),
        returning: Vec::new(),
        spent: Vec::new(),
        put: 0,
        puts: 0,
        frames: sends.then(|| frames.clone()),
        inside: Default::default(),
        is_attached: false,
        is_let_in: false,
        is_refused: false,
        is_evicted: false,
        detaches: false,
        has_left: false,
        is_out: false,
        was_open: false,
        is_closed_for_good: false,
        has_paused: false,
        has_forged: false,
        leavers: Vec::new(),
        meets: None,
        parts_at: 0,
        hung_up: false,
        is_released: false,
        is_withdrawn: false,
        is_reaped: false,
        is_told: false,
        knows_exit: false,
        kicks: 0,
        stops: 0,
        new_kicks: 0,
        stoppers: Vec::new(),
        pauses: 0,
        is_stopped_once: false,
        lost_events: false,
    }
}

/// The client attaches: its threads begin as soon as it is let in.
pub(crate) fn attach(of: usize) {
    let (session, admission, plan, forges) = world(|world| {
        let forges = world.plan.adversity.forges;
        let client = &world.clients[of];
        let admission = Admission {
            number: client.number,
            who: Who {
                uid: 1,
                gid: 1,
                pid: client.tgid(),
                command: "client".into(),
                via: Via::Attach,
            },
            memory: Arc::clone(&client.memory),
            frames: client.frames.clone(),
            fills: false,
            samples: false,
            watched: client.plan.is_watched.then(|| client.tgid()),
            quota: QUOTA,
            after: None,
        };
        (client.session, admission, client.plan, forges)
    });
    post(
        Channel::Requests,
        0,
        Message::Core(session, Event::Admit(Box::new(admission))),
    );
    for _ in 0..plan.threads {
        thread(of, move || match plan.manners {
            Manners::Holds if forges => hostile::forger(of),
            Manners::Holds => hostile::holder(of),
            Manners::Honest | Manners::Scribbles => honest::caller(of),
        });
    }
    if plan.manners == Manners::Scribbles {
        thread(of, move || hostile::scribbler(of));
    }
}

/// Starts a thread of a client.
pub(crate) fn thread(of: usize, run: impl FnOnce() + 'static) {
    begin_thread(of, spawn, run);
}

/// Starts one that has seen nothing of what the running thread has.
fn thread_apart(of: usize, run: impl FnOnce() + 'static) {
    begin_thread(of, spawn_apart, run);
}

fn begin_thread<F: FnOnce() + 'static>(
    of: usize,
    spawn: impl FnOnce(Vec<Mortal>, F) -> TaskId,
    run: F,
) {
    world(|world| {
        let mortal = Mortal::default();
        let client = &mut world.clients[of];
        let task = spawn(vec![client.mortal.clone(), mortal.clone()], run);
        client.threads.push(Thread {
            task,
            mortal,
            is_reported: false,
            call: Call::None,
            slept_at_stop: None,
            slept_at_exit: false,
            is_sought: false,
            polls: false,
            has_passed: false,
        });
        slow_calls(task, world.plan.adversity.slow_calls);
        world.of_task.insert(task, of);
    });
}

/// Waits until the client is let in. Returns whether it was.
fn is_let_in(of: usize) -> bool {
    loop {
        let (is_let_in, is_refused) = world(|world| {
            let client = &world.clients[of];
            let is_over = world.sessions[client.session].is_over;
            (client.is_let_in, client.is_refused || is_over)
        });
        match (is_let_in, is_refused) {
            (true, _) => {
                fence();
                return true;
            }
            (_, true) => return false,
            _ => sleep(10_000),
        }
    }
}

/// Stops the process's calls, waits for them, asks, and leaves.
pub(crate) fn detach(of: usize) {
    let (client, session, number) = world(|world| {
        let client = &mut world.clients[of];
        client.detaches = true;
        (
            Arc::clone(&client.attachment),
            client.session,
            client.number,
        )
    });
    stop(of, &client);
    kept::give_back_all(of, &client);
    let is_over = || world(|world| world.sessions[session].is_over);
    while !is_over() && (client.callers() > 0 || client.held() > 0) {
        sleep(500_000);
    }
    let ticket = requests::ask(format!("detach {number}"));
    let request = ticket.number();
    let event = Event::Detach(number, ticket);
    post(Channel::Requests, 10_000, Message::Core(session, event));
    while requests::granted(request).is_none() && !is_over() {
        sleep(20_000);
    }
    match requests::granted(request) {
        Some(false) => start(of, &client),
        _ => {
            leave_for_all(of, &client, End::ByHand);
        }
    }
}

/// A process whose end was found out, or that ends it, leaves.
fn leave(of: usize, client: &Attachment, end: End) {
    world(|world| {
        let client = &mut world.clients[of];
        client.has_left = true;
        // Frames that are kept then are given up.
        client.detaches |= end == End::ByHand;
    });
    leave_for_all(of, client, end);
}

/// Leaves, in the name of the whole process.
fn leave_for_all(of: usize, client: &Attachment, end: End) {
    let me = current();
    world(|world| world.clients[of].leavers.push(me));
    client.leave(end);
    oracle::left(of);
    world(|world| {
        let client = &mut world.clients[of];
        client.leavers.retain(|it| *it != me);
        client.is_out = true;
    });
}

/// Leaves without asking, also while callers are inside, and closes the connection.
pub(crate) fn hang_up(of: usize) {
    let client = world(|world| Arc::clone(&world.clients[of].attachment));
    leave(of, &client, End::ByHand);
    crate::kernel::hang_up(of);
}

/// Stops the session for its own process, and starts it again.
pub(crate) fn pause(of: usize) {
    let client = world(|world| Arc::clone(&world.clients[of].attachment));
    stop(of, &client);
    resume(of);
}
