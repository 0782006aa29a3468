//! A thread that follows the protocol: takes, reads and puts, until the session is gone.

use std::sync::Arc;

use onair_ipc::caller::{Attachment, Deadline, LoanGuard, Refusal};
use onair_ipc::pins::End;
use onair_sim_kernel::{below, current, give_way, now_ns, sleep};

use super::is_let_in;
use crate::oracle;
use crate::world::{Call, violation, world};

/// Pauses of a thread, ns.
const PAUSES: [u64; 4] = [100, 3_000, 50_000, 700_000];

/// The whole life of a thread.
pub(super) fn caller(of: usize) {
    if !is_let_in(of) {
        return;
    }
    let client = world(|world| Arc::clone(&world.clients[of].attachment));
    loop {
        if below(80) == 0 {
            // It ends, and its slot is another thread's from now on.
            return super::thread(of, move || caller(of));
        }
        let went_on = match below(8) {
            0 => poll_event(of, &client),
            _ => take(of, &client),
        };
        match went_on {
            Ok(()) => {}
            Err(Refusal::TimedOut) => pause(),
            Err(Refusal::Again) => match wait_started(of, &client) {
                Ok(()) => {}
                Err(Refusal::TimedOut) => pause(),
                Err(_) => break,
            },
            Err(_) => break,
        }
    }
    if below(2) == 0 {
        world(|world| world.clients[of].has_left = true);
        client.leave(End::FoundOut);
    }
}

fn pause() {
    if below(4) > 0 {
        sleep(below(usize::try_from(PAUSES[below(4)]).unwrap_or(1)) as u64);
    }
}

fn deadline() -> Deadline {
    match below(5) {
        0 => Deadline::Now,
        1 => Deadline::At(now_ns() + PAUSES[below(4)]),
        _ => Deadline::Never,
    }
}

/// Makes a call, of which the oracle knows.
fn call<T>(
    of: usize,
    kind: Call,
    deadline: Deadline,
    make: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    set_call(of, kind);
    let result = make();
    set_call(of, Call::None);
    if let Err(refusal) = &result {
        check_refusal(of, kind, deadline, *refusal);
    }
    result
}

fn set_call(of: usize, kind: Call) {
    world(|world| {
        let mut threads = world.clients[of].threads.iter_mut();
        if let Some(thread) = threads.find(|it| it.task == current()) {
            thread.call = kind;
        }
    });
}

/// A refusal says what is so.
fn check_refusal(of: usize, kind: Call, deadline: Deadline, refusal: Refusal) {
    let wrong = world(|world| {
        let client = &world.clients[of];
        let is_right = match refusal {
            Refusal::Stale => world.is_gone_for(of) || world.is_in_event,
            Refusal::TimedOut => match deadline {
                Deadline::Now => true,
                Deadline::At(at) => now_ns() >= at,
                Deadline::Never => false,
            },
            Refusal::Again => kind != Call::WaitStarted,
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

fn take(of: usize, client: &Attachment) -> Result<(), Refusal> {
    let deadline = deadline();
    let guard = call(of, Call::Get, deadline, || client.take(deadline))?;
    let (frame, me) = (guard.frame(), current());
    let is_twice = world(|world| {
        let client = &mut world.clients[of];
        client.holding.insert(frame, me).is_some() && client.is_honest()
    });
    if is_twice {
        violation(format!("frame {frame} was given to two threads"));
    }
    let stamp = oracle::check_frame(of, &guard, None);
    hold();
    oracle::check_frame(of, &guard, Some(stamp));
    set_call(of, Call::Put);
    world(|world| world.clients[of].holding.remove(&frame));
    let result = put(of, client, guard);
    set_call(of, Call::None);
    result
}

/// Keeps a frame for a while.
fn hold() {
    match below(4) {
        0 => {}
        1 => (0..below(40)).for_each(|_| give_way()),
        _ => sleep(below(usize::try_from(PAUSES[below(4)]).unwrap_or(1)) as u64),
    }
}

fn put(of: usize, client: &Attachment, guard: LoanGuard<'_>) -> Result<(), Refusal> {
    let result = match below(4) {
        0 => {
            drop(guard);
            Ok(())
        }
        1 => client.put(guard.keep()),
        _ => guard.put(),
    };
    if let Err(refusal) = result {
        check_refusal(of, Call::None, Deadline::Never, refusal);
    }
    result
}

fn poll_event(of: usize, client: &Attachment) -> Result<(), Refusal> {
    let deadline = match deadline() {
        Deadline::Never if below(4) > 0 => Deadline::At(now_ns() + PAUSES[below(4)]),
        other => other,
    };
    call(of, Call::PollEvent, deadline, || {
        client.poll_event(deadline)
    })
    .map(|_| ())
}

fn wait_started(of: usize, client: &Attachment) -> Result<(), Refusal> {
    let deadline = deadline();
    call(of, Call::WaitStarted, deadline, || {
        client.wait_started(deadline)
    })
}
