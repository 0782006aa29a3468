//! Send sessions: a flush says what was sent.

use onair_ipc::caller::Attachment;
use onair_session::Ticket;
use onair_sim_kernel::{fence, give_way};

use crate::sending::{Fate, LAST};
use crate::world::{Client, violation, world};

/// A client fills a frame.
pub(crate) fn new_stamp(of: usize) -> u64 {
    world(|world| {
        let stamp = world.frames.of.len() as u64 + 1;
        world.frames.of.insert(stamp, of);
        stamp
    })
}

/// A client writes the stamp into its frame.
pub(crate) fn fill(client: &Attachment, frame: u32, stamp: u64) {
    for half in [0, LAST] {
        fill_half(client, frame, half, stamp);
    }
}

/// It writes a half of it.
pub(crate) fn fill_half(client: &Attachment, frame: u32, half: usize, stamp: u64) {
    let base = client.frame_base(frame);
    // SAFETY: the frame is the caller's own, and as long as a cache line.
    unsafe { base.add(half).cast::<u64>().write_volatile(stamp) };
    give_way();
}

/// A call said that it submitted the frame. Another thread that flushes then has heard so from this one, which is a fence:
/// else the store that submitted an open frame may still wait in this processor.
pub(crate) fn submitted(stamp: u64) {
    fence();
    world(|world| {
        // What a stopped session gets is dropped at its next start.
        let of = &world.sessions[world.clients[world.frames.of[&stamp]].session];
        if of.is_unwanted || !of.is_runtime_out {
            return;
        }
        if !world.frames.early.remove(&stamp) {
            world.frames.submitted.insert(stamp);
        }
    });
}

/// Notes the fates of these frames.
pub(crate) fn note_fates(fates: &[Fate]) {
    let (torn, twice) = world(|world| {
        let (mut torn, mut twice) = (false, false);
        for Fate { stamps, is_sent } in fates {
            let stamp = stamps[0];
            let Some(&of) = world.frames.of.get(&stamp) else {
                continue;
            };
            let counts = &mut world.sessions[world.clients[of].session].sent_and_dropped;
            match is_sent {
                true => counts.0 += 1,
                false => counts.1 += 1,
            }
            let are_honest = world.clients.iter().all(Client::is_honest);
            torn |= stamp != stamps[1] && are_honest;
            twice |= !world.frames.settled.insert(stamp) && are_honest;
            if !world.frames.submitted.remove(&stamp) {
                world.frames.early.insert(stamp);
            }
            if !is_sent {
                world.frames.dropped.insert(stamp);
            }
        }
        (torn, twice)
    });
    if torn {
        violation("a frame is sent half written".into());
    }
    if twice {
        violation("a frame is sent or dropped twice".into());
    }
}

/// A session begins to flush. What was submitted to a stopped session is never sent, and of a client that
/// leaves it was dropped before. A client that scribbles may undo what its calls submitted.
pub(crate) fn flush_asked<T>(session: usize, ticket: &Ticket<T>) {
    world(|world| {
        let of = &world.sessions[session];
        if of.is_unwanted || !of.is_runtime_out {
            return;
        }
        let frames = &world.frames;
        let its = frames.submitted.iter().filter(|it| {
            let of = &world.clients[frames.of[it]];
            of.session == session && !of.is_withdrawn && of.is_honest()
        });
        let its: Vec<u64> = its.copied().collect();
        world.frames.flushes.insert(ticket.number(), its);
    });
}

/// The poller begins a flush of the session. What it ended since that was asked, of an open frame that was not filled, the
/// flush does not know.
pub(crate) fn flush_begins(session: usize) {
    world(|world| {
        let (frames, clients) = (&mut world.frames, &world.clients);
        for its in frames.flushes.values_mut() {
            its.retain(|it| {
                clients[frames.of[it]].session != session || frames.submitted.contains(it)
            });
        }
    });
}

/// It is answered: everything was sent.
pub(crate) fn flushed<T>(session: usize, ticket: &Ticket<T>) {
    let (left, dropped) = world(|world| {
        let frames = &mut world.frames;
        let its = frames.flushes.remove(&ticket.number()).unwrap_or_default();
        let left = its
            .iter()
            .filter(|it| frames.submitted.contains(it))
            .count();
        let dropped = its.iter().filter(|it| frames.dropped.contains(it)).count();
        (left, dropped)
    });
    if left + dropped > 0 {
        violation(format!(
            "session {session}: flushed, although {left} frames are not sent, and {dropped} were dropped"
        ));
    }
}
