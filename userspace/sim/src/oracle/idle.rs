//! When all tasks are parked, each of them waits for something that will come.

use onair_ipc::gate::is_open;
use onair_sim_kernel::sleepers;

use crate::world::{Call, Client, World, violation, world};

/// Checks each sleeper. Nothing is on its way but timers. Returns whether all is well.
pub(crate) fn idle() -> bool {
    let wrong: Vec<String> = world(|world| {
        if !world.mail.is_empty() || !world.violations.is_empty() {
            return Vec::new();
        }
        let asleep = sleepers();
        let asleep = asleep.iter().filter(|(_, is_backstop)| *is_backstop);
        asleep.filter_map(|(task, _)| check(world, *task)).collect()
    });
    wrong.into_iter().for_each(violation);
    world(|world| world.violations.is_empty())
}

/// What is wrong with a sleeper of which nothing but its backstop will wake it.
fn check(world: &World, task: usize) -> Option<String> {
    let client = &world.clients[*world.of_task.get(&task)?];
    if !client.is_honest() || client.is_dead() || client.has_unreported() || !client.is_attached {
        return None;
    }
    // The thread that died may have had the only wake-up: the others of an evicted client find out by their backstop.
    if client.is_evicted && client.has_dead_thread() {
        return None;
    }
    let call = client.threads.iter().find(|it| it.task == task)?.call;
    let is_gate_open = is_open(client.memory.session_gate());
    let is_local_open = !client.memory.is_locally_stopped();
    let session = &world.sessions[client.session];
    let number = client.number;
    // One that detaches is not evicted any more; the answer wakes its threads.
    let is_evicted = client.is_evicted && !(client.detaches && call == Call::WaitStarted);
    let is_gone = session.is_over || session.is_quarantined || is_evicted;
    match call {
        Call::Get | Call::PollEvent if is_gone || !is_gate_open || !is_local_open => {
            Some(format!("a caller of {number} sleeps behind a closed gate"))
        }
        Call::WaitStarted if is_gone || is_gate_open && is_local_open => Some(format!(
            "a caller of {number} sleeps although it is started"
        )),
        Call::Get if has_ready(client) => {
            Some(format!("a caller of {number} sleeps beside a ready frame"))
        }
        _ => None,
    }
}

/// Whether a frame is ready for the client.
fn has_ready(client: &Client) -> bool {
    use onair_ipc::frame_word::{FrameState, FrameWord};
    use onair_ipc::layout::SEG_FRAMES;
    let words = client.memory.files()[1].mapping();
    let frames = client.memory.geometry().frames as usize;
    let words = words.slice::<FrameWord>(SEG_FRAMES, frames);
    words
        .iter()
        .any(|word| word.load().state() == Some(FrameState::Ready))
}

/// A timer fires for a session. If that waits for its end and has no user, something else than the
/// timer should have said so. `has_work`: something will, or has.
pub(crate) fn check_timer(index: usize, has_work: bool) {
    let is_needed = !has_work
        && world(|world| {
            let mut its = world.clients.iter().filter(|it| it.session == index);
            let is_plain = |it: &Client| {
                it.is_honest()
                    && it.plan.is_watched
                    && it.kicks < 4
                    && !it.is_evicted
                    && !it.hung_up
                    && !it.has_unreported()
                    && !it.uses()
                    && (!it.is_dead() || it.is_reaped)
                    && (it.is_dead() || !it.has_dead_thread())
                    && it
                        .threads
                        .iter()
                        .all(|it| it.call == Call::None || it.call == Call::WaitStarted)
            };
            world.mail.is_empty() && its.all(is_plain)
        });
    if is_needed {
        violation(format!(
            "session {index}: only a timer sees that its last user has left"
        ));
    }
}
