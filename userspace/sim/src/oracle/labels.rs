//! Who is inside: from the labels that callers pass.

use onair_sim_kernel::current;

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
        _ => {}
    }
}

/// It is past the gates, and will sleep.
fn enter() {
    let wrong = world(|world| {
        let task = current();
        let &of = world.of_task.get(&task)?;
        let client = &mut world.clients[of];
        client.inside.insert(task);
        let is_over = world.sessions[client.session].is_over;
        (is_over && client.is_honest() && !client.is_evicted).then_some(client.number)
    });
    if let Some(number) = wrong {
        violation(format!(
            "a caller of {number} is past the gates of a session that has ended"
        ));
    }
}
