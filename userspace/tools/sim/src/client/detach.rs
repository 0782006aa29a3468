//! A client detaches, as the library does it, or stops for itself.

use std::sync::Arc;

use onair_ipc::caller::Attachment;
use onair_ipc::pins::End;
use onair_session::Event;
use onair_sim_kernel::{current, sleep};

use super::calls::{resume, start, stop};
use crate::kernel::post;
use crate::mail::{Channel, Message};
use crate::oracle;
use crate::requests;
use crate::world::world;

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
    super::kept::give_back_all(of, &client);
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
pub(super) fn leave(of: usize, client: &Attachment, end: End) {
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
