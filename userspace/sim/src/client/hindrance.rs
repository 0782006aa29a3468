//! What the plan has for callers that pass a label: a signal, a pause, or their death.

use onair_sim_kernel::{chance, current, signal, stall};

use crate::kernel::die;
use crate::world::world;

/// The running task passes a label of a call.
pub(crate) fn hinder(name: &'static str) {
    let (is_slow, is_signalled, death) = world(|world| {
        let plan = &world.plan;
        (
            plan.adversity.slow_at.contains(&name),
            plan.adversity.handler_at == Some(name),
            plan.death.filter(|it| it.label == name),
        )
    });
    if is_signalled && chance(1, 8) {
        interrupt();
    }
    if is_slow && chance(1, 4) {
        stall();
    }
    if let Some(death) = death {
        die(death);
    }
}

/// A signal comes to the running task.
fn interrupt() {
    let task = current();
    let of = world(|world| {
        let of = world.of_task.get(&task).copied();
        of.filter(|of| world.clients[*of].is_honest())
    });
    if let Some(of) = of {
        signal(task, move || slow_handler(of));
    }
}

/// A handler that takes its time before a call, and after it.
fn slow_handler(of: usize) {
    stall();
    super::honest::call_in_handler(of);
    stall();
}
