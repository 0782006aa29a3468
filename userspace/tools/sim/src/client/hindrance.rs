//! Plans for callers that pass a label: a signal, a pause, or their death.

use onair_sim_kernel::{below, chance, current, now_ns, park, signal, stall, unpark};

use crate::kernel::die;
use crate::world::world;

/// How long a thread waits for another one, ns.
const MEETING: u64 = 1_000_000;
/// Longest time from a meeting until both go on, ns.
const APART: usize = 100_000;

/// The running task passes a label of a call.
pub(crate) fn hinder(name: &'static str) {
    let (is_slow, is_signalled, meets, death) = world(|world| {
        let plan = &world.plan;
        (
            plan.adversity.slow_at.contains(&name),
            plan.adversity.handler_at == Some(name),
            plan.adversity.meets_at == Some(name),
            plan.death.filter(|it| it.label == name),
        )
    });
    if is_signalled && chance(1, 8) {
        interrupt();
    }
    if is_slow && chance(1, 4) {
        stall();
    }
    if meets {
        meet();
    }
    if let Some(death) = death {
        die(death);
    }
}

/// Waits for another thread of its process that comes to the same place. Both go on at the same time.
fn meet() {
    let me = current();
    let Some(of) = world(|world| world.of_task.get(&me).copied()) else {
        return;
    };
    let parts_at = now_ns() + below(APART) as u64;
    let other = world(|world| {
        let client = &mut world.clients[of];
        let other = client.meets.take();
        match other {
            Some(_) => client.parts_at = parts_at,
            None => client.meets = Some(me),
        }
        other
    });
    let has_met = match other {
        Some(other) => {
            unpark(other);
            true
        }
        None => park(now_ns() + MEETING),
    };
    let until = world(|world| {
        let client = &mut world.clients[of];
        client.meets = client.meets.filter(|it| *it != me);
        client.parts_at
    });
    if has_met {
        park(until);
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
