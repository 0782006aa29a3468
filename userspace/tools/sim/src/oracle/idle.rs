//! When all tasks are parked, each of them waits for something that will come.

use onair_ipc::frame_word::{FrameState, FrameWord};
use onair_ipc::gate::is_open;
use onair_ipc::layout::{OWN_SLOTS, SEG_FRAMES};
use onair_ipc::progress::{ProgressTag, ProgressWord, WHOLE};
use onair_sim_kernel::sleepers;

use crate::world::{Call, Client, Thread, World, violation, world};

/// Checks each sleeper. Nothing is on its way but timers. Returns whether all is well.
pub(crate) fn idle() -> bool {
    let wrong: Vec<String> = world(|world| {
        if !world.mail.is_empty() || !world.violations.is_empty() {
            return Vec::new();
        }
        let asleep = sleepers();
        let asleep = asleep.iter().filter(|(_, is_backstop)| *is_backstop);
        let sleepers = asleep.filter_map(|(task, _)| check(world, *task));
        let sessions = 0..world.sessions.len();
        let waits =
            |at: &usize| world.sessions[*at].waits_for_users && !world.sessions[*at].is_over;
        let stuck = sessions.filter(|at| waits(at) && is_left(world, *at, is_settled));
        let stuck =
            stuck.map(|at| format!("session {at}: nothing says that its last user has left"));
        let counted = world.clients.iter().filter(|it| is_left_counted(world, it));
        let counted = counted.map(|it| format!("a thread of {} has ended, and counts", it.number));
        sleepers.chain(stuck).chain(counted).collect()
    });
    wrong.into_iter().for_each(violation);
    world(|world| world.violations.is_empty())
}

/// The fault of a sleeper that only its backstop will wake.
fn check(world: &World, task: usize) -> Option<String> {
    let client = &world.clients[*world.of_task.get(&task)?];
    if !client.is_honest() || client.is_dead() || client.has_unreported() || !client.is_attached {
        return None;
    }
    // The thread that died may have had the only wake-up, or was about to wake them all: the others of a client that
    // is evicted, or that left by itself, find out by their backstop.
    let mut leavers = client.leavers.iter();
    if client.is_evicted && client.has_died_in_a_call()
        || leavers.any(|it| !client.is_live(*it)) && !client.is_out
    {
        return None;
    }
    let thread = client.threads.iter().find(|it| it.task == task)?;
    let call = thread.call;
    let is_gate_open = is_open(client.memory.session_gate());
    let is_local_open = !client.memory.is_locally_stopped();
    let session = &world.sessions[client.session];
    let number = client.number;
    // One that detaches is not evicted any more; the answer wakes its threads.
    let is_evicted = client.is_evicted && !(client.detaches && call == Call::WaitStarted);
    let is_gone = session.is_over || session.is_quarantined || is_evicted || client.is_out;
    match call {
        call if call.is_stoppable() && thread.slept_at_stop.is_some() => {
            Some(format!("a caller of {number} sleeps on after a stop"))
        }
        call if call.is_stoppable() && (is_gone || !is_gate_open || !is_local_open) => {
            Some(format!("a caller of {number} sleeps behind a closed gate"))
        }
        Call::WaitStarted if is_gone || is_gate_open || !is_local_open => Some(format!(
            "a caller of {number} sleeps although it is started, or stopped by its process"
        )),
        Call::Get if has_ready(client, WHOLE) => {
            Some(format!("a caller of {number} sleeps beside a ready frame"))
        }
        Call::GetOpen(bytes) if has_ready(client, bytes) => Some(format!(
            "a caller of {number} sleeps beside {bytes} bytes of a frame"
        )),
        Call::AwaitEnd(frame) if has_ended(client, frame) => Some(format!(
            "a caller of {number} sleeps beside the end of frame {frame}"
        )),
        _ => None,
    }
}

/// Whether a frame is ready for the client of which `bytes` stand, or that has ended.
fn has_ready(client: &Client, bytes: u32) -> bool {
    let mut words = frame_words(client).iter().zip(0..);
    words.any(|(word, frame)| {
        let tag = word.load();
        tag.state() == Some(FrameState::Ready) && stands(client, frame).has(tag.serial, bytes)
    })
}

/// Whether a frame that the client has is not received any more.
fn has_ended(client: &Client, frame: u32) -> bool {
    let tag = frame_words(client)[frame as usize].load();
    let is_its = tag.state() == Some(FrameState::Held);
    is_its && stands(client, frame).has(tag.serial, WHOLE)
}

fn frame_words(client: &Client) -> &[FrameWord] {
    let frames = client.memory.geometry().frames as usize;
    let words = client.memory.files()[1].mapping();
    words.slice(SEG_FRAMES, frames)
}

/// How far a frame stands.
fn stands(client: &Client, frame: u32) -> ProgressTag {
    let at = client.memory.geometry().ctl_progress() + 8 * frame as usize;
    let word: &ProgressWord = client.memory.files()[0].mapping().at(at);
    word.load()
}

/// A timer fires for a session. If that waits for its end and has no user, something else than the
/// timer should have said so. `has_work`: something will, or has.
pub(crate) fn check_timer(index: usize, has_work: bool) {
    let is_needed = !has_work
        && world(|world| {
            world.mail.is_empty() && is_left(world, index, |it| !it.has_dead_thread())
        });
    if is_needed {
        violation(format!(
            "session {index}: only a timer sees that its last user has left"
        ));
    }
}

