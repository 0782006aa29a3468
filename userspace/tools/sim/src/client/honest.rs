//! A thread that follows the protocol: takes, reads and puts, until the session is gone.

use std::sync::Arc;

use onair_ipc::caller::{Attachment, Deadline, LoanGuard, Parts, Refusal};
use onair_ipc::event::Event;
use onair_ipc::pins::End;
use onair_sim_kernel::{below, current, give_way, now_ns, sleep};

use super::calls::{PAUSES, call, counted, hold, note_put, set_call};
use super::{is_let_in, kept, watch};
use crate::oracle;
use crate::plan::Adversity;
use crate::runtime::STANDS;
use crate::sending::LAST;
use crate::world::{Call, violation, world};

/// The whole life of a thread.
pub(super) fn caller(of: usize) {
    if !is_let_in(of) {
        return;
    }
    let client = world(|world| Arc::clone(&world.clients[of].attachment));
    loop {
        if below(80) == 0 {
            // It ends, and its slot is another thread's from now on.
            return succeed(of);
        }
        let went_on = match below(8) {
            2..6 if hard(|it| it.polls_on) => poll_event(of, &client, event_deadline()),
            0 => poll_event(of, &client, event_deadline()),
            1 => kept::give_back(of, &client),
            _ => take(of, &client, deadline()),
        };
        match went_on {
            Ok(()) => {}
            Err(Refusal::TimedOut) if hard(|it| it.hurries) => give_way(),
            Err(Refusal::TimedOut) => pause(),
            Err(Refusal::Again) if watches() && below(2) == 0 => watch::look(of, &client),
            Err(Refusal::Again) if has_pool() && below(4) == 0 => return succeed(of),
            Err(Refusal::Again) if does_spin(of) => kept::give_back_all(of, &client),
            Err(Refusal::Again) => match until_started(of, &client) {
                Ok(()) => {}
                Err(Refusal::TimedOut) => pause(),
                Err(_) => break,
            },
            Err(_) => break,
        }
    }
    let is_early = below(2) == 0;
    if !is_early {
        kept::give_back_all(of, &client);
    }
    let end = [None, None, Some(End::FoundOut), Some(End::ByHand)][below(4)];
    if let Some(end) = end {
        super::leave(of, &client, end);
    }
    kept::give_back_all(of, &client);
}

/// Another thread takes the place of this one, which ends.
fn succeed(of: usize) {
    match has_pool() {
        true => super::thread_apart(of, move || caller(of)),
        false => super::thread(of, move || caller(of)),
    }
}

fn hard(what: impl FnOnce(&Adversity) -> bool) -> bool {
    world(|world| what(&world.plan.adversity))
}

fn watches() -> bool {
    hard(|it| it.watches)
}

fn has_pool() -> bool {
    hard(|it| it.has_pool)
}

fn pause() {
    if below(4) > 0 {
        sleep(below(usize::try_from(PAUSES[below(4)]).unwrap_or(1)) as u64);
    }
}

fn deadline() -> Deadline {
    if hard(|it| it.hurries) {
        return Deadline::Now;
    }
    match below(5) {
        0 => Deadline::Now,
        1.. if hard(|it| it.is_brief) => Deadline::At(now_ns() + PAUSES[below(4)]),
        1 => Deadline::At(now_ns() + PAUSES[below(4)]),
        _ => Deadline::Never,
    }
}

/// Whether the thread calls again at once, although it was told that the session is stopped.
fn does_spin(of: usize) -> bool {
    let spins = world(|world| world.clients[of].plan.spins);
    if spins {
        give_way();
    }
    spins && below(if hard(|it| it.insists) { 256 } else { 8 }) > 0
}

/// Gives back what it keeps, and waits for a start, also for that of its own process.
fn until_started(of: usize, client: &Attachment) -> Result<(), Refusal> {
    kept::give_back_all(of, client);
    loop {
        match wait_started(of, client) {
            Err(Refusal::Again) => sleep(PAUSES[3]),
            started => return started,
        }
    }
}

/// Takes a frame, reads it, and gives it back.
pub(super) fn take(of: usize, client: &Attachment, deadline: Deadline) -> Result<(), Refusal> {
    let is_open = hard(|it| it.takes_open) && below(2) == 0;
    let guard = match is_open && !client.sends() {
        true => {
            let bytes = STANDS[below(2)];
            call(of, Call::GetOpen(bytes), deadline, || {
                client.take_open(bytes, deadline)
            })?
        }
        false => call(of, Call::Get, deadline, || client.take(deadline))?,
    };
    let (frame, me) = (guard.frame(), current());
    let is_twice = world(|world| {
        let client = &mut world.clients[of];
        // Of a thread that died on the way.
        client.returning.retain(|it| *it != frame);
        let before = client.holding.insert(frame, me);
        client.is_honest() && before.is_some_and(|owner| client.is_live(owner))
    });
    if is_twice {
        violation(format!("frame {frame} was given to two threads"));
    }
    if client.sends() {
        return match is_open {
            true => fill_open(of, client, guard),
            false => fill(of, client, guard),
        };
    }
    let stamp = oracle::check_frame(of, &guard, None);
    hold(of);
    oracle::check_frame(of, &guard, Some(stamp));
    if is_open && below(4) > 0 {
        // Whatever becomes of the wait, it has the frame.
        let wait = || guard.wait_bytes(u32::MAX, deadline, None);
        let _ = call(of, Call::AwaitEnd(frame), deadline, wait);
        oracle::check_frame(of, &guard, Some(stamp));
    }
    // What a handler takes, it gives back: its thread may wait for a start.
    let may_keep = deadline != Deadline::Now;
    if may_keep && world(|world| world.clients[of].plan.passes_on) && below(3) == 0 {
        kept::keep(of, guard, stamp);
        return Ok(());
    }
    let outer = set_call(of, Call::Put);
    world(|world| world.clients[of].holding.remove(&frame));
    let result = put(of, client, guard);
    set_call(of, outer);
    if deadline != Deadline::Now && below(6) == 0 {
        // It makes no other call for a while, or waits for a start first.
        pause();
        return until_started(of, client);
    }
    result
}

