//! Calls of the library, of which the oracle knows.

use std::sync::Arc;

use onair_ipc::caller::{Attachment, Deadline, Refusal};
use onair_sim_kernel::{below, current, give_way, has_weak_memory, now_ns, sleep};

use crate::oracle;
use crate::world::{Call, Thread, World, violation, world};

/// Pauses of a thread, ns.
pub(super) const PAUSES: [u64; 4] = [100, 3_000, 50_000, 700_000];

/// Makes a call.
pub(super) fn call<T>(
    of: usize,
    kind: Call,
    deadline: Deadline,
    make: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let outer = set_call(of, kind);
    let polled = set_polls(of, |before| before || kind == Call::PollEvent);
    let is_final = oracle::is_closed_for_good(of);
    let result = make();
    set_call(of, outer);
    set_polls(of, |_| polled);
    if is_final {
        oracle::refused_for_good(of, result.as_ref().err().copied());
    }
    // A handler's own call has not slept.
    if outer == Call::None {
        oracle::returned(of, kind, result.as_ref().err().copied());
    }
    if let Err(refusal) = &result {
        check_refusal(of, kind, deadline, *refusal);
    }
    result
}

/// The running thread's record.
fn thread(world: &mut World, of: usize) -> Option<&mut Thread> {
    let mut threads = world.clients[of].threads.iter_mut();
    threads.find(|it| it.task == current())
}

/// Sets the call of the running thread. Returns what it did.
pub(super) fn set_call(of: usize, kind: Call) -> Call {
    world(|world| {
        let call = thread(world, of).map(|it| std::mem::replace(&mut it.call, kind));
        call.unwrap_or(Call::None)
    })
}

/// Whether the running thread asks for an event, by what was so. Returns that.
fn set_polls(of: usize, by: impl FnOnce(bool) -> bool) -> bool {
    world(|world| {
        let thread = thread(world, of);
        thread.is_some_and(|it| {
            let before = it.polls;
            it.polls = by(before);
            before
        })
    })
}

/// A refusal says what is so.
pub(super) fn check_refusal(of: usize, kind: Call, deadline: Deadline, refusal: Refusal) {
    let wrong = world(|world| {
        let client = &world.clients[of];
        let is_right = match refusal {
            Refusal::Stale => world.is_gone_for(of) || world.is_in_event,
            Refusal::TimedOut => match deadline {
                Deadline::Now => true,
                Deadline::At(at) => now_ns() >= at,
                Deadline::Never => false,
            },
            Refusal::Again => kind != Call::WaitStarted || client.has_paused,
            Refusal::Already | Refusal::Invalid => false,
        };
        let (number, is_honest) = (client.number, client.is_honest());
        if refusal == Refusal::Stale {
            world.told_stale.push(of);
        }
        (!is_right && is_honest).then_some(number)
    });
    if let Some(number) = wrong {
        violation(format!(
            "{kind:?} of {number} with {deadline:?}: {refusal:?}"
        ));
    }
}

/// A signal handler's stop: it stops the session for the process. Another thread undoes it.
pub(crate) fn stop_in_handler(of: usize) {
    let client = world(|world| Arc::clone(&world.clients[of].attachment));
    // The error number that an interrupted call of the application may be about to read.
    let _ = std::fs::read_link("/");
    let before = std::io::Error::last_os_error().raw_os_error();
    stop(of, &client);
    let after = std::io::Error::last_os_error().raw_os_error();
    if before != after {
        violation(format!("a stop changes errno from {before:?} to {after:?}"));
    }
    super::thread(of, move || resume(of));
}

/// Stops the session for a process.
pub(super) fn stop(of: usize, client: &Attachment) {
    world(|world| {
        let client = &mut world.clients[of];
        client.stoppers.push(current());
        client.has_paused = true;
        client.stops += 1;
        client.pauses += 1;
        client.is_stopped_once = client.pauses == 1;
        client.is_told &= !has_weak_memory();
    });
    client.stop();
    world(|world| world.clients[of].stoppers.retain(|it| *it != current()));
}

/// Undoes [`stop`] after a while.
pub(super) fn resume(of: usize) {
    let client = world(|world| Arc::clone(&world.clients[of].attachment));
    sleep(below(300_000) as u64);
    let detaches = world(|world| {
        let is_at_once = world.plan.adversity.leaves_at_once && world.clients[of].has_left;
        world.clients[of].detaches && !is_at_once
    });
    match detaches {
        true => world(|world| world.clients[of].pauses -= 1),
        false => start(of, &client),
    }
}

/// Undoes a stop.
pub(super) fn start(of: usize, client: &Attachment) {
    world(|world| world.clients[of].is_stopped_once = false);
    client.start();
    world(|world| world.clients[of].pauses -= 1);
}

/// Keeps a frame for a while.
pub(super) fn hold(of: usize) {
    if world(|world| world.clients[of].plan.is_slow) && below(64) == 0 {
        return sleep(below(100_000_000) as u64);
    }
    if world(|world| world.plan.adversity.lingers) {
        return sleep(below(100_000_000) as u64);
    }
    match below(4) {
        0 => {}
        1 => (0..below(40)).for_each(|_| give_way()),
        _ => sleep(below(usize::try_from(PAUSES[below(4)]).unwrap_or(1)) as u64),
    }
}

/// Counts a put that says that it gave the frame back.
pub(super) fn counted(of: usize, result: Result<(), Refusal>) -> Result<(), Refusal> {
    world(|world| world.clients[of].put += u64::from(result.is_ok()));
    result
}

/// Notes the result of a put.
pub(super) fn note_put(of: usize, result: Result<(), Refusal>) {
    if let Err(refusal) = result {
        check_refusal(of, Call::None, Deadline::Never, refusal);
    }
}