/// A thread has left for its process, which wakes each sleeper.
pub(crate) fn left(of: usize) {
    let asleep = sleepers();
    let slept = world(|world| {
        let client = &world.clients[of];
        let mut threads = client.threads.iter().filter(|_| client.is_honest());
        let sleeps = |it: &Thread| asleep.iter().any(|(task, _)| *task == it.task);
        threads
            .find(|it| sleeps(it))
            .map(|it| (client.number, it.call))
    });
    if let Some((number, call)) = slept {
        violation(format!(
            "{number} has left, and one of its callers sleeps on in {call:?}"
        ));
    }
}

/// The control thread was told of the ends of these threads, and has something of the session's to settle.
pub(crate) fn noted(index: usize, tasks: &[usize]) {
    world(|world| {
        let its = world.clients.iter_mut().filter(|it| it.session == index);
        let threads = its.flat_map(|it| &mut it.threads);
        let told = threads.filter(|it| tasks.contains(&it.task));
        told.for_each(|it| it.is_sought = true);
    });
}

/// A draining session was examined. What a thread left whose end was told before, and was not noted, is looked for
/// at once. `is_looking`: at threads, now or soon.
pub(crate) fn examined(index: usize, is_looking: bool) {
    let unsought = world(|world| {
        let mut unsought = None;
        let its = world.clients.iter_mut().filter(|it| it.session == index);
        for client in its.filter(|it| it.is_settled_in() && it.plan.is_watched) {
            for at in 0..client.threads.len() {
                let it = &client.threads[at];
                let is_told = it.mortal.is_dead() && it.is_reported && !it.is_sought;
                if is_told && client.is_counted(it.task) {
                    client.threads[at].is_sought = true;
                    unsought = Some(client.number);
                }
            }
        }
        unsought
    });
    if let Some(number) = unsought.filter(|_| !is_looking) {
        violation(format!(
            "session {index}: nothing looks for the thread of {number} that has ended"
        ));
    }
}

/// Of a session without users, for certain: calls that have begun. No client is about to go, and no thread is in a
/// call that counts, or has a frame, or died so.
pub(crate) fn calls_if_empty(index: usize) -> Option<u64> {
    world(|world| {
        let mut its = world.clients.iter().filter(|it| it.session == index);
        let is_calm = its.all(|it| {
            let has_frame =
                !it.holding.is_empty() || !it.kept.is_empty() || !it.returning.is_empty();
            !it.is_attached
                || it.is_settled_in()
                    && it.plan.is_watched
                    && !has_frame
                    && it.threads.iter().all(is_outside)
        });
        is_calm.then(|| world.sessions[index].calls)
    })
}

/// Whether the session was found empty, and these threads left nothing: their end costs no examination.
pub(crate) fn leave_nothing(index: usize, tasks: &[usize]) -> bool {
    world(|world| {
        let its = world.clients.iter().filter(|it| it.session == index);
        let mut threads = its.flat_map(|it| &it.threads);
        world.sessions[index].is_empty
            && threads.all(|it| !tasks.contains(&it.task) || is_outside(it))
    })
}

/// A session had its tick at `now`, ns, and wants another one at `again`: after that.
pub(crate) fn ticked(index: usize, now: u64, again: Option<u64>) {
    if again.is_some_and(|it| it <= now) {
        violation(format!(
            "session {index}: a timer fires, and stays in the past"
        ));
    }
}

/// Checks a session's waits after an event. `has_work`: as above. `is_settled`: it runs, and no thread that has ended
/// is looked for.
pub(crate) fn waits(index: usize, has_work: bool, is_settled: bool) {
    world(|world| {
        let session = &mut world.sessions[index];
        (session.waits_for_users, session.is_settled) = (!has_work, is_settled);
    });
}

/// Whether a thread's slot counts it for ever, although the daemon knows that it has ended.
fn is_left_counted(world: &World, client: &Client) -> bool {
    let session = &world.sessions[client.session];
    let is_known = client.is_settled_in() && client.plan.is_watched && !client.lost_events;
    let mut dead = client.threads.iter().filter(|it| it.mortal.is_dead());
    // A daemon that was killed looks at none.
    !world.is_daemon_dead
        && session.is_settled
        && session.has_sound_poller()
        && is_known
        && dead.any(|it| it.is_reported && client.is_counted(it.task))
}

/// Whether what dead threads left, the daemon can settle: the process has neither a frame of theirs, nor one that
/// counted in the shared slot.
fn is_settled(client: &Client) -> bool {
    let is_shared_used = || client.memory.users().iter().any(|it| it.index == OWN_SLOTS);
    !client.has_dead_thread() || !client.has_orphan(&client.memory.held()) && !is_shared_used()
}

/// Whether no client uses the session, and each has said so. `is_sound`: threads that died change nothing.
fn is_left(world: &World, index: usize, is_sound: impl Fn(&Client) -> bool) -> bool {
    let mut its = world.clients.iter().filter(|it| it.session == index);
    its.all(|it| {
        it.is_honest()
            && it.plan.is_watched
            && it.kicks < 4
            && !it.is_evicted
            && !it.hung_up
            // What it gave up comes back once the daemon sees that it has left.
            && !(it.has_left && it.detaches)
            && !it.has_unreported()
            && !it.uses()
            && (!it.is_dead() || it.is_reaped)
            && it.threads.iter().all(has_no_call)
            && (it.is_dead() || is_sound(it))
    })
}

fn has_no_call(thread: &Thread) -> bool {
    thread.mortal.is_dead() || is_outside(thread)
}

fn is_outside(thread: &Thread) -> bool {
    matches!(thread.call, Call::None | Call::WaitStarted)
}
