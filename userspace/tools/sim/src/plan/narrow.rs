//! Lives made for one window of a few steps, which others seldom meet. Nothing else makes them hard.
//!
//! They have chance of their own, by which no seed that ever failed is among them.

use onair_session::shutdown::Remedy;
use onair_sim_kernel::{Memory, Random};

use super::theme::{Below, add, clients, deed, dies_at};
use super::{Adversity, DeedKind, End, Manners, Plan};

/// With this number the seeds that ever failed have other lives.
const OWN: u64 = 22_632;

/// Makes the plan one of them, if its seed says so.
pub(super) fn is_made(plan: &mut Plan) -> bool {
    let mut random = Random::new(plan.seed.wrapping_mul(0x9e37_79b9) ^ OWN);
    let mut below = |limit: u64| usize::try_from(random.below(limit)).unwrap_or(0);
    if below(4) > 0 {
        return false;
    }
    plan.deeds.clear();
    (plan.death, plan.late, plan.stalls, plan.poller_slowness) = (None, 0, 0, 0);
    (plan.delay, plan.end) = (1_000, End::OneByOne);
    for client in clients(plan) {
        (client.manners, client.is_watched) = (Manners::Honest, true);
        (client.passes_on, client.is_slow, client.comes_later) = (false, false, false);
        client.taken_slots = 0;
    }
    let mut hard = Adversity::default();
    match below(11) {
        0 => leave_together(plan, &mut hard),
        1 => leave_behind_the_kick(plan, &mut hard),
        2 => pin_amid_a_leave(plan, &mut hard, &mut below),
        3 => start_amid_a_leave(plan, &mut hard, &mut below),
        4 => be_refused_before_it_hears(plan, &mut hard),
        5 => come_late_and_die(plan, &mut hard, &mut below),
        6 => come_in_its_turn(plan, &mut hard),
        7 => die_refused(plan, &mut below),
        8 => die_behind_the_winner(plan, &mut hard, &mut below),
        9 => die_with_a_frame(plan, &mut hard, &mut below),
        _ => pass_on_to_later_ones(plan, &mut hard, &mut below),
    }
    plan.adversity = hard;
    true
}

/// The last two callers leave together.
fn leave_together(plan: &mut Plan, hard: &mut Adversity) {
    (hard.meets_at, hard.memory) = (Some("wait.ended"), Memory::Lazy);
    plan.frame_pause = 2_000_000;
    alone(plan, 2);
}

/// The last caller has looked for a kick, and others do not see yet that it has left.
fn leave_behind_the_kick(plan: &mut Plan, hard: &mut Adversity) {
    (hard.withholds, hard.memory) = (64, Memory::Lazy);
    plan.frame_pause = 2_000_000;
    alone(plan, 1);
}

/// A process leaves while its threads take frames: between its barrier and its look at them.
fn pin_amid_a_leave(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    hard.slow_at = vec!["call.gates_read", "take.tried"];
    (hard.leaves_at_once, hard.slow_calls, hard.memory) = (true, 255, Memory::Weak);
    (hard.lingers, plan.frame_pause) = (true, 1);
    for client in clients(plan) {
        (client.is_plain, client.threads, client.spins) = (true, 1, false);
    }
    for_each_client(plan, below, &[DeedKind::HangUp], 30_000);
}

/// A process leaves, another of its threads undoes a stop, and a third calls.
fn start_amid_a_leave(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    (hard.leaves_at_once, hard.slow_calls, hard.is_brief) = (true, 128, true);
    plan.frame_pause = 2_000_000;
    for client in clients(plan) {
        (client.threads, client.spins) = (5, true);
    }
    use DeedKind::{HangUp, Pause};
    for_each_client(plan, below, &[Pause, HangUp], 40_000);
}

/// Threads that ask for events are refused right after the daemon has said that it exits.
fn be_refused_before_it_hears(plan: &mut Plan, hard: &mut Adversity) {
    plan.frame_pause = 2_000_000;
    (hard.polls_on, hard.hurries, hard.insists) = (true, true, true);
    hard.memory = Memory::Weak;
    plan.end = End::Shutdown {
        remedy: Remedy::Evict,
        grace: 50_000_000,
        forced_after: None,
    };
    for client in clients(plan) {
        (client.is_plain, client.spins, client.threads) = (true, true, 1);
    }
}

/// A session drains without users, until a helper has looked at sites. Threads that call on and on die in their calls.
fn come_late_and_die(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    use DeedKind::{DestroyWait, KillThread, Stop};
    hard.insists = true;
    (plan.delay, plan.frame_pause) = (200_000, 2_000_000);
    for client in clients(plan) {
        (client.spins, client.threads) = (true, 3);
    }
    for session in 0..plan.sessions.len() {
        plan.deeds.extend([
            deed(Stop, session, 0, below(20_000)),
            deed(DestroyWait, session, 2, 60_000 + below(60_000)),
        ]);
        let killed = (0..6).map(|_| deed(KillThread, session, below(64), below(40_000)));
        plan.deeds.extend(killed);
    }
}

/// Callers come between the examination of their session and its turn.
fn come_in_its_turn(plan: &mut Plan, hard: &mut Adversity) {
    (plan.in_turn, hard.insists) = (true, true);
    for client in clients(plan) {
        (client.spins, client.threads) = (true, 2);
    }
}

/// Threads die as they are refused, and their session is started and stopped again.
fn die_refused(plan: &mut Plan, below: Below<'_>) {
    use DeedKind::{Start, Stop};
    plan.death = dies_at("bounce.acknowledged", 1);
    for client in clients(plan) {
        (client.spins, client.threads) = (true, 3);
    }
    add(plan, below, &[Stop, Start, Stop, Start], 200_000);
}

/// Threads want the same frame, and die when another one has it, which keeps it for long.
fn die_behind_the_winner(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    (hard.slow_at, hard.lingers) = (vec!["take.looked"], true);
    plan.frame_pause = 5_000;
    plan.death = dies_at("take.tried", [2, 3, 5][below(3)]);
    for client in clients(plan) {
        client.threads = 5;
    }
}

/// Threads in whose calls a helper has seen a frame get it, and die.
fn die_with_a_frame(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    (hard.slow_at, hard.dies_when_asked) = (vec!["take.taken"], true);
    (plan.delay, plan.frame_pause) = (2_000_000, 5_000);
    for client in clients(plan) {
        (client.passes_on, client.threads) = (true, 5);
    }
    add(plan, below, &[DeedKind::LookForDead; 12], 2_000_000);
}

/// Sleepers of several generations: one of an earlier one passes a wake-up on.
fn pass_on_to_later_ones(plan: &mut Plan, hard: &mut Adversity, below: Below<'_>) {
    hard.late_wakes = 200;
    plan.frame_pause = 2_000_000;
    for client in clients(plan) {
        (client.spins, client.threads) = (true, 5);
    }
    add(plan, below, &[DeedKind::Bounce; 4], 1_000_000);
}

/// Each session has one client.
fn alone(plan: &mut Plan, threads: usize) {
    for session in &mut plan.sessions {
        session.clients.truncate(1);
    }
    for client in clients(plan) {
        (client.is_plain, client.threads, client.spins) = (true, threads, false);
    }
}

/// Adds these deeds, to each client of all sessions.
fn for_each_client(plan: &mut Plan, below: Below<'_>, kinds: &[DeedKind], longest: u64) {
    for session in 0..plan.sessions.len() {
        for which in 0..plan.sessions[session].clients.len() {
            for kind in kinds {
                let it = deed(*kind, session, which, below(longest));
                plan.deeds.push(it);
            }
        }
    }
}
