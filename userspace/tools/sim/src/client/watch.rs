//! A thread that waits for the process's descriptor looks whether a call can take something.

use onair_ipc::caller::Attachment;
use onair_ipc::gate::is_open;
use onair_sim_kernel::has_weak_memory;

use crate::world::{violation, world};

/// The state at the thread's look.
struct Moment {
    /// The session's gate.
    gate: u32,
    /// The daemon has told the process that it exits, and no thread has read it.
    is_told: bool,
    /// No thread of the process can have read it meanwhile.
    is_alone: bool,
}

fn moment(of: usize) -> Moment {
    world(|world| {
        let client = &world.clients[of];
        let mut threads = client.threads.iter();
        Moment {
            gate: client.gate(),
            is_told: client.is_told && !client.knows_exit,
            is_alone: threads.all(|it| !it.polls)
                && !client.has_dead_thread()
                && !client.has_left
                && !client.detaches,
        }
    })
}

/// Looks once. In a stopped session nothing but the daemon's exit is there to be taken.
pub(super) fn look(of: usize, client: &Attachment) {
    let before = moment(of);
    let has_something = client.has_something();
    let after = moment(of);
    let is_over = world(|world| world.is_gone_for(of));
    let stays = before.gate == after.gate && before.is_alone && after.is_alone;
    let (number, is_honest) =
        world(|world| (world.clients[of].number, world.clients[of].is_honest()));
    if is_open(before.gate) || !stays || is_over || has_weak_memory() || !is_honest {
        return;
    }
    if has_something && !world(|world| world.is_ending) {
        violation(format!(
            "{number} is stopped, and its descriptor is readable"
        ));
    }
    if !has_something && before.is_told && after.is_told {
        violation(format!(
            "{number} is told of the exit, and its descriptor is not readable"
        ));
    }
}
