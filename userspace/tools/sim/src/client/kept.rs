//! Frames that threads keep without a guard: any thread gives them back, and once more by mistake.

use onair_ipc::caller::{Attachment, Deadline, LoanGuard, Refusal};
use onair_sim_kernel::{below, current, fence};

use super::calls::{check_refusal, counted, hold, note_put, set_call};
use crate::oracle;
use crate::world::{Call, KeptFrame, World, violation, world};

/// Keeps the frame of a guard.
pub(super) fn keep(of: usize, guard: LoanGuard<'_>, stamp: u64) {
    // A client that leaves by itself gives up the frame as soon as no guard borrows it.
    let (frame, bytes) = (guard.frame(), oracle::right(&guard).len());
    world(|world| world.clients[of].returning.push(frame));
    let handle = guard.keep().into_raw();
    fence();
    world(|world| {
        let its = &mut world.clients[of];
        its.returning.retain(|it| *it != frame);
        its.kept.push(KeptFrame {
            handle,
            stamp,
            bytes,
        });
    });
}

/// Gives one of the kept frames back, or a handle that was used before.
pub(super) fn give_back(of: usize, client: &Attachment) -> Result<(), Refusal> {
    if below(4) == 0 {
        put_again(of, client);
    }
    let me = current();
    let chosen = world(|world| {
        let its = &mut world.clients[of];
        let at = below(its.kept.len().max(1));
        let frame = (at < its.kept.len()).then(|| its.kept.swap_remove(at));
        if let Some(frame) = frame {
            its.holding.insert(frame.handle.frame(), me);
            its.returning.push(frame.handle.frame());
        }
        frame
    });
    let Some(kept) = chosen else {
        return Ok(());
    };
    let handle = kept.handle;
    fence();
    oracle::check_kept(of, client, &kept);
    hold(of);
    oracle::check_kept(of, client, &kept);
    let outer = set_call(of, Call::Put);
    world(|world| {
        let its = &mut world.clients[of];
        its.holding.remove(&handle.frame());
        its.returning.retain(|it| *it != handle.frame());
    });
    let result = counted(of, handle.put(client));
    set_call(of, outer);
    note_put(of, result);
    world(|world| world.clients[of].spent.push(handle));
    result
}

/// Gives all of them back.
pub(super) fn give_back_all(of: usize, client: &Attachment) {
    while world(|world| !forgets(world, of) && !world.clients[of].kept.is_empty()) {
        let _ = give_back(of, client);
    }
}

/// Whether the client, which has left by itself, knows nothing any more of what it kept.
fn forgets(world: &mut World, of: usize) -> bool {
    let client = &mut world.clients[of];
    let forgets = world.plan.adversity.forgets && client.has_left && client.detaches;
    let forgotten = client.kept.extract_if(.., |_| forgets);
    for it in forgotten {
        client.holding.remove(&it.handle.frame());
    }
    forgets
}

/// A handle that was used before gives nothing back.
fn put_again(of: usize, client: &Attachment) {
    let spent = world(|world| {
        let spent = &world.clients[of].spent;
        let at = below(spent.len().max(1));
        spent.get(at).copied()
    });
    let Some(handle) = spent else {
        return;
    };
    let outer = set_call(of, Call::Put);
    let result = handle.put(client);
    set_call(of, outer);
    match result {
        Ok(()) => violation(format!("frame {} was given back twice", handle.frame())),
        Err(Refusal::Already | Refusal::Invalid) => {}
        Err(refusal) => check_refusal(of, Call::None, Deadline::Never, refusal),
    }
}
