//! Who is inside: from the labels that callers pass.

use onair_sim_kernel::{current, mappings};

use crate::world::{violation, world};

/// The running task passes a label of a call.
pub(crate) fn passed(name: &'static str) {
    match name {
        "wait.before_begin" => enter(),
        "wait.ended" => {
            world(|world| {
                let task = current();
                if let Some(&of) = world.of_task.get(&task) {
                    world.clients[of].inside.remove(&task);
                }
            });
        }
        "call.begun" => world(|world| {
            if let Some(&of) = world.of_task.get(&current()) {
                world.sessions[world.clients[of].session].calls += 1;
            }
        }),
        "put.begun" => world(|world| {
            if let Some(&of) = world.of_task.get(&current()) {
                world.clients[of].puts += 1;
            }
        }),
        "kick.taken" => kicks(),
        "leave.frames_gone" => released(false),
        "leave.seg_gone" => released(true),
        _ => {}
    }
}

/// It has taken the request for a kick. The control thread makes the next one as it handles an event.
fn kicks() {
    let twice = world(|world| {
        let &of = world.of_task.get(&current())?;
        let client = &mut world.clients[of];
        client.new_kicks += u32::from(!world.is_in_event);
        (client.new_kicks > 1 && client.is_honest()).then_some(client.number)
    });
    if let Some(number) = twice {
        violation(format!("{number} kicks twice for one request"));
    }
}

/// The process has released its frames, and then its words.
fn released(is_all: bool) {
    let wrong = world(|world| {
        let &of = world.of_task.get(&current())?;
        let client = &mut world.clients[of];
        let has_words = mappings(client.file) > 1;
        let is_twice = is_all && std::mem::replace(&mut client.is_released, true);
        let is_wrong = is_twice || !is_all && !has_words && !client.is_released;
        (is_wrong && client.is_honest()).then_some(client.number)
    });
    if let Some(number) = wrong {
        violation(format!(
            "{number} releases its words before its frames, or twice"
        ));
    }
}

/// The life is over: a process whose threads have all left has released the memory.
pub(crate) fn check_released() {
    let kept = world(|world| {
        let clients = world
            .clients
            .iter()
            .filter(|it| it.is_honest() && !it.is_dead() && it.has_left && !it.has_dead_thread());
        let kept = clients.filter(|it| !it.is_released);
        kept.map(|it| it.number).collect::<Vec<_>>()
    });
    for number in kept {
        violation(format!("{number} has left, and never releases the memory"));
    }
}

/// It is past the gates, and will sleep.
fn enter() {
    let wrong = world(|world| {
        let task = current();
        let &of = world.of_task.get(&task)?;
        let client = &mut world.clients[of];
        client.inside.insert(task);
        let is_over = world.sessions[client.session].is_over && !world.is_daemon_dead;
        (is_over && client.is_honest() && !client.is_evicted).then_some(client.number)
    });
    if let Some(number) = wrong {
        violation(format!(
            "a caller of {number} is past the gates of a session that has ended"
        ));
    }
}