/// Fills a frame of a send session, and submits it, or gives it back unused.
fn fill(of: usize, client: &Attachment, guard: LoanGuard<'_>) -> Result<(), Refusal> {
    let (frame, stamp) = (guard.frame(), oracle::new_stamp(of));
    oracle::fill(client, frame, stamp);
    hold(of);
    let outer = set_call(of, Call::Put);
    world(|world| world.clients[of].holding.remove(&frame));
    let result = match below(5) {
        0 => put(of, client, guard),
        1 => counted(of, client.submit(guard.keep())).inspect(|()| oracle::submitted(stamp)),
        _ => counted(of, guard.submit()).inspect(|()| oracle::submitted(stamp)),
    };
    note_put(of, result);
    set_call(of, outer);
    result
}

/// Submits a frame of a send session, and fills it while it is sent, or leaves it as it is.
fn fill_open(of: usize, client: &Attachment, guard: LoanGuard<'_>) -> Result<(), Refusal> {
    let (frame, stamp) = (guard.frame(), oracle::new_stamp(of));
    oracle::fill_half(client, frame, 0, stamp);
    let opened = guard.submit_open();
    note_put(of, opened);
    if opened.is_ok() {
        oracle::submitted(stamp);
        guard.reach(1);
        hold(of);
        if below(4) > 0 {
            oracle::fill_half(client, frame, LAST, stamp);
            guard.reach(2);
            hold(of);
        }
    }
    // Of what it has not filled no more is sent.
    let is_filled = opened.is_ok() && below(4) > 0;
    if is_filled {
        oracle::fill_half(client, frame, LAST, stamp);
    }
    let outer = set_call(of, Call::Put);
    world(|world| world.clients[of].holding.remove(&frame));
    let result = match is_filled {
        true => counted(of, guard.submit()),
        false => counted(of, guard.put()),
    };
    note_put(of, result);
    set_call(of, outer);
    result
}

fn put(of: usize, client: &Attachment, guard: LoanGuard<'_>) -> Result<(), Refusal> {
    let result = match below(4) {
        0 => {
            drop(guard);
            Ok(())
        }
        1 => counted(of, client.put(guard.keep())),
        _ => counted(of, guard.put()),
    };
    note_put(of, result);
    result
}

fn event_deadline() -> Deadline {
    match deadline() {
        Deadline::Never if below(4) > 0 => Deadline::At(now_ns() + PAUSES[below(4)]),
        other => other,
    }
}

/// Takes an event.
pub(super) fn poll_event(
    of: usize,
    client: &Attachment,
    deadline: Deadline,
) -> Result<(), Refusal> {
    let told = world(|world| world.clients[of].is_told);
    let in_parts = below(3) == 0;
    let is_long = in_parts && has_pool() && deadline != Deadline::Now;
    let deadline = if is_long { Deadline::Never } else { deadline };
    let event = call(of, Call::PollEvent, deadline, || match in_parts {
        true => poll_in_parts(of, client, deadline),
        false => client.poll_event(deadline, None),
    });
    oracle::polled(of, told, &event);
    event.map(|_| ())
}

/// As an interpreter does, which looks at its signals in between.
fn poll_in_parts(of: usize, client: &Attachment, deadline: Deadline) -> Result<Event, Refusal> {
    let (mut parts, mut gate) = (Parts::default(), None);
    loop {
        let is_up = match deadline {
            Deadline::Now => true,
            Deadline::At(at) => now_ns() >= at,
            Deadline::Never => false,
        };
        let has_moved = gate.is_some_and(|gate| gate != session_gate(of));
        match client.poll_event(part_of(deadline), Some(&mut parts)) {
            Err(Refusal::TimedOut) if !is_up => {
                gate.get_or_insert(session_gate(of));
                amid_parts();
            }
            result => {
                oracle::ended_in_parts(of, has_moved, &result);
                return result;
            }
        }
    }
}

fn session_gate(of: usize) -> u32 {
    world(|world| world.clients[of].gate())
}

/// Until when a part may wait: an interpreter looks at its signals now and then.
fn part_of(deadline: Deadline) -> Deadline {
    let soon = || now_ns() + PAUSES[below(4)];
    match (has_pool(), deadline) {
        (true, Deadline::Never) => Deadline::At(soon()),
        (true, Deadline::At(at)) => Deadline::At(at.min(soon())),
        _ => deadline,
    }
}

/// An interpreter's work between two parts.
fn amid_parts() {
    match has_pool() {
        true => pause(),
        false => give_way(),
    }
}

fn wait_started(of: usize, client: &Attachment) -> Result<(), Refusal> {
    let deadline = deadline();
    call(of, Call::WaitStarted, deadline, || {
        client.wait_started(deadline)
    })
}

/// A signal handler's call that does not wait, amid any call of its thread.
pub(crate) fn call_in_handler(of: usize) {
    let client = world(|world| Arc::clone(&world.clients[of].attachment));
    let now = Deadline::Now;
    let _ = match below(3) {
        0 => poll_event(of, &client, now),
        _ => take(of, &client, now),
    };
}
